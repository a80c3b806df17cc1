//! `gatewright can`.

mod again;
mod change;

use std::{
    collections::BTreeSet,
    fmt::Display,
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use gw_model::{
    clock::Clock,
    desired::Desired,
    id::{EnvironmentName, IdentityName, TargetName},
    workspace::Identity,
};
use gw_policy::{
    can::{Known, Question, SOMEWHERE, WhoCan},
    change::may,
    decision::DecisionId,
    principal::{Caller, Principal},
    snapshot::{Routed, Snapshot},
    token::{TrustedIssuers, Unverified, claimed},
};
use serde::Serialize;
use serde_json::Value;
use time::OffsetDateTime;

use super::Context;
use crate::{
    compose::{SystemClock, Workspace},
    config,
    exit::{Exit, Failure},
    ui::Form,
};

/// Tells whether a call would pass or a change may be made, and why. Offline: by the declarations.
///
/// WHO is `anyone` for a caller without any proof, the name of an identity such as `staff`, or an
/// identity with a subject such as `staff:bob`. Exits with 3 where the call would be refused.
/// Without `--env` every environment is asked, and one has to be named where their answers differ.
///
/// Where an action such as `apply` stands in the place of a call, or `changes` for all of them, it is
/// about changes: WHO is then also `person/NAME`, with every identity of theirs, or `branch/NAME`, for
/// whoever brings a commit of it. A server (`--server`) answers by the rules in force, and tells where
/// the Git host lets people do something else.
///
/// With `--decision` the call is one that a gateway decided, named by the id that its caller was
/// given. It is judged again twice, by the generation that decided it and by the files as they are
/// now, whether a gateway runs or not; who called, and the claims that mattered, stand in the
/// decision log.
#[derive(Debug, Args)]
pub(crate) struct Can {
    /// Who it is about: anyone, IDENTITY or IDENTITY:SUBJECT.
    #[arg(value_name = "WHO", required_unless_present_any = ["matrix", "who_can", "token_file", "decision"])]
    who: Option<String>,
    /// The method of the call; or an action on the environment, or `changes` for all of them.
    #[arg(value_name = "METHOD")]
    method: Option<String>,
    /// The path of the call.
    #[arg(value_name = "PATH")]
    path: Option<String>,
    /// The host of the call, where APIs have hosts of their own.
    #[arg(long, value_name = "HOST", default_value = "localhost")]
    host: String,
    /// The address that the call comes from, where a condition or a policy looks at it; without it
    /// 127.0.0.1 is assumed, and the answer says so where it matters.
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// A claim that the caller holds; may be given several times.
    #[arg(long = "claim", value_name = "NAME=VALUE", value_parser = claim)]
    claims: Vec<(String, String)>,
    /// A file with a bearer token, to ask for its holder; WHO is left out then. Its signature is
    /// not checked: offline nobody has the keys.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["claims", "matrix", "who_can"])]
    token_file: Option<PathBuf>,
    /// Judges a call of the decision log again, for example: --decision d-01M25C1FZR000G40R4
    #[arg(long, value_name = "ID", value_parser = DecisionId::parse)]
    #[arg(conflicts_with_all = ["who", "matrix", "who_can", "token_file", "claims", "target"])]
    decision: Option<DecisionId>,
    /// The table of every operation and every class of callers.
    #[arg(long, conflicts_with_all = ["who", "who_can"])]
    matrix: bool,
    /// Everybody who can call the operation at METHOD and PATH, for example: --who-can POST /orders; or
    /// who may change the environment, for example: --who-can apply, --who-can changes
    #[arg(long, num_args = 1..=2, value_name = "METHOD PATH|ACTION", conflicts_with = "who")]
    who_can: Option<Vec<String>>,
    /// Which target's view of the world; not needed where the environment has only one.
    #[arg(long, value_name = "NAME", value_parser = TargetName::parse)]
    target: Option<TargetName>,
}

/// What one environment answers.
#[derive(Serialize)]
struct Told {
    schema: &'static str,
    environment: EnvironmentName,
    /// What the answer was found by.
    by: &'static str,
    #[serde(flatten)]
    answer: Value,
    #[serde(skip)]
    text: String,
    #[serde(skip)]
    exit: Exit,
}

impl Can {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        if let Some(id) = &self.decision {
            return again::run(context, id).await;
        }
        if let Some(asked) = self.about_changes() {
            return asked.run(context);
        }
        let workspace = Workspace::read(&context.globals.workspace)?;
        if config::server().is_some() {
            context
                .ui
                .say("by the files here: a server is asked about changes, and not about calls");
        }
        let now = SystemClock.now();
        let mut told: Vec<Told> = vec![];
        for environment in workspace.environments(context)? {
            told.push(self.ask(context, &workspace, environment, now)?);
        }
        let Some((first, others)) = told.split_first() else { return Ok(Exit::Done) };
        if others.iter().any(|other| other.answer != first.answer) {
            let names = told.iter().map(|told| told.environment.as_str());
            return Err(not_the_same("answer", names));
        }
        match context.ui.form {
            Form::Json => told.iter().for_each(|told| context.ui.json(told)),
            Form::Text => context.ui.result(&first.text),
        }
        Ok(first.exit)
    }

    /// The answer in one environment.
    fn ask(
        &self,
        context: Context<'_>,
        workspace: &Workspace,
        environment: EnvironmentName,
        now: OffsetDateTime,
    ) -> Result<Told, Failure> {
        let desired = workspace.desired(context, &environment)?;
        let target = self.target(&desired)?;
        let snapshot = Snapshot::compile(&desired, target)
            .map_err(|found| workspace.refuse(context, &found))?;
        if self.matrix {
            let matrix = snapshot.matrix(now);
            return told("gatewright.io/access/v1", environment, &matrix, Exit::Done);
        }
        if let Some(asked) = self.who_can.as_deref() {
            let [method, path] = asked else {
                let words = asked.join(" ");
                return Err(Failure::wrong(format!("`{words}` is no action on an environment"))
                    .help(change::help(&words, "gatewright can --who-can"))
                    .help("about a call: `--who-can METHOD PATH`"));
            };
            if may::action(&method.to_lowercase()).is_some() {
                return Err(Failure::wrong(format!("about `{method}` nothing comes after it"))
                    .help(change::help(method, "gatewright can --who-can")));
            }
            let (method, path) = (method_of(method), path_of(path));
            let who_can = who_can(&snapshot, &self.host, &method, path, now)?;
            return told("gatewright.io/who-can/v1", environment, &who_can, Exit::Done);
        }
        let (caller, method, path) = match (&self.token_file, &self.who, &self.method, &self.path) {
            (Some(file), Some(method), Some(path), None) => (holder(file, &desired)?, method, path),
            (None, Some(who), Some(method), Some(path)) => {
                (self.caller(who, &desired)?, method, path)
            }
            (Some(_), Some(who), Some(method), Some(path)) => {
                return Err(Failure::wrong(format!("the token says who calls: leave `{who}` out"))
                    .help(format!("gatewright can --token-file FILE {method} {path}")));
            }
            (_, who, method, _) => {
                let failure = Failure::wrong("say who would call what: WHO METHOD PATH")
                    .help("with `--token-file` WHO is left out");
                return Err(match (who, method) {
                    (Some(who), Some(action)) => {
                        failure.help(change::help(action, &format!("gatewright can {who}")))
                    }
                    (Some(action), None) => {
                        failure.help(change::help(action, "gatewright can --who-can"))
                    }
                    (None, _) => failure,
                });
            }
        };
        let answer = snapshot.can(&Question {
            caller: &caller,
            method: &method_of(method),
            host: &self.host,
            path: path_of(path),
            ip: self.ip.map_or(Known::Assumed(SOMEWHERE), Known::Given),
            now: Known::Assumed(now),
        });
        let exit = if answer.allowed { Exit::Done } else { Exit::Denied };
        told("gatewright.io/can/v1", environment, &answer, exit)
    }

    /// Whose view is asked for. Targets serve different APIs, so none is preferred.
    fn target<'d>(&self, desired: &'d Desired) -> Result<&'d TargetName, Failure> {
        let environment = &desired.environment;
        let names: Vec<&TargetName> = desired.spec.targets.keys().collect();
        let list = || names.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        let wanted = self.target.as_ref();
        match (wanted, names.as_slice()) {
            (None, [only]) => Ok(only),
            (Some(wanted), names) => {
                names.iter().copied().find(|name| *name == wanted).ok_or_else(|| {
                    Failure::wrong(format!("environment `{environment}` has no target `{wanted}`"))
                        .help(format!("declared are: {}", list()))
                })
            }
            (None, _) => {
                Err(Failure::wrong(format!("environment `{environment}` has several targets"))
                    .help(format!("name one with `--target`: {}", list())))
            }
        }
    }

    /// The caller that WHO describes.
    fn caller(&self, who: &str, desired: &Desired) -> Result<Caller, Failure> {
        if who == "anyone" {
            return Ok(Caller::default());
        }
        let (identity, subject) = who.split_once(':').unwrap_or((who, "somebody"));
        if subject.is_empty() {
            return Err(Failure::wrong(format!("`{who}` names no subject"))
                .help(format!("`{identity}` alone asks for somebody of it")));
        }
        let known = IdentityName::parse(identity)
            .ok()
            .and_then(|name| desired.identities.get_key_value(&name));
        let Some((identity, declared)) = known else {
            let names: Vec<_> = desired.identities.keys().map(IdentityName::as_str).collect();
            let help = match names.is_empty() {
                true => "WHO is `anyone`: no identity is declared".to_owned(),
                false => format!("WHO is `anyone`, or one of: {}", names.join(", ")),
            };
            return Err(Failure::wrong(format!("there is no identity `{identity}`")).help(help));
        };
        let mut principal = Principal {
            identity: identity.clone(),
            issuer: issuer(declared),
            subject: subject.to_owned(),
            claims: std::collections::BTreeMap::new(),
            expires_at: None,
        };
        for (name, value) in &self.claims {
            let values: &mut BTreeSet<String> = principal.claims.entry(name.clone()).or_default();
            values.insert(value.clone());
        }
        Ok(Caller { principals: vec![principal] })
    }
}

