//! Telling people what nobody waits for: a change that was denied, waits, failed, or moved behind our
//! back. Whom, the rules in force say; how, the settings of the server.
//!
//! It never holds up what it tells of, and it is no record: that is the ledger.

pub mod webhook;

use std::{fmt, pin::Pin};

use gw_model::{
    desired::Desired,
    environment::{Channel, Notice, Notify},
    id::{EnvironmentName, WorkspaceName},
    secret::SecretRefusal,
};
use gw_net::client::FetchError;
use gw_plan::{digest::Digest, plan::Plan, render::first_line};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::tell::{Links, Waiting, line};

/// What a channel will have taken, or why not.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<(), NotifyError>> + Send + 'a>>;

/// The channels of a server, by their names in its settings.
pub trait Notifier: fmt::Debug + Send + Sync {
    fn send<'a>(&'a self, channel: &'a Channel, notification: &'a Notification) -> Pending<'a>;
}

/// Something that happened. It says where more is to be read, and nothing that only some may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    pub on: Notice,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    pub workspace: WorkspaceName,
    pub environment: EnvironmentName,
    /// In one line.
    pub text: String,
    /// Whom it waits for.
    pub waits_for: Vec<String>,
    pub plan: Option<String>,
    pub decision: Option<String>,
    pub change: Option<u64>,
    pub commit: Option<String>,
    #[serde(default)]
    pub pull_request: Option<u64>,
    pub link: String,
}

/// Why a channel was not told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotifyError {
    /// The settings name none of that name.
    NoChannel { name: String },
    /// The secret that signs could not be read.
    Secret(SecretRefusal),
    /// It is no secret that can sign.
    Key { name: String },
    /// It did not answer, however often it was tried.
    Unreached { channel: String, because: FetchError },
    /// It answered otherwise than that it took it.
    Refused { channel: String, status: u16 },
}

/// Tells everybody whom the rules in force name for it. Says who could not be told.
pub async fn notify(
    notifier: &dyn Notifier,
    wishes: &[Notify],
    notification: &Notification,
) -> Vec<NotifyError> {
    let (mut failed, mut told) = (vec![], vec![]);
    // That glass was broken everybody hears.
    let hears = |wish: &&Notify| {
        notification.on == Notice::BreakGlass || wish.on.contains(&notification.on)
    };
    for wish in wishes.iter().filter(hears) {
        if !told.contains(&&wish.channel) {
            failed.extend(notifier.send(&wish.channel, notification).await.err());
            told.push(&wish.channel);
        }
    }
    failed
}

impl Notification {
    /// That a plan waits for somebody. None: it does not.
    pub fn waiting(plan: &Plan, links: &Links) -> Option<Self> {
        let waiting = Waiting::of(&plan.decision)?;
        let whom: Vec<String> = waiting.whom().map(line).collect();
        let text =
            format!("{} waits for {}: {}", plan.environment, whom.join(", "), first_line(plan));
        let of = Self::of(Notice::Waiting, plan, &text, links.plan(&plan.id));
        Some(Self { waits_for: whom, ..of })
    }

    /// That a plan was to be applied and may not.
    pub fn denied(plan: &Plan, links: &Links) -> Self {
        let why = plan.decision.why.as_deref().unwrap_or("no rule allows it");
        let text = format!("{} was not changed: {why}", plan.environment);
        Self::of(Notice::Denied, plan, &text, links.decision(&plan.decision.id))
    }

    /// That a change did not come to its end.
    pub fn failed(plan: &Plan, change: Option<u64>, why: &str, links: &Links) -> Self {
        let text = match change {
            Some(number) => format!("change {number} of {} failed: {why}", plan.environment),
            None => format!("{} was not changed: {why}", plan.environment),
        };
        let of = Self::of(Notice::Failed, plan, &text, links.plan(&plan.id));
        Self { change, ..of }
    }

    /// That a target holds something else than what was written, which this plan would put back.
    pub fn drift(plan: &Plan, links: &Links) -> Self {
        let text =
            format!("{} does not hold what was written: {}", plan.environment, first_line(plan));
        let change = plan.compared_with.map(|baseline| baseline.change);
        Self { change, ..Self::of(Notice::Drift, plan, &text, links.server().to_owned()) }
    }

