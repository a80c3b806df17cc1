//! A folder becomes declarations: which files are read, and what they say together.

mod discover;
mod listen;
mod names;
mod requires;
mod resolve;
mod scan;
mod upstream;

use std::{collections::BTreeMap, error::Error, fmt, str::FromStr, sync::Arc};

use self::discover::{Document, Found};
pub(crate) use self::{discover::Kind, requires::is_range};
use crate::{
    api::{ApiSpec, FileRef},
    code::Code,
    declared::Declared,
    desired::{Api, Desired, Intake, PolicyFile},
    diagnostic::{Diagnostic, Meant, Severity},
    document::Node,
    environment::EnvironmentSpec,
    id::{ApiName, EnvironmentName, WorkspaceName},
    openapi::{self, Library, Operation},
    shape::nearest,
    source::{FileId, Sources, Span},
    workspace::{Source, WorkspaceSpec},
};

/// The files of a workspace, by their paths from its root: `/` between folders, in order.
pub trait Files {
    fn paths(&self) -> Vec<String>;
    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError>;
}

/// Why a file could not be read, in the words of whatever holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadError(pub String);

/// What a folder says, and everything that is to be told about it.
#[derive(Debug)]
pub struct Loaded {
    /// With every text that looks like a secret blotted out.
    pub sources: Sources,
    /// `None` if there is any error.
    pub declarations: Option<Declarations>,
    /// In the order of files and lines.
    pub diagnostics: Vec<Diagnostic>,
}

/// A folder in which every name is resolved and every file is there.
#[derive(Clone, Debug)]
pub struct Declarations {
    sources: Sources,
    workspace_name: WorkspaceName,
    workspace: Written<WorkspaceSpec>,
    environments: BTreeMap<EnvironmentName, Written<EnvironmentSpec>>,
    apis: BTreeMap<ApiName, Written<ApiSpec>>,
    policies: Vec<PolicyFile>,
    /// What must hold, environment by environment.
    desired: BTreeMap<EnvironmentName, Arc<Desired>>,
    /// Where the operations of each API are written, in their order.
    places: BTreeMap<ApiName, Vec<Span>>,
}

/// The OpenAPI documents by their paths. They are large, and gone when everything is resolved.
type Documents = BTreeMap<String, Arc<openapi::Document>>;

/// A declaration as it was written, and what it says before values are filled in.
#[derive(Clone, Debug)]
struct Written<T> {
    document: Node,
    spec: T,
}

/// Reads every declaration of a folder and everything that declarations name.
pub fn load(files: &dyn Files) -> Loaded {
    let mut sources = Sources::default();
    let mut diagnostics = vec![];
    let found = discover::discover(files, &mut sources, &mut diagnostics);
    requires::check(&found, &mut diagnostics);
    let mut documents = read_openapi(&found, files, &mut sources, &mut diagnostics);
    let used = names::check(&found, &documents, &mut diagnostics);
    listen::check(&found, &mut diagnostics);
    let native = read_native(&used, files, &mut sources, &mut diagnostics);
    scan::scan(&found, &documents, &native, &mut sources, &mut diagnostics);
    // From here on only their operations are asked for, and the trees are most of what is held.
    documents.values_mut().filter_map(Arc::get_mut).for_each(openapi::Document::forget_files);
    let whole = !has_errors(&diagnostics);
    let mut declarations = whole.then(|| Declarations::build(found, &sources)).flatten();
    if let Some(declarations) = &mut declarations {
        diagnostics.extend(declarations.disagreements(&documents));
        declarations.places = declarations.places_in(&documents);
        declarations.desired = declarations
            .environments
            .iter()
            .filter_map(|(name, environment)| {
                let found = declarations.resolve(name, environment, &documents);
                let desired = found.map_err(|found| diagnostics.extend(found)).ok()?;
                Some((name.clone(), Arc::new(desired)))
            })
            .collect();
    }
    settle(&mut diagnostics, &sources);
    let declarations = declarations.filter(|_| !has_errors(&diagnostics));
    Loaded { sources, declarations, diagnostics }
}

fn has_errors(diagnostics: &[Diagnostic]) -> bool {
    diagnostics.iter().any(|diagnostic| diagnostic.severity() == Severity::Error)
}

/// What was said is the same whichever file was read first, and nothing is said twice.
fn settle(diagnostics: &mut Vec<Diagnostic>, sources: &Sources) {
    diagnostics.sort_by_cached_key(|diagnostic| {
        let place = diagnostic.labels.first().map(|label| {
            let path = sources.get(label.span.file).map(|file| file.path.clone());
            (path, label.span.start, label.span.end)
        });
        // A folder for another version explains whatever else is told about it.
        let here = diagnostic.code != Code::OtherVersion;
        (here, place, diagnostic.code, diagnostic.message.clone())
    });
    diagnostics.dedup();
}