/// Whoever holds the token in a file, as the token says; it is never repeated.
fn holder(file: &Path, desired: &Desired) -> Result<Caller, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::wrong(format!("cannot read `{}`: {error}", file.display())))?;
    let now = SystemClock.now().unix_timestamp();
    let read = || {
        let token = Unverified::parse(text.trim())?;
        let issuers = TrustedIssuers::of(&desired.identities);
        claimed(&token, issuers.get(token.issuer())?, now)
    };
    read().map(|principals| Caller { principals }).map_err(|refusal| {
        Failure::new(Exit::Denied, format!("the gateway would refuse this token: {refusal}"))
    })
}

/// Methods are in capitals; who types one means it, whatever he types.
fn method_of(typed: &str) -> String {
    typed.to_ascii_uppercase()
}

/// The query decides nothing.
fn path_of(typed: &str) -> &str {
    typed.split(['?', '#']).next().unwrap_or(typed)
}

fn issuer(identity: &Identity) -> String {
    match identity {
        Identity::Oidc(oidc) => oidc.issuer.clone(),
        Identity::BitbucketPipelines { .. }
        | Identity::SignedWebhook { .. }
        | Identity::ClientCertificate { .. }
        | Identity::AwsIam { .. } => "offline".to_owned(),
    }
}

fn who_can(
    snapshot: &Snapshot,
    host: &str,
    method: &str,
    path: &str,
    now: OffsetDateTime,
) -> Result<WhoCan, Failure> {
    match snapshot.route(host, method, path) {
        Routed::Found(found) => Ok(found.operation.who_can(now)),
        Routed::MethodNotListed(_) | Routed::NoRoute | Routed::Refused(_) => {
            Err(Failure::wrong(format!("no API lists {method} {path}"))
                .help("`gatewright can --matrix` lists every operation"))
        }
    }
}

fn told<T: Serialize + Display>(
    schema: &'static str,
    environment: EnvironmentName,
    answer: &T,
    exit: Exit,
) -> Result<Told, Failure> {
    let text = answer.to_string();
    let answer = serde_json::to_value(answer)
        .map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok(Told { schema, environment, by: "files", answer, text, exit })
}

/// That environments differ in what is asked for, so that one of them has to be named.
pub(super) fn not_the_same<'a>(what: &str, names: impl Iterator<Item = &'a str>) -> Failure {
    Failure::wrong(format!("the {what} is not the same in every environment"))
        .help(format!("name one with `--env`: {}", names.collect::<Vec<_>>().join(", ")))
}

fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}
