//! Any bytes as an OpenAPI document.

use std::collections::BTreeSet;

use gw_model::{
    load::{Files, ReadError},
    openapi::Library,
    source::{Position, Sources, Span},
};

struct OneFile<'a>(&'a [u8]);

impl Files for OneFile<'_> {
    fn paths(&self) -> Vec<String> {
        vec!["openapi.yaml".to_owned()]
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        match path {
            "openapi.yaml" => Ok(self.0.to_vec()),
            _ => Err(ReadError("there is no such file".to_owned())),
        }
    }
}

/// Operations have names of their own, and lie where their pointers say.
pub(crate) fn run(bytes: &[u8]) {
    let mut sources = Sources::default();
    let file = sources.add("api.yaml", "openapi: { file: openapi.yaml }");
    let start = Position { line: 1, column: 1 };
    let named = Span { file, start, end: start };
    let (files, mut found) = (OneFile(bytes), vec![]);
    let mut library = Library::default();
    let document = library.document("openapi.yaml", named, &files, &mut sources, &mut found);
    let Some(document) = document else {
        assert!(!found.is_empty(), "refused without a word");
        return;
    };
    let names: BTreeSet<_> = document.operations.iter().map(|one| &one.operation.id).collect();
    assert_eq!(names.len(), document.operations.len());
    for described in &document.operations {
        assert!(described.operation.path.starts_with('/'));
        let node = document.get(&described.place);
        assert!(node.is_some_and(|node| node.as_map().is_some()));
        assert!(document.get(&described.item).is_some());
    }
}
