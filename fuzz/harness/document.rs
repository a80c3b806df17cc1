//! Any bytes as a YAML file.

use gw_model::{
    document::{Limits, read},
    source::Sources,
};

const LIMITS: Limits =
    Limits { bytes: 1 << 16, depth: 32, nodes: 10_000, documents: 16, scalar_bytes: 1 << 12 };

/// What is read is within the limits; what is refused has a place in the file.
pub(crate) fn run(bytes: &[u8]) {
    let mut sources = Sources::default();
    let (file, read) = read(&mut sources, "file.yaml", bytes.to_vec(), &LIMITS);
    match read {
        Ok(documents) => {
            assert!(documents.len() <= LIMITS.documents);
            assert!(documents.iter().all(|document| document.depth() <= LIMITS.depth));
        }
        Err(refusal) => {
            assert!(refusal.labels.iter().all(|label| label.span.file == file));
            assert!(!refusal.labels.is_empty());
        }
    }
}
