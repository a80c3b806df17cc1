//! A folder of declarations, read once.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gw_control::{declared::Declared, source::local::Folder};
use gw_drivers::registry::refusals;
use gw_model::{
    code::Code,
    desired::Desired,
    diagnostic::Diagnostic,
    id::EnvironmentName,
    load::{Declarations, Files, ReadError},
    openapi::Library,
    shape::nearest,
    source::{Origin, Position, Sources, Span},
};
use time::Date;

use crate::{
    commands::Context,
    config,
    diagnostics::{self, Paint},
    exit::{Exit, Failure},
    ui::Form,
};

#[derive(Debug)]
pub(crate) struct Workspace {
    pub(crate) folder: Folder,
    pub(crate) declared: Declared,
}

/// The folder of declarations, without reading what stands in it.
pub(crate) fn root(path: &Path) -> Result<PathBuf, Failure> {
    path.canonicalize().map_err(|error| {
        Failure::wrong(format!("cannot open `{}`: {error}", path.display()))
            .help("name the folder of declarations with `-w DIR`")
    })
}

impl Workspace {
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let folder = Folder::open(path).map_err(|error| {
            Failure::wrong(error.to_string()).help("name the folder of declarations with `-w DIR`")
        })?;
        let mut declared = Declared::read(&folder);
        declared.found.extend(secret_in_settings(folder.root()));
        Ok(Self { folder, declared })
    }

    /// Everything there is to say about the declarations, in every environment, each thing once.
    pub(crate) fn check(&self, today: Date) -> Vec<Diagnostic> {
        self.declared.check(today, refused_by_a_plan)
    }

    /// How many values of secrets stand where names belong. With one, nothing can be applied.
    pub(crate) fn literal_secrets(&self) -> usize {
        self.declared.found.iter().filter(|found| found.code == Code::Secret).count()
    }

    /// The environment that was named, or the only one.
    pub(crate) fn environment(
        &self,
        context: Context<'_>,
        wanted: Option<&EnvironmentName>,
    ) -> Result<EnvironmentName, Failure> {
        let declarations = self.declared(context)?;
        let names: Vec<&EnvironmentName> =
            declarations.environments().map(|(name, _)| name).collect();
        let list = || names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        match (wanted, names.as_slice()) {
            (Some(wanted), names) if names.contains(&wanted) => Ok(wanted.clone()),
            (Some(wanted), _) => Err(Failure::wrong(format!("there is no environment `{wanted}`"))
                .help(match nearest(wanted.as_str(), names.iter().map(|name| name.as_str())) {
                    Some(near) => format!("declared are: {}; did you mean `{near}`?", list()),
                    None => format!("declared are: {}", list()),
                })),
            (None, [only]) => Ok((*only).clone()),
            (None, []) => Err(Failure::wrong("no environment is declared")),
            (None, _) => Err(Failure::wrong("several environments are declared")
                .help(format!("name one with `--env`: {}", list()))),
        }
    }

    /// The environment that was named, or every one.
    pub(crate) fn environments(
        &self,
        context: Context<'_>,
    ) -> Result<Vec<EnvironmentName>, Failure> {
        let names = self.declared(context)?.environments().map(|(name, _)| name.clone());
        let names: Vec<EnvironmentName> = names.collect();
        match (&context.globals.env, names.len()) {
            (None, 2..) => Ok(names),
            (wanted, _) => Ok(vec![self.environment(context, wanted.as_ref())?]),
        }
    }

    /// What must hold in an environment. Errors anywhere in the folder stand in the way: half a
    /// workspace is never put to work.
    pub(crate) fn desired(
        &self,
        context: Context<'_>,
        environment: &EnvironmentName,
    ) -> Result<Arc<Desired>, Failure> {
        let declarations = self.declared(context)?;
        let desired = declarations.desired(environment);
        desired.map_err(|found| self.refuse(context, std::slice::from_ref(&*found)))
    }

    /// The declarations, where nothing is wrong with them.
    pub(crate) fn faultless(&self) -> Option<&Declarations> {
        self.declared.faultless()
    }

    /// The same for a command that needs them: tells what is wrong.
    pub(crate) fn declared(&self, context: Context<'_>) -> Result<&Declarations, Failure> {
        self.faultless().ok_or_else(|| self.refuse(context, &self.declared.found))
    }

    /// Tells everything that is wrong with the files.
    pub(crate) fn refuse_all(&self, context: Context<'_>) -> Failure {
        self.refuse(context, &self.declared.found)
    }

    /// Tells what is wrong, as `check` does.
    pub(crate) fn refuse(&self, context: Context<'_>, found: &[Diagnostic]) -> Failure {
        tell(context, found, &self.declared.sources);
        Failure::new(Exit::Wrong, "the declarations are wrong").in_declarations()
    }
}

