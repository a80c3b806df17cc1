//! The OpenAPI files of a workspace, each read once however many APIs and references name it.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    document::{self, Limits},
    load::{Files, ReadError},
    openapi::{
        Document, operations,
        reference::Reference,
        references::{self, Tree, Trees, Written},
        version,
    },
    source::{FileId, Position, Sources, Span},
};

/// Published documents are generated and large: GitHub's has 500,000 values and keys in 13 MB, the
/// largest known one, Microsoft Graph's, 1,400,000 in 20 MB.
pub const LIMITS: Limits =
    Limits { bytes: 32 << 20, depth: 128, nodes: 2_000_000, documents: 1, scalar_bytes: 1 << 20 };

/// How many diagnostics of one code a document may cause before the rest is only counted.
const SHOWN_PER_CODE: usize = 10;

#[derive(Debug, Default)]
pub struct Library {
    /// `None`: the file cannot be used, which has been reported.
    files: BTreeMap<String, Option<Arc<Tree>>>,
    documents: BTreeMap<String, Option<Arc<Document>>>,
}

/// Where files come from, where their text goes, and what is to be told about them.
struct Desk<'a> {
    files: &'a dyn Files,
    sources: &'a mut Sources,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Library {
    /// Reads the document that a declaration names at `named`. What is wrong with a document is
    /// told once; `None` says that nothing can be said about its operations.
    pub fn document(
        &mut self,
        path: &str,
        named: Span,
        files: &dyn Files,
        sources: &mut Sources,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Arc<Document>> {
        if let Some(known) = self.documents.get(path) {
            return known.clone();
        }
        let mut found = Vec::new();
        let mut desk = Desk { files, sources, diagnostics: &mut found };
        let document = self.read(path, named, &mut desk).map(Arc::new);
        diagnostics.extend(condense(found));
        self.documents.insert(path.to_owned(), document.clone());
        document
    }

    fn read(&mut self, path: &str, named: Span, desk: &mut Desk<'_>) -> Option<Document> {
        let missing = |path: &str, reason: &ReadError| {
            let diagnostic =
                Diagnostic::new(Code::NoSuchOpenapi, format!("`{path}` cannot be read: {reason}"));
            diagnostic.at(named, "named here").help("the path begins at the root of the workspace")
        };
        let tree = self.open(path, desk, missing)?;
        let root = &tree.root;
        let version =
            version::read(root, path).map_err(|refusal| desk.diagnostics.push(*refusal)).ok()?;
        let trees = self.gather(path, Arc::clone(&tree), desk);
        let (operations, wrong) = operations::read(&trees, path, root);
        desk.diagnostics.extend(wrong);
        let base = version::base(root);
        Some(Document { path: path.to_owned(), version, operations, base, trees })
    }

    /// Opens every file that is reached by a reference.
    fn gather(&mut self, path: &str, tree: Arc<Tree>, desk: &mut Desk<'_>) -> Trees {
        let mut trees = Trees::from([(path.to_owned(), Arc::clone(&tree))]);
        let mut read: Vec<(String, Vec<Written>)> = vec![];
        let mut waiting = vec![(path.to_owned(), tree)];
        while let Some((file, tree)) = waiting.pop() {
            let written = references::collect(&tree.root);
            for one in &written {
                let Ok(reference) = Reference::parse(&one.text, &file) else { continue };
                if trees.contains_key(&reference.file) {
                    continue;
                }
                let missing = |path: &str, reason: &ReadError| {
                    let message = format!("`{}` leads nowhere", one.text);
                    Diagnostic::new(Code::DanglingReference, message)
                        .at(one.at, format!("`{path}` cannot be read: {reason}"))
                        .help("a path in a reference begins at the file that holds it")
                };
                if let Some(tree) = self.open(&reference.file, desk, missing) {
                    trees.insert(reference.file.clone(), tree.clone());
                    waiting.push((reference.file, tree));
                }
            }
            read.push((file, written));
        }
        for (file, written) in &read {
            desk.diagnostics.extend(references::check(&trees, file, written));
        }
        trees
    }

    fn open(
        &mut self,
        path: &str,
        desk: &mut Desk<'_>,
        missing: impl FnOnce(&str, &ReadError) -> Diagnostic,
    ) -> Option<Arc<Tree>> {
        if let Some(known) = self.files.get(path) {
            return known.clone();
        }
        let tree = match desk.files.read(path) {
            Err(reason) => Err(missing(path, &reason)),
            Ok(bytes) => {
                let (file, nodes) = document::read(desk.sources, path, bytes, &LIMITS);
                match nodes.map(|nodes| nodes.into_iter().next()) {
                    Ok(Some(node)) => Ok(Tree::new(node)),
                    Ok(None) => Err(empty(path, file)),
                    Err(refusal) => Err(*refusal),
                }
            }
        };
        let tree = tree.map_err(|refusal| desk.diagnostics.push(refusal)).ok().map(Arc::new);
        self.files.insert(path.to_owned(), tree.clone());
        tree
    }
}

fn empty(path: &str, file: FileId) -> Diagnostic {
    let start = Position { line: 1, column: 1 };
    Diagnostic::new(Code::UnsupportedOpenapi, format!("`{path}` is empty"))
        .at(Span { file, start, end: start }, "an OpenAPI document is wanted here")
}

/// In the order of the files. A generated document repeats its mistakes by the hundred: the first
/// ones are shown, the rest is counted.
fn condense(mut found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.sort_by_key(|diagnostic| diagnostic.labels.first().map(|label| label.span));
    let mut seen: BTreeMap<Code, usize> = BTreeMap::new();
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in found {
        let count = seen.entry(diagnostic.code).or_default();
        *count += 1;
        if *count <= SHOWN_PER_CODE {
            kept.push(diagnostic);
        }
    }
    for (code, count) in seen {
        let last = kept.iter_mut().rfind(|diagnostic| diagnostic.code == code);
        if let Some(last) = last.filter(|_| count > SHOWN_PER_CODE) {
            last.notes.push(format!("{} more like this in the document", count - SHOWN_PER_CODE));
        }
    }
    kept
}
