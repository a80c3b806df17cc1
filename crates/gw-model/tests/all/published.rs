//! Documents that others published load, and hold as many operations as another reader counts.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gw_model::{
    load::{Files, ReadError},
    openapi::Library,
    source::{Position, Sources, Span},
};

const LIST: &str = include_str!("published.txt");

/// The folder into which `scripts/openapi-documents.sh` puts the documents.
struct Cache(PathBuf);

impl Files for Cache {
    fn paths(&self) -> Vec<String> {
        names().map(str::to_owned).collect()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the test brings the bytes that the crate is given"
    )]
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        fs::read(self.0.join(path)).map_err(|error| ReadError(error.to_string()))
    }
}

fn names() -> impl Iterator<Item = &'static str> {
    let lines = LIST.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.split(' ').next_back())
}

fn count(cache: &Cache, name: &str) -> usize {
    let mut sources = Sources::default();
    let file = sources.add("api.yaml", "openapi: { file: here }");
    let start = Position { line: 1, column: 1 };
    let named = Span { file, start, end: start };
    let mut found = vec![];
    let document = Library::default().document(name, named, cache, &mut sources, &mut found);
    assert!(found.is_empty(), "{name}: {found:#?}");
    document.unwrap().operations.len()
}

/// The same counts by a reader that shares nothing with ours.
fn counts_of_python(cache: &Cache) -> Vec<usize> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/count_operations.py");
    let output = Command::new("python3")
        .arg(script)
        .args(names())
        .current_dir(&cache.0)
        .env("PYTHONPATH", cache.0.join("python"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn published_documents_load_with_all_their_operations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/openapi");
    if !folder.join(".fetched").exists() {
        let said = "the published OpenAPI documents are not here: run scripts/openapi-documents.sh";
        return gw_testkit::absent::not_run(said);
    }
    let cache = Cache(folder.canonicalize().unwrap());
    let ours: Vec<(usize, &str)> = names().map(|name| (count(&cache, name), name)).collect();
    let theirs: Vec<(usize, &str)> = counts_of_python(&cache).into_iter().zip(names()).collect();
    assert_eq!(ours, theirs);
    assert!(ours.len() >= 10);
    assert!(ours.iter().all(|(operations, _)| *operations >= 50), "{ours:?}");
}