/// Refuses to begin a workspace with what is no OpenAPI document at all.
pub(crate) fn openapi_or_refuse(
    context: Context<'_>,
    path: &Path,
    bytes: &[u8],
) -> Result<(), Failure> {
    let (mut sources, mut found) = (Sources::default(), vec![]);
    let name = path.display().to_string();
    let nowhere = Position { line: 1, column: 1 };
    let named = Span { file: sources.add(name.clone(), ""), start: nowhere, end: nowhere };
    let alone = Alone { path: &name, bytes };
    let document = Library::default().document(&name, named, &alone, &mut sources, &mut found);
    if document.is_some() {
        // Whatever else is wrong with it is for `check`, when it lies in its place.
        return Ok(());
    }
    tell(context, &found, &sources);
    Err(Failure::wrong(format!("no workspace can begin with `{name}`")).note("nothing was written"))
}

/// One document before anything lies beside it.
#[derive(Debug)]
struct Alone<'a> {
    path: &'a str,
    bytes: &'a [u8],
}

impl Files for Alone<'_> {
    fn paths(&self) -> Vec<String> {
        vec![]
    }

    fn read(&self, path: &str) -> Result<Vec<u8>, ReadError> {
        let is_it = path == self.path;
        is_it
            .then(|| self.bytes.to_vec())
            .ok_or_else(|| ReadError("it is not there yet".to_owned()))
    }
}

fn tell(context: Context<'_>, found: &[Diagnostic], sources: &Sources) {
    match context.ui.form {
        // The document of `check`, on a line of its own.
        Form::Json => {
            context.ui.alarm(&diagnostics::machine::json(found, sources).to_string());
        }
        Form::Text => {
            let paint = if context.ui.coloured_talk() { Paint::Coloured } else { Paint::Plain };
            for diagnostic in found {
                context.ui.alarm(&diagnostics::one(diagnostic, sources, paint));
            }
        }
    }
}

/// Settings among the declarations are not read, and are committed with them all the same.
fn secret_in_settings(root: &Path) -> Option<Diagnostic> {
    let text = fs::read_to_string(root.join(config::SETTINGS)).ok()?;
    let (line, kind) = config::pasted_secret(&text)?;
    let at = Origin { file: config::SETTINGS.to_owned(), line: u32::try_from(line).ok()? };
    let told = Diagnostic::new(Code::Secret, format!("{kind} stands in a file of the workspace"));
    Some(
        told.on(&at, "not shown")
            .help("settings name files that hold secrets, never secrets themselves")
            .help("whoever could read this file knows it now: replace it"),
    )
}

/// What a plan of the environment would refuse because of its targets.
fn refused_by_a_plan(desired: &Desired) -> Vec<Diagnostic> {
    let told = |refusal: Diagnostic| {
        let Diagnostic { code, message, labels, marks, notes, help } = refusal;
        let environment = &desired.environment;
        let message = format!("a plan of {environment} refuses this: {message}");
        let warning = Diagnostic {
            labels,
            marks,
            notes,
            help,
            ..Diagnostic::new(Code::PlanRefuses, message)
        };
        warning.note(format!("`gatewright explain {code}` tells more"))
    };
    refusals(desired).into_iter().map(told).collect()
}
