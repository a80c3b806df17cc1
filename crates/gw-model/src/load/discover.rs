//! Which files of a folder are declarations, and which documents they hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::{
    API_VERSION, api,
    code::Code,
    declared::Declared,
    desired::PolicyFile,
    diagnostic::Diagnostic,
    document::{self, Limits, Node, Value},
    environment::EnvironmentSpec,
    load::Files,
    schema,
    shape::{Shape, check, nearest, shown},
    source::{FileId, Position, Sources, Span},
    workspace::{DEFAULT_FILES, DEFAULT_POLICIES, WorkspaceSpec},
};

/// Every document whose form is right, and which other files matter.
#[derive(Debug, Default)]
pub(crate) struct Found {
    documents: Vec<Document>,
    /// Names of documents whose form is wrong: others may refer to them all the same.
    pub broken: BTreeSet<(Kind, String)>,
    pub cedar: Vec<FileId>,
    /// Every declaration file that was read.
    pub files: Vec<FileId>,
    /// Whether something that was to be a declaration could not be told to be one: it may declare
    /// any name.
    pub partial: bool,
}

/// A document of ours.
#[derive(Debug)]
pub(crate) struct Document {
    pub kind: Kind,
    pub name: String,
    pub node: Node,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Workspace,
    Environment,
    Api,
}

const KINDS: [(&str, Kind); 3] =
    [("Workspace", Kind::Workspace), ("Environment", Kind::Environment), ("Api", Kind::Api)];

/// Where the workspace is looked for first.
const ROOT: &str = "gatewright.yaml";

impl Found {
    fn of(&self, kind: Kind) -> impl Iterator<Item = &Document> {
        self.documents.iter().filter(move |document| document.kind == kind)
    }

    /// Hands over the documents of one kind.
    pub(crate) fn take(&mut self, wanted: Kind) -> Vec<Document> {
        let all = std::mem::take(&mut self.documents);
        let (taken, rest) = all.into_iter().partition(|document| document.kind == wanted);
        self.documents = rest;
        taken
    }

    pub(crate) fn workspace(&self) -> Option<&Document> {
        self.of(Kind::Workspace).next()
    }

    pub(crate) fn environments(&self) -> impl Iterator<Item = &Document> {
        self.of(Kind::Environment)
    }

    pub(crate) fn apis(&self) -> impl Iterator<Item = &Document> {
        self.of(Kind::Api)
    }

    pub(crate) fn policies(&self, sources: &Sources) -> Vec<PolicyFile> {
        let files = self.cedar.iter().filter_map(|file| sources.get(*file));
        files.map(|file| PolicyFile { path: file.path.clone(), text: file.text.clone() }).collect()
    }
}

impl Document {
    pub(crate) fn spec(&self) -> &Node {
        self.node.get("spec").unwrap_or(&self.node)
    }

    pub(crate) fn name_span(&self) -> Span {
        self.node.at(&["metadata", "name"]).unwrap_or(&self.node).span
    }
}

impl Kind {
    /// As it is called in a sentence.
    pub(crate) const fn told(self) -> &'static str {
        match self {
            Self::Workspace => "workspace",
            Self::Environment => "environment",
            Self::Api => "API",
        }
    }

    const fn written(self) -> &'static str {
        match self {
            Self::Workspace => "Workspace",
            Self::Environment => "Environment",
            Self::Api => "Api",
        }
    }

    pub(crate) fn shape(self) -> &'static Shape {
        static WORKSPACE: OnceLock<Shape> = OnceLock::new();
        static ENVIRONMENT: OnceLock<Shape> = OnceLock::new();
        static API: OnceLock<Shape> = OnceLock::new();
        match self {
            Self::Workspace => {
                WORKSPACE.get_or_init(|| schema::document(self.written(), WorkspaceSpec::shape()))
            }
            Self::Environment => ENVIRONMENT
                .get_or_init(|| schema::document(self.written(), EnvironmentSpec::shape())),
            Self::Api => API.get_or_init(|| schema::document(self.written(), api::written())),
        }
    }
}