/// Every OpenAPI document that an API names; what is wrong with one is told once.
fn read_openapi(
    found: &Found,
    files: &dyn Files,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Documents {
    let mut library = Library::default();
    let mut documents = Documents::new();
    for api in found.apis() {
        let Some(file) = api.spec().at(&["openapi", "file"]) else { continue };
        let Some(path) = file.as_text() else { continue };
        let document = library.document(path, file.span, files, sources, diagnostics);
        if let Some(document) = document {
            documents.insert(path.to_owned(), document);
        }
    }
    documents
}

/// The text of every other file that a declaration names.
fn read_native(
    used: &[names::Use],
    files: &dyn Files,
    sources: &mut Sources,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<FileId> {
    let mut read = BTreeMap::new();
    for names::Use { path, span } in used {
        if read.contains_key(path) {
            continue;
        }
        let refusal = match files.read(path).map(String::from_utf8) {
            Ok(Ok(text)) => {
                read.insert(path.clone(), sources.add(path, text));
                continue;
            }
            Ok(Err(_)) => "it is not UTF-8 text".to_owned(),
            Err(reason) => reason.to_string(),
        };
        let message = format!("`{path}` cannot be read: {refusal}");
        let told = Diagnostic::new(Code::MissingFile, message).at(*span, "named here");
        diagnostics.push(told.help("the path begins at the root of the workspace"));
    }
    read.into_values().collect()
}

impl Declarations {
    /// `None` only if a document does not fit its shape, which has been told.
    fn build(mut found: Found, sources: &Sources) -> Option<Self> {
        let workspace = found.take(Kind::Workspace).pop()?;
        Some(Self {
            workspace_name: workspace.name.parse().ok()?,
            workspace: Written::read(workspace, sources)?,
            environments: read_all(found.take(Kind::Environment), sources)?,
            apis: read_all(found.take(Kind::Api), sources)?,
            policies: found.policies(sources),
            sources: sources.clone(),
            desired: BTreeMap::new(),
            places: BTreeMap::new(),
        })
    }

    pub fn workspace_name(&self) -> &WorkspaceName {
        &self.workspace_name
    }

    pub fn workspace(&self) -> &WorkspaceSpec {
        &self.workspace.spec
    }

    pub fn environments(&self) -> impl Iterator<Item = (&EnvironmentName, &EnvironmentSpec)> {
        self.environments.iter().map(|(name, written)| (name, &written.spec))
    }

    /// Who answers for facts about a commit.
    pub fn source(&self) -> &Source {
        &self.workspace.spec.source
    }

    /// Every API, before the values and overrides of an environment.
    pub fn apis(&self) -> impl Iterator<Item = (&ApiName, &ApiSpec)> {
        self.apis.iter().map(|(name, written)| (name, &written.spec))
    }

    pub fn policies(&self) -> &[PolicyFile] {
        &self.policies
    }

    /// What must hold in one environment.
    pub fn desired(&self, name: &EnvironmentName) -> Result<Arc<Desired>, Box<Diagnostic>> {
        let known = self.desired.get(name).map(Arc::clone);
        known.ok_or_else(|| Box::new(self.no_environment(name)))
    }

    /// The same of every environment, in the order of their names.
    pub fn desired_everywhere(&self) -> impl Iterator<Item = &Desired> {
        self.desired.values().map(AsRef::as_ref)
    }

    /// Points at what is meant: an API at its name, an operation where its document lists it.
    pub fn locate(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        for mark in &mut diagnostic.marks {
            let span = mark.meant.as_ref().and_then(|meant| self.place(meant));
            let known = span.and_then(|span| Some((span, self.sources.get(span.file)?)));
            if let Some((span, file)) = known {
                mark.file.clone_from(&file.path);
                (mark.start, mark.end) = (span.start, span.end);
            }
        }
        diagnostic
    }

    fn place(&self, meant: &Meant) -> Option<Span> {
        match meant {
            Meant::Api(name) => {
                let document = &self.apis.get(name)?.document;
                Some(document.at(&["metadata", "name"])?.span)
            }
            Meant::Field { api, path } => {
                let spec = self.apis.get(api)?.spec_node()?;
                Some(spec.at(&path.split('.').collect::<Vec<_>>())?.span)
            }
            Meant::Operation { api, id } => {
                let declared = self.desired.values().find_map(|desired| desired.apis.get(api))?;
                let index = declared.operations.iter().position(|operation| operation.id == *id)?;
                self.places.get(api)?.get(index).copied()
            }
        }
    }

    fn places_in(&self, documents: &Documents) -> BTreeMap<ApiName, Vec<Span>> {
        let places = |(name, spec): (&ApiName, &ApiSpec)| {
            let described = openapi(documents, spec)?.operations.iter();
            Some((name.clone(), described.map(|described| described.at).collect()))
        };
        self.apis().filter_map(places).collect()
    }

    /// Lays overrides over every API of an environment and fills its values in.
    fn resolve(
        &self,
        name: &EnvironmentName,
        environment: &Written<EnvironmentSpec>,
        documents: &Documents,
    ) -> Result<Desired, Vec<Diagnostic>> {
        let mut diagnostics = vec![];
        let mut apis = BTreeMap::new();
        for (api, written) in self.apis.iter().filter(|(_, api)| api.spec.goes_to(name)) {
            match resolve::resolve(written, name, environment, &self.sources) {
                Ok(spec) => {
                    let seen = upstream::Seen {
                        api,
                        spec: &spec,
                        written,
                        environment,
                        name,
                        declarations: self,
                    };
                    upstream::check(&seen, &mut diagnostics);
                    let at = self.sources.origin(written.document.span);
                    let operations = operations(documents, &spec);
                    apis.insert(api.clone(), Api { at, operations, spec });
                }
                Err(found) => diagnostics.extend(found),
            }
        }
        if has_errors(&diagnostics) {
            return Err(diagnostics);
        }
        let workspace = &self.workspace.spec;
        let mut identities = workspace.identities.clone();
        identities.extend(environment.spec.identities.clone());
        Ok(Desired {
            workspace: self.workspace_name.clone(),
            source: workspace.source.clone(),
            intake: Intake {
                files: workspace.files.clone(),
                policies: workspace.policies.clone(),
                delivery: workspace.delivery.clone(),
            },
            environment: name.clone(),
            spec: environment.spec.clone(),
            identities,
            people: workspace.people.clone(),
            teams: workspace.teams.clone(),
            apis,
            policies: self.policies.clone(),
        })
    }

    /// Where an API and its OpenAPI document say different things.
    fn disagreements(&self, documents: &Documents) -> impl Iterator<Item = Diagnostic> {
        let described = self.apis().filter_map(|(_, spec)| Some((openapi(documents, spec)?, spec)));
        described.flat_map(|(document, spec)| openapi::agreement::compare(document, spec))
    }

    fn no_environment(&self, name: &EnvironmentName) -> Diagnostic {
        let message = format!("no environment is called `{name}`");
        let known: Vec<&str> = self.environments.keys().map(EnvironmentName::as_str).collect();
        let told = Diagnostic::new(Code::UnknownName, message);
        match nearest(name.as_str(), known.iter().copied()) {
            Some(near) => told.help(format!("did you mean `{near}`?")),
            None => told.help(format!("known here: {}", known.join(", "))),
        }
    }

    /// The parts that [`crate::show`] prints.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(crate) fn workspace_document(&self) -> &Node {
        &self.workspace.document
    }

    pub(crate) fn environment_document(&self, name: &EnvironmentName) -> Option<&Node> {
        self.environments.get(name).map(|written| &written.document)
    }

    /// The document of an API with the overrides and values of an environment, and where each value
    /// that was filled in is written.
    pub(crate) fn api_document(
        &self,
        api: &ApiName,
        environment: &EnvironmentName,
    ) -> Option<resolve::Merged> {
        let written = self.apis.get(api)?;
        let environment_spec = self.environments.get(environment)?;
        resolve::merge(written, environment, environment_spec).ok()
    }
}

/// The OpenAPI document of an API.
fn openapi<'a>(documents: &'a Documents, api: &ApiSpec) -> Option<&'a openapi::Document> {
    match &api.openapi {
        FileRef::File(path) => documents.get(path).map(AsRef::as_ref),
        FileRef::ConfigMap { .. } => None,
    }
}

fn operations(documents: &Documents, api: &ApiSpec) -> Vec<Operation> {
    let described = openapi(documents, api).map(|document| document.operations.as_slice());
    let described = described.unwrap_or_default().iter();
    described.map(|described| described.operation.clone()).collect()
}

impl<T: Declared> Written<T> {
    fn read(document: Document, sources: &Sources) -> Option<Self> {
        let spec = T::read(document.spec(), sources)?;
        Some(Self { document: document.node, spec })
    }
}

impl<T> Written<T> {
    fn spec_node(&self) -> Option<&Node> {
        self.document.get("spec")
    }
}

fn read_all<N: FromStr + Ord, T: Declared>(
    documents: Vec<Document>,
    sources: &Sources,
) -> Option<BTreeMap<N, Written<T>>> {
    documents
        .into_iter()
        .map(|document| Some((document.name.parse().ok()?, Written::read(document, sources)?)))
        .collect()
}

impl ApiSpec {
    /// Whether the API goes to an environment: everywhere, where it names none.
    pub fn goes_to(&self, environment: &EnvironmentName) -> bool {
        self.environments.is_empty() || self.environments.contains(environment)
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ReadError {}

#[cfg(test)]
pub(crate) mod tests;