    /// That a credential of this server ends, and nothing takes its place by itself.
    pub fn rotation_due(rules: &Desired, at: OffsetDateTime, text: &str, links: &Links) -> Self {
        Self::plain(Notice::RotationDue, rules, at, text, links)
    }

    /// That a backend does not work any more since a change.
    pub fn unwell(
        rules: &Desired,
        at: OffsetDateTime,
        text: &str,
        change: u64,
        links: &Links,
    ) -> Self {
        Self { change: Some(change), ..Self::plain(Notice::Failed, rules, at, text, links) }
    }

    /// That a change goes, or went, round the ordinary rules.
    pub fn glass(
        rules: &Desired,
        at: OffsetDateTime,
        text: &str,
        change: u64,
        links: &Links,
    ) -> Self {
        let of = Self::plain(Notice::BreakGlass, rules, at, text, links);
        Self { change: Some(change), ..of }
    }

    fn plain(on: Notice, rules: &Desired, at: OffsetDateTime, text: &str, links: &Links) -> Self {
        Self {
            on,
            at,
            workspace: rules.workspace.clone(),
            environment: rules.environment.clone(),
            text: line(text),
            waits_for: vec![],
            plan: None,
            decision: None,
            change: None,
            commit: None,
            pull_request: None,
            link: links.server().to_owned(),
        }
    }

    fn of(on: Notice, plan: &Plan, text: &str, link: String) -> Self {
        Self {
            on,
            at: plan.made_at,
            workspace: plan.workspace.clone(),
            environment: plan.environment.clone(),
            text: line(text),
            waits_for: vec![],
            plan: Some(plan.id.clone()),
            decision: Some(plan.decision.id.to_string()),
            change: None,
            commit: plan.commit.as_ref().map(|commit| line(&commit.sha)),
            pull_request: None,
            link,
        }
    }

    /// The same, of a pull request.
    #[must_use]
    pub fn below(self, pull_request: u64) -> Self {
        Self { pull_request: Some(pull_request), ..self }
    }

    /// The same for the same thing, however often and whenever it is told: by this a receiver knows
    /// what it had before.
    pub fn id(&self) -> String {
        let Self { on, at: _, workspace, environment, text, waits_for, .. } = self;
        let Self { plan, change, commit, pull_request, decision: _, link: _, .. } = self;
        let digest = Digest::of_json(&json!([
            on.as_str(),
            workspace,
            environment,
            text,
            waits_for,
            plan,
            change,
            commit,
            pull_request,
        ]));
        let digits = digest.as_str().trim_start_matches("sha256:").chars().take(32);
        format!("msg_{}", digits.collect::<String>())
    }

    /// `{ type, timestamp, data }`, as Standard Webhooks recommends.
    pub fn to_json(&self) -> Value {
        let Self { on, at, workspace, environment, text, waits_for, .. } = self;
        let Self { plan, decision, change, commit, pull_request, link, .. } = self;
        json!({
            "type": format!("gatewright.{}", on.as_str()),
            "timestamp": at.format(&Rfc3339).unwrap_or_default(),
            "data": {
                "workspace": workspace,
                "environment": environment,
                "text": text,
                "waitsFor": waits_for,
                "plan": plan,
                "decision": decision,
                "change": change,
                "commit": commit,
                "pullRequest": pull_request,
                "link": link,
            },
        })
    }
}

impl fmt::Display for NotifyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoChannel { name } => {
                write!(f, "the settings of this server name no channel `{name}`")
            }
            Self::Secret(refusal) => write!(f, "{refusal}"),
            Self::Key { name } => write!(
                f,
                "the secret `{name}` cannot sign: it is `whsec_` and 24 to 64 bytes in base64"
            ),
            Self::Unreached { channel, because } => {
                write!(f, "channel `{channel}` was not reached: {because}")
            }
            Self::Refused { channel, status } => {
                write!(f, "channel `{channel}` did not take it and answered {status}")
            }
        }
    }
}

impl std::error::Error for NotifyError {}

#[cfg(test)]
mod tests;