/// Reads every declaration file of a folder.
pub(crate) fn discover(
    files: &dyn Files,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Found {
    let mut paths = files.paths();
    paths.sort();
    let mut desk = Desk {
        files,
        sources,
        diagnostics,
        read: BTreeMap::new(),
        unread: BTreeSet::new(),
        found: Found::default(),
    };
    let globs = desk.globs(&paths);
    for path in paths.iter().filter(|path| globs.is_match(path.as_str()) || *path == ROOT) {
        desk.take_declared(path);
    }
    desk.look_elsewhere(&paths);
    desk.refuse_same_names();
    desk.read_policies(&paths);
    // What cannot be read may well be the workspace.
    let may_be_there = desk.is_broken(Kind::Workspace) || desk.unread.contains(ROOT);
    if desk.found.workspace().is_none() && !may_be_there {
        if !paths.iter().any(|path| path == ROOT) {
            // This is no workspace: what lies in it is none of our business.
            desk.diagnostics.clear();
        }
        desk.diagnostics.push(
            Diagnostic::new(Code::NoWorkspace, "there is no document of kind `Workspace`")
                .help("name the folder that holds it with `-w DIR`")
                .help(format!(
                    "or have {ROOT} written: `gatewright init --from OPENAPI` round an API that you \
                     have, `gatewright init --demo shop` to play with"
                )),
        );
    }
    desk.found
}

/// Where files come from, and where what was found goes.
struct Desk<'a> {
    files: &'a dyn Files,
    sources: &'a mut Sources,
    diagnostics: &'a mut Vec<Diagnostic>,
    /// What was read already, by path; `None` was refused and told.
    read: BTreeMap<String, Option<(FileId, Vec<Node>)>>,
    /// The paths of those that were refused.
    unread: BTreeSet<String>,
    found: Found,
}

