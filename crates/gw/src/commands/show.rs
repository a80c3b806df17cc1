//! `gatewright show`.

pub(super) mod secrets;

use clap::{Args, ValueEnum};
use gw_model::{
    id::{ApiName, EnvironmentName},
    show::{Line, Object},
};
use gw_policy::snapshot::Snapshot;
use serde::Serialize;

use super::{Context, can::not_the_same};
use crate::{
    compose::Workspace,
    exit::{Exit, Failure},
    ui::Form,
};

/// Prints a document as it holds in an environment, with the origin of each line.
///
/// `secrets` is no document: it tells each credential with what it is for, who answers for it, where it
/// lies, when it ends and was used last, and what is wrong with that; never a value. Here these are the
/// secrets that the files name; a server (`--server`) also tells its own, by which it reaches the Git host,
/// the witness and whoever is notified.
///
/// Without `--env` it is looked at in every environment, and one has to be named where it differs.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// What: api/NAME, environment/NAME, workspace, or secrets.
    #[arg(value_name = "OBJECT")]
    object: String,
    /// Also the Cedar that equals the rules of access in the environment.
    #[arg(long)]
    policies: bool,
    /// What a gateway of another kind would be given. Not available yet.
    #[arg(long = "as", value_enum, value_name = "KIND")]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Apim,
    Tyk,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    object: &'a str,
    lines: Vec<Shown<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policies: Option<&'a str>,
}

#[derive(Serialize)]
struct Shown<'a> {
    text: &'a str,
    origins: Vec<String>,
}

impl Show {
    /// Whether it is about credentials, which a server has as well.
    pub(super) fn is_about_secrets(&self) -> bool {
        self.object == secrets::OBJECT
    }

    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        if self.is_about_secrets() {
            return secrets::here(context).await;
        }
        if self.kind.is_some() {
            return Err(Failure::wrong("only what is built in can be shown yet")
                .coded(gw_model::code::Code::TargetKindUnavailable)
                .help("leave out `--as`"));
        }
        let workspace = Workspace::read(&context.globals.workspace)?;
        let environments = workspace.environments(context)?;
        let mut shown = vec![];
        for environment in &environments {
            shown.push(self.look(context, &workspace, environment)?);
        }
        let names = environments.iter().map(EnvironmentName::as_str);
        let (lines, policies) = match shown.split_first() {
            Some((first, others)) if others.iter().all(|other| other == first) => first,
            _ => return Err(not_the_same("document", names)),
        };
        let lines = lines.as_ref().ok_or_else(|| {
            Failure::wrong(format!("there is no `{}`", self.object))
                .help("name one: api/NAME, environment/NAME, workspace or secrets")
        })?;
        match context.ui.form {
            Form::Json => context.ui.json(&Document {
                schema: "gatewright.io/show/v1",
                object: &self.object,
                lines: lines.iter().map(self::shown).collect(),
                policies: policies.as_deref(),
            }),
            Form::Text => {
                context.ui.result(&text(lines));
                context.ui.result(policies.as_deref().unwrap_or_default());
            }
        }
        Ok(Exit::Done)
    }

    /// The object as it is in one environment, where it has one, with the Cedar that is asked for.
    fn look(
        &self,
        context: Context<'_>,
        workspace: &Workspace,
        environment: &EnvironmentName,
    ) -> Result<(Option<Vec<Line>>, Option<String>), Failure> {
        let lines = workspace.declared(context)?.show(&self.object(environment)?);
        let policies = match self.policies {
            true => Some(cedar(context, workspace, environment)?),
            false => None,
        };
        Ok((lines, policies))
    }

    fn object(&self, environment: &EnvironmentName) -> Result<Object, Failure> {
        let wrong = |error: gw_model::id::NotAName| Failure::wrong(error.to_string());
        match self.object.split_once('/') {
            None if self.object == "workspace" => Ok(Object::Workspace),
            Some(("api", name)) => Ok(Object::Api {
                api: ApiName::parse(name).map_err(wrong)?,
                environment: environment.clone(),
            }),
            Some(("environment", name)) => Ok(Object::Environment(name.parse().map_err(wrong)?)),
            Some(_) | None => Err(Failure::wrong(format!("`{}` is not an object", self.object))
                .help("name one: api/NAME, environment/NAME, workspace or secrets")),
        }
    }
}

/// The Cedar of every target; where there are several, each under its name.
fn cedar(
    context: Context<'_>,
    workspace: &Workspace,
    environment: &EnvironmentName,
) -> Result<String, Failure> {
    let desired = workspace.desired(context, environment)?;
    let several = desired.spec.targets.len() > 1;
    let mut cedar = String::new();
    for target in desired.spec.targets.keys() {
        let snapshot = Snapshot::compile(&desired, target)
            .map_err(|found| workspace.refuse(context, &found))?;
        if several {
            cedar.push_str(&format!("// target {target}\n"));
        }
        cedar.push_str(&snapshot.printed());
    }
    Ok(cedar)
}

fn shown(line: &Line) -> Shown<'_> {
    Shown { text: &line.text, origins: line.origins.iter().map(ToString::to_string).collect() }
}

/// The lines, with their origins in a column of their own.
fn text(lines: &[Line]) -> String {
    let width = lines.iter().map(|line| line.text.chars().count()).max().unwrap_or_default();
    let width = width.min(72);
    let mut text = String::new();
    for line in lines {
        let origins: Vec<String> = line.origins.iter().map(ToString::to_string).collect();
        if origins.is_empty() {
            text.push_str(&line.text);
        } else {
            text.push_str(&format!("{:<width$}  # {}", line.text, origins.join(", ")));
        }
        text.push('\n');
    }
    text
}
