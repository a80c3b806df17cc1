//! Something that a server is asked to do: it is queued there, and its lines are shown as they come.
//! Whoever stops watching stops nothing.

use gw_control::answer::End;
use gw_model::{environment::ChangeAction, secret::Redacted};
use gw_web::contract::{Accepted, Answer, EndWord, Task};
use serde_json::{Value, json};

use super::client::Remote;
use crate::{
    commands::Context,
    exit::{Exit, Failure},
    ui::Form,
};

/// So long the server is asked to wait with an answer that says nothing new.
const WAIT_S: u64 = 5;

pub(in crate::commands) enum Wanted {
    Apply { commit: Option<String>, plan: Option<String>, only: Vec<String> },
    BreakGlass { commit: String, only: Vec<String>, reason: Option<String>, until: Option<String> },
    Rollback { to: u64, reason: Option<String> },
    Abandon,
    Test,
}

pub(super) async fn carry_out(
    context: Context<'_>,
    remote: &Remote,
    wanted: &Wanted,
) -> Result<Exit, Failure> {
    let plan = match wanted {
        Wanted::Apply { plan, .. } => plan.as_deref(),
        Wanted::BreakGlass { .. } | Wanted::Rollback { .. } | Wanted::Abandon | Wanted::Test => {
            None
        }
    };
    let token = remote.token(&[wanted.action(), ChangeAction::View], plan).await?;
    let answer = ended(remote, &token, wanted, |line| match context.ui.form {
        Form::Json => context.ui.json(&json!({ "line": line })),
        Form::Text => context.ui.line(&format!("  {line}")),
    });
    conclude(context, remote, &answer.await?)
}

/// What becomes of it, once it has ended. Its lines are told as they come.
pub(in crate::commands) async fn ended(
    remote: &Remote,
    token: &Redacted<String>,
    wanted: &Wanted,
    tell: impl Fn(&str),
) -> Result<Answer, Failure> {
    let environment = remote.environment().await?.to_string();
    let path = format!("/v1/environments/{environment}/changes");
    let Accepted { task } = remote.post(token, &path, &wanted.order()).await?;
    let path = format!("/v1/tasks/{task}?wait={WAIT_S}");
    let (mut token, mut is_new) = (token.clone(), true);
    let mut shown = 0;
    loop {
        let looked = remote.look::<Task>(&token, &path).await;
        let Some(task) = looked.map_err(|failure| left_alone(&environment, failure))? else {
            // What takes longer than a token lives is watched with the next one.
            let next = remote.token(&[ChangeAction::View], None).await;
            token = match next.ok().filter(|_| !is_new) {
                Some(token) => token,
                None => return Err(unwatched(remote).await),
            };
            is_new = true;
            continue;
        };
        is_new = false;
        for line in task.lines.iter().skip(shown) {
            tell(line);
        }
        shown = shown.max(task.lines.len());
        if let ("done" | "failed", Some(answer)) = (task.state.as_str(), task.answer) {
            return Ok(answer);
        }
    }
}

/// That a server which is gone has what it was asked, once it has taken it.
fn left_alone(environment: &str, failure: Failure) -> Failure {
    if failure.exit != Exit::Unreachable {
        return failure;
    }
    failure
        .note("it has taken what was asked, and goes on with it as soon as it runs")
        .help(format!("see then what became of it: `gatewright history --env {environment}`"))
}

async fn unwatched(remote: &Remote) -> Failure {
    let environment = remote.environment().await;
    let environment = environment.map_or_else(|_| "NAME".to_owned(), ToString::to_string);
    Failure::new(Exit::Half, "the proof of who asks has ended, so nobody watches any more")
        .note("what was asked goes on at the server, to its end")
        .help(format!("see what became of it: `gatewright history --env {environment}`"))
}

fn conclude(context: Context<'_>, remote: &Remote, answer: &Answer) -> Result<Exit, Failure> {
    let EndWord(end) = answer.end;
    let exit = match end {
        End::Done => Exit::Done,
        End::Failed => Exit::Failed,
        End::Wrong => Exit::Wrong,
        End::Denied => Exit::Denied,
        End::Differs => Exit::Differs,
        End::Half => Exit::Half,
        End::Unreachable => Exit::Unreachable,
        End::Unproven => Exit::Unproven,
    };
    if exit == Exit::Done || context.ui.form == Form::Json {
        match context.ui.form {
            Form::Json => context.ui.json(answer),
            Form::Text => context.ui.line(&answer.text),
        }
        return Ok(exit);
    }
    let mut failure = Failure::new(exit, answer.text.clone());
    if let Some(code) = answer.code.as_deref() {
        failure = match code.parse() {
            Ok(known) => failure.coded(known),
            Err(_) => failure.note(code),
        };
    }
    if let Some(decision) = &answer.decision {
        let asked = format!("gatewright --server {} explain {decision}", remote.name());
        failure = failure.note(format!("`{asked}` tells each rule that was asked"));
    }
    match &answer.help {
        Some(help) => Err(failure.help(remote.addressed(help))),
        None => Err(failure),
    }
}

impl Wanted {
    const fn action(&self) -> ChangeAction {
        match self {
            Self::Apply { .. } => ChangeAction::Apply,
            Self::BreakGlass { .. } => ChangeAction::BreakGlass,
            Self::Test => ChangeAction::Plan,
            // Who may go back may give up what stopped half way.
            Self::Rollback { .. } | Self::Abandon => ChangeAction::Rollback,
        }
    }

    fn order(&self) -> Value {
        match self {
            Self::Apply { commit, plan, only } => {
                let only = Some(only).filter(|only| !only.is_empty());
                json!({ "action": "apply", "commit": commit, "plan": plan, "only": only })
            }
            Self::BreakGlass { commit, only, reason, until } => {
                let only = Some(only).filter(|only| !only.is_empty());
                json!({
                    "action": "breakGlass", "commit": commit, "only": only,
                    "reason": reason, "until": until,
                })
            }
            Self::Rollback { to, reason } => {
                json!({ "action": "rollback", "to": to, "reason": reason })
            }
            Self::Abandon => json!({ "action": "abandon" }),
            Self::Test => json!({ "action": "test" }),
        }
    }
}