impl Desk<'_> {
    /// The globs of the workspace, which stands in the file at the root.
    fn globs(&mut self, paths: &[String]) -> GlobSet {
        let declared = if paths.iter().any(|path| path == ROOT) {
            self.open(ROOT);
            let documents = self.read.get(ROOT).and_then(Option::as_ref);
            let documents = documents.map(|(_, documents)| documents.as_slice());
            let mut workspaces = documents
                .unwrap_or_default()
                .iter()
                .filter(|node| kind_of(node) == Some(Kind::Workspace));
            workspaces.find_map(|node| node.at(&["spec", "files"]).cloned())
        } else {
            None
        };
        match declared {
            Some(node) => self.written_globs(&node, paths),
            None => self.glob_set(DEFAULT_FILES.iter().map(|glob| (*glob, None))),
        }
    }

    /// Globs that a person wrote: one that matches nothing would leave something out in silence.
    fn written_globs(&mut self, node: &Node, paths: &[String]) -> GlobSet {
        let items = node.as_list().unwrap_or_default().iter();
        let globs: Vec<(&str, Span)> =
            items.filter_map(|item| Some((item.as_text()?, item.span))).collect();
        for (glob, span) in &globs {
            let set = self.glob_set(std::iter::once((*glob, Some(*span))));
            if !paths.iter().any(|path| set.is_match(path)) {
                let told =
                    Diagnostic::new(Code::IdleGlob, format!("{} matches no file", shown(glob)));
                self.diagnostics.push(told.at(*span, "nothing is read because of it"));
            }
        }
        self.glob_set(globs.iter().map(|(glob, _)| (*glob, None)))
    }

    fn glob_set<'g>(&mut self, globs: impl Iterator<Item = (&'g str, Option<Span>)>) -> GlobSet {
        let mut set = GlobSetBuilder::new();
        for (glob, span) in globs {
            match GlobBuilder::new(glob).literal_separator(true).build() {
                Ok(glob) => drop(set.add(glob)),
                Err(error) => {
                    let message = format!("{} is not a glob", shown(glob));
                    let told = Diagnostic::new(Code::WrongValue, message);
                    let told = span.map(|span| told.at(span, error.kind().to_string()));
                    self.diagnostics.extend(told);
                }
            }
        }
        set.build().unwrap_or_else(|_| GlobSet::empty())
    }

    /// Reads a file once.
    fn open(&mut self, path: &str) {
        if self.read.contains_key(path) {
            return;
        }
        let opened = match self.files.read(path) {
            Ok(bytes) => {
                let (file, read) = document::read(self.sources, path, bytes, &Limits::DECLARATION);
                self.found.files.push(file);
                read.map(|documents| (file, documents)).map_err(|refusal| *refusal)
            }
            Err(reason) => {
                let message = format!("`{path}` cannot be read: {reason}");
                Err(Diagnostic::new(Code::MissingFile, message))
            }
        };
        if let Err(refusal) = &opened {
            self.diagnostics.push(refusal.clone());
            self.unread.insert(path.to_owned());
        }
        self.read.insert(path.to_owned(), opened.ok());
    }

    /// In a declared file every document is ours.
    fn take_declared(&mut self, path: &str) {
        self.open(path);
        let Some((file, documents)) = self.read.get_mut(path).and_then(Option::take) else {
            self.found.partial = true;
            return;
        };
        let written = documents.into_iter().filter(|node| node.value != Value::Null);
        let mut count = 0;
        for node in written {
            count += 1;
            self.take(node);
        }
        if count == 0 {
            let start = Position { line: 1, column: 1 };
            let told =
                Diagnostic::new(Code::UnknownDocument, format!("`{path}` holds no document"));
            let place = Span { file, start, end: start };
            self.diagnostics.push(told.at(place, "a declaration is wanted here"));
        }
    }

    fn take(&mut self, node: Node) {
        let Some(kind) = self.kind(&node) else {
            self.found.partial = true;
            return;
        };
        let before = self.diagnostics.len();
        check(&node, kind.shape(), kind.written(), self.diagnostics);
        let name = node.at(&["metadata", "name"]).and_then(Node::as_text).unwrap_or_default();
        let name = name.to_owned();
        if self.diagnostics.len() == before {
            self.found.documents.push(Document { kind, name, node });
        } else {
            self.found.broken.insert((kind, name));
        }
    }

    /// Which kind a document is; tells what is wrong if it is none.
    fn kind(&mut self, node: &Node) -> Option<Kind> {
        let kind = kind_of(node);
        if kind.is_some() {
            return kind;
        }
        let version = node.get("apiVersion");
        let (message, span, label) = match (version, node.get("kind")) {
            (Some(version), Some(kind)) if version.as_text() == Some(API_VERSION) => {
                let written = kind.as_text().unwrap_or_default();
                let known = KINDS.map(|(word, _)| word);
                let label = match nearest(written, known.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("one of {}", known.join(", ")),
                };
                (format!("{} is no kind of declaration", shown(written)), kind.span, label)
            }
            (Some(version), _) if version.as_text() != Some(API_VERSION) => {
                let written = version.as_text().unwrap_or_default();
                let message = format!("{} is not an `apiVersion` of declarations", shown(written));
                (message, version.span, format!("`{API_VERSION}` is meant here"))
            }
            (version, _) => {
                let missing = if version.is_none() { "apiVersion" } else { "kind" };
                let label = "in this file every document is a declaration".to_owned();
                (format!("a document without `{missing}`"), head_of(node), label)
            }
        };
        self.diagnostics.push(Diagnostic::new(Code::UnknownDocument, message).at(span, label));
        None
    }

    /// A document of ours in any other file would be left out in silence.
    fn look_elsewhere(&mut self, paths: &[String]) {
        let is_document =
            |path: &str| [".yaml", ".yml", ".json"].iter().any(|ending| path.ends_with(ending));
        let known: BTreeSet<String> = self.read.keys().cloned().collect();
        let mut for_cluster = vec![];
        for path in paths.iter().filter(|path| is_document(path) && !known.contains(*path)) {
            let Ok(bytes) = self.files.read(path) else { continue };
            if !speaks_of_us(&bytes) {
                continue;
            }
            let (file, read) = document::read(self.sources, path, bytes, &Limits::DECLARATION);
            self.found.files.push(file);
            let documents = match read {
                Ok(documents) => documents,
                Err(refusal) => {
                    let message = format!("`{path}` may hold a declaration and cannot be read");
                    let mut told = Diagnostic::new(Code::UnclearFile, message);
                    told.labels = refusal.labels;
                    self.diagnostics.push(told.note(refusal.message));
                    continue;
                }
            };
            let foreign = documents.iter().any(|node| group_of(node).is_some() && !is_ours(node));
            for node in documents.into_iter().filter(is_ours) {
                if foreign {
                    for_cluster.push(node);
                } else {
                    self.misplaced(path, &node);
                }
            }
        }
        if self.found.workspace().is_none() && !self.is_broken(Kind::Workspace) {
            self.take_from_cluster(for_cluster);
        }
    }

    fn misplaced(&mut self, path: &str, node: &Node) {
        let message = format!("`{path}` is none of the declared files and holds a declaration");
        let told = Diagnostic::new(Code::MisplacedDeclaration, message)
            .at(head_of(node), "nothing would come of this document")
            .help(format!("add `{path}` to `files` of the workspace, or move the document"));
        self.diagnostics.push(told);
    }

    /// With `delivery.flux` the workspace stands beside the source in the cluster's own files.
    fn take_from_cluster(&mut self, documents: Vec<Node>) {
        let delivered = |node: &Node| {
            kind_of(node) == Some(Kind::Workspace) && node.at(&["spec", "delivery"]).is_some()
        };
        for node in documents.into_iter().filter(delivered) {
            self.take(node);
        }
    }

    fn is_broken(&self, kind: Kind) -> bool {
        self.found.broken.iter().any(|(broken, _)| *broken == kind)
    }

    fn refuse_same_names(&mut self) {
        let mut seen: BTreeMap<(Kind, &str), Span> = BTreeMap::new();
        for document in &self.found.documents {
            let span = document.name_span();
            let kind = document.kind;
            let name = if kind == Kind::Workspace { "" } else { document.name.as_str() };
            let Some(first) = seen.get(&(kind, name)) else {
                seen.insert((kind, name), span);
                continue;
            };
            let told = if kind == Kind::Workspace {
                Diagnostic::new(Code::SecondWorkspace, "a folder has one workspace")
            } else {
                let message = format!("two documents declare {} `{name}`", kind.told());
                Diagnostic::new(Code::DuplicateName, message)
            };
            self.diagnostics.push(told.at(span, "the second").at(*first, "the first"));
        }
    }

    fn read_policies(&mut self, paths: &[String]) {
        let workspace = self.found.workspace();
        let declared = workspace.and_then(|workspace| workspace.spec().get("policies").cloned());
        let globs = match declared {
            Some(node) => self.written_globs(&node, paths),
            None => self.glob_set(DEFAULT_POLICIES.iter().map(|glob| (*glob, None))),
        };
        for path in paths.iter().filter(|path| path.ends_with(".cedar") || globs.is_match(path)) {
            if globs.is_match(path) {
                self.read_policy(path);
            } else {
                let message = format!("no glob under `policies` matches `{path}`");
                let told = Diagnostic::new(Code::UnmatchedCedar, message);
                self.diagnostics.push(told.help("its forbids do not hold"));
            }
        }
    }

    fn read_policy(&mut self, path: &str) {
        let refusal = match self.files.read(path).map(String::from_utf8) {
            Ok(Ok(text)) => {
                let file = self.sources.add(path, text);
                self.found.cedar.push(file);
                return;
            }
            Ok(Err(_)) => "it is not UTF-8 text".to_owned(),
            Err(reason) => reason.to_string(),
        };
        let message = format!("`{path}` cannot be read: {refusal}");
        self.diagnostics.push(Diagnostic::new(Code::MissingFile, message));
    }
}

/// The kind of a document that is ours.
fn kind_of(node: &Node) -> Option<Kind> {
    let version = node.get("apiVersion")?.as_text()?;
    let kind = node.get("kind")?.as_text()?;
    let known = KINDS.iter().find(|(word, _)| *word == kind)?;
    (version == API_VERSION).then_some(known.1)
}

/// What stands before the `/` of the `apiVersion`; an object of Kubernetes has one.
fn group_of(node: &Node) -> Option<&str> {
    let version = node.get("apiVersion")?.as_text()?;
    Some(version.split_once('/').map_or("", |(group, _)| group))
}

fn is_ours(node: &Node) -> bool {
    let ours = API_VERSION.split_once('/').map(|(group, _)| group);
    group_of(node).is_some() && group_of(node) == ours
}

/// A cheap look before a file is parsed.
fn speaks_of_us(bytes: &[u8]) -> bool {
    const US: &str = "gatewright.io/";
    let text = String::from_utf8_lossy(bytes);
    text.contains(US) && text.lines().any(|line| line.contains("apiVersion") && line.contains(US))
}

fn head_of(node: &Node) -> Span {
    match node.as_map().and_then(|entries| entries.first()) {
        Some(entry) => entry.key_span,
        None => node.span,
    }
}
