//! Commands that ask a server: `--server URL`. They show who asks, tell what is wanted, and print
//! what the server answers; nothing of the folder they are run in is sent.

mod client;
mod drift;
mod explain;
mod proof;
mod rights;
mod work;

use gw_control::waits;
use gw_model::{code::Code, environment::ChangeAction};
use gw_web::contract::{Approved, Changes, Environments, Glass, Planned, Wait, Whoami};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use self::work::carry_out;
pub(super) use self::{
    client::{Remote, Server},
    work::{Wanted, ended},
};
use super::{Command, Context, apply::Apply, login::until, plan::Plan, rollback::Rollback};
use crate::{
    config,
    diagnostics::visible,
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::clock_text,
};

pub(super) async fn run(
    command: &Command,
    context: Context<'_>,
    server: &str,
) -> Result<Exit, Failure> {
    if !is_for_a_server(command) {
        return Err(Failure::wrong("this command does its work on this machine")
            .help("leave out `--server`")
            .help(
                "a server plans, applies, rolls back, approves, tests and explains, tells status, \
                 history and drift, and knows who is signed in: login, logout, whoami",
            ));
    }
    match command {
        Command::Explain(command) if command.is_code() => return command.run(context).await,
        Command::Login(command) => return command.run(context, server).await,
        Command::Logout(command) => return command.run(context, server).await,
        _ => {}
    }
    let remote = Remote::new(context, server)?;
    match command {
        Command::Plan(command) => plan(context, &remote, command).await,
        Command::Apply(command) => apply(context, &remote, command).await,
        Command::Rollback(command) => rollback(context, &remote, command).await,
        Command::Approve(command) => approve(context, &remote, command).await,
        Command::Test(_) => carry_out(context, &remote, &Wanted::Test).await,
        Command::Drift(command) => drift::run(context, &remote, command).await,
        Command::Explain(command) => explain::explain(context, &remote, command).await,
        Command::Can(command) => rights::can(context, &remote, command).await,
        Command::Show(_) => rights::secrets(context, &remote).await,
        Command::Doctor(_) => rights::doctor(context, &remote).await,
        Command::Status(_) => status(context, &remote).await,
        Command::History(command) => history(context, &remote, command.limit()).await,
        _ => whoami(context, &remote).await,
    }
}

pub(super) fn is_for_a_server(command: &Command) -> bool {
    let asks = match command {
        Command::Can(command) => command.about_changes().is_some(),
        Command::Doctor(command) => command.is_for_a_server(),
        Command::Show(command) => command.is_about_secrets(),
        _ => false,
    };
    asks || matches!(
        command,
        Command::Plan(_)
            | Command::Apply(_)
            | Command::Rollback(_)
            | Command::Approve(_)
            | Command::Drift(_)
            | Command::Test(_)
            | Command::Status(_)
            | Command::History(_)
            | Command::Explain(_)
            | Command::Login(_)
            | Command::Logout(_)
            | Command::Whoami(_)
    )
}

async fn plan(context: Context<'_>, remote: &Remote, command: &Plan) -> Result<Exit, Failure> {
    if let Some(flag) = command.of_this_machine() {
        return Err(Failure::wrong(format!("`{flag}` is for plans that this machine makes"))
            .help("a server keeps its plans: `gatewright --server URL apply PLAN`"));
    }
    let order = match command.pull_request {
        Some(number) => json!({ "pullRequest": number, "only": command.only() }),
        None => json!({ "commit": commit(command.commit.as_deref())?, "only": command.only() }),
    };
    let planned = planned(remote, &order).await?;
    match context.ui.form {
        Form::Json => context.ui.json(&planned.plan),
        Form::Text => {
            context.ui.result(&remote.addressed(&planned.text));
            for gate in &planned.gates {
                context.ui.say(&gate.text);
            }
            context.ui.say(&format!("its page: {}", planned.url));
        }
    }
    let is = |pointer: &str| planned.plan.pointer(pointer).and_then(Value::as_bool);
    let errors = errors(&planned.plan);
    Ok(match (command.exit_code, planned.is_empty, is("/decision/allowed")) {
        // Nothing is wrong with a state that is only held.
        _ if errors.iter().any(|code| code.parse() != Ok(Code::StateHeld)) => Exit::Wrong,
        (true, false, Some(true)) if errors.is_empty() => Exit::Differs,
        (true, false, _) => Exit::Denied,
        _ => Exit::Done,
    })
}

/// The codes of what stands in the way of a plan.
fn errors(plan: &Value) -> Vec<&str> {
    let notes = plan.get("notes").and_then(Value::as_array).into_iter().flatten();
    let errors = notes.filter(|note| note.get("severity") == Some(&json!("error")));
    errors.filter_map(|note| note.get("code")?.as_str()).collect()
}

/// A plan from the server, which keeps it.
async fn planned(remote: &Remote, order: &Value) -> Result<Planned, Failure> {
    let path = format!("/v1/environments/{}/plans", remote.environment().await?);
    let token = remote.token(&[ChangeAction::Plan], None).await?;
    remote.post(&token, &path, order).await
}

async fn apply(context: Context<'_>, remote: &Remote, command: &Apply) -> Result<Exit, Failure> {
    let wanted = match (&command.plan, command.abandon) {
        _ if command.break_glass => Wanted::BreakGlass {
            commit: commit(command.commit.as_deref())?,
            only: command.only.iter().map(ToString::to_string).collect(),
            reason: command.reason.clone(),
            until: command.until.clone(),
        },
        (_, true) => Wanted::Abandon,
        (plan, false) => Wanted::Apply {
            commit: match plan {
                // A plan says of which commit it is.
                Some(_) => None,
                None => Some(commit(command.commit.as_deref())?),
            },
            plan: plan.clone(),
            only: command.only.iter().map(ToString::to_string).collect(),
        },
    };
    carry_out(context, remote, &wanted).await
}

async fn rollback(
    context: Context<'_>,
    remote: &Remote,
    command: &Rollback,
) -> Result<Exit, Failure> {
    match (planned(remote, &json!({ "to": command.to })).await, context.ui.form) {
        (Ok(planned), Form::Text) => context.ui.result(&remote.addressed(&planned.text)),
        (Ok(planned), Form::Json) => context.ui.json(&planned.plan),
        // Whoever may go back and not plan is in a hurry all the same.
        (Err(failure), _) if failure.exit == Exit::Denied => {
            context.ui.say("what it does to callers is not shown: no rule lets you plan");
        }
        (Err(failure), _) => return Err(failure),
    }
    let wanted = Wanted::Rollback { to: command.to, reason: command.reason.clone() };
    carry_out(context, remote, &wanted).await
}

async fn approve(
    context: Context<'_>,
    remote: &Remote,
    command: &super::approve::Approve,
) -> Result<Exit, Failure> {
    let id = &command.plan;
    let token = remote.token(&[ChangeAction::Approve], None).await?;
    let path = format!("/v1/plans/{id}/approvals");
    let order = json!({ "reason": command.reason });
    let approved: Approved = remote.post(&token, &path, &order).await?;
    match context.ui.form {
        Form::Json => context.ui.json(&approved),
        Form::Text => {
            let entries = approved.entries.join(", ");
            context.ui.line(&format!("approved what plan {} changes: {entries}", approved.plan));
            context.ui.say(&format!("next: {}", approved.next));
        }
    }
    Ok(Exit::Done)
}

async fn status(context: Context<'_>, remote: &Remote) -> Result<Exit, Failure> {
    let token = remote.token(&[ChangeAction::View], None).await?;
    let environments: Environments = remote.get(&token, "/v1/environments").await?;
    if context.ui.form == Form::Json {
        context.ui.json(&environments);
        return Ok(Exit::Done);
    }
    for environment in &environments.environments {
        let line = match &environment.in_force {
            None => "nothing is in force here: `apply` brings the first state".to_owned(),
            Some(change) => {
                let commit = change.commit.as_deref().map_or("no commit", short);
                let (number, outcome) = (change.number, outcome(&change.outcome));
                format!("change {number} · {outcome} · {commit} · {}", clock(&change.began_at))
            }
        };
        context.ui.line(&format!("{}  {line}", environment.name));
        if let Some(Glass { change, by, reason, until }) = &environment.glass {
            let mark = Ui::mark(Mark::Warning);
            context.ui.line(&format!(
                "  {mark} {by} broke glass: change {change}, until {}: {reason}; then the server goes \
                 back, where a rule lets it; an ordinary change takes its place at any time",
                clock(until)
            ));
        }
        if let Some(change) = &environment.under_way {
            context.ui.line(&format!(
                "  change {} has not ended: somebody works on it, or the next comparison or apply goes \
                 on with it; `apply --abandon` gives it up",
                change.number
            ));
        }
        let program = format!("gatewright --server {} --env {}", remote.name(), environment.name);
        if let Some(id) = &environment.drift {
            context.ui.line(&format!(
                "  {} it does not hold what was written ({id}): {program} drift",
                Ui::mark(Mark::Warning)
            ));
        }
        if let Some(why) = &environment.uncompared {
            let mark = Ui::mark(Mark::Warning);
            let line = format!("  {mark} what is there could not be compared: {why}");
            context.ui.line(&visible(&line));
        }
        for wait in &environment.waits {
            context.ui.line(&format!("  {}", waiting(wait, &program)));
        }
        for change in &environment.held {
            let mark = Ui::mark(Mark::Warning);
            context.ui.line(&format!(
                "  {mark} the state of change {change} is held: it was left by going back, and is not \
                 applied again until another was; just that state again: {program} rollback --to {change}"
            ));
        }
        for gate in &environment.gates {
            context.ui.line(&format!("  {}", gate.text));
        }
    }
    Ok(Exit::Done)
}

fn waiting(wait: &Wait, program: &str) -> String {
    let Wait { pull_request, rollback_to, plan, gate, since } = wait;
    let (whom, since) = (waits::whom(gate), clock(since));
    match (pull_request, rollback_to, plan) {
        (Some(number), ..) => format!("pull request {number} waits for {whom} since {since}"),
        (_, Some(to), _) if gate == waits::AGAIN => {
            format!("rollback to {to} is approved: {program} rollback --to {to}")
        }
        (_, Some(to), Some(plan)) => {
            format!("rollback to {to} waits for {whom} since {since}: {program} approve {plan}")
        }
        _ => format!("something waits for {whom} since {since}"),
    }
}

async fn history(context: Context<'_>, remote: &Remote, limit: usize) -> Result<Exit, Failure> {
    let environment = remote.environment().await?;
    let token = remote.token(&[ChangeAction::View], None).await?;
    let path = format!("/v1/environments/{environment}/changes");
    let mut changes: Changes = remote.get(&token, &path).await?;
    changes.changes.truncate(limit);
    if context.ui.form == Form::Json {
        context.ui.json(&changes);
        return Ok(Exit::Done);
    }
    if changes.changes.is_empty() {
        context.ui.line(&format!("{environment}: nothing was applied yet"));
    }
    for change in &changes.changes {
        let action = match change.restores {
            Some(to) => format!("{} (= {to})", change.action),
            None => change.action.clone(),
        };
        let reason = change.reason.as_ref().map(|reason| format!("   \"{reason}\""));
        let held = if changes.held.contains(&change.number) { "   held" } else { "" };
        let line = format!(
            "{:>4}  {action:<16} {:<10} {}  {:<7}  {}{}{held}",
            change.number,
            outcome(&change.outcome),
            clock(&change.began_at),
            change.commit.as_deref().map_or("-", short),
            change.by,
            reason.unwrap_or_default()
        );
        context.ui.line(&visible(&line));
        // Where the Git host says just what the change is, nobody has to read it.
        if let Some(deployment) = change.deployment.as_ref().filter(|it| it.why.is_some()) {
            context.ui.line(&visible(&format!("      deployment {}", deployment.text)));
        }
    }
    Ok(Exit::Done)
}

async fn whoami(context: Context<'_>, remote: &Remote) -> Result<Exit, Failure> {
    let token = remote.token(&[ChangeAction::View], None).await?;
    let whoami: Whoami = remote.get(&token, "/v1/whoami").await?;
    let signed_in = remote.signed_in()?;
    if context.ui.form == Form::Json {
        context.ui.json(&whoami);
        return Ok(Exit::Done);
    }
    for holder in &whoami.holders {
        let text = format!("{}  {} of {}", holder.identity, holder.subject, holder.issuer);
        context.ui.line(&visible(&text));
    }
    match signed_in {
        Some(signed_in) => context.ui.line(&format!("signed in {}", until(&signed_in))),
        None => {
            let ends = clock(&whoami.ends);
            context.ui.line(&format!("until {ends}, by the proof that was named"));
        }
    }
    Ok(Exit::Done)
}

/// The commit that is meant: the one that was named, else the one that the pipeline builds.
fn commit(named: Option<&str>) -> Result<String, Failure> {
    const TELL: &str = "`git rev-parse HEAD` tells the whole hash of the one you look at";
    let commit = named.map(str::to_owned).or_else(config::pipeline_commit);
    let commit = commit.ok_or_else(|| {
        Failure::wrong("no commit is named").help(format!("name one with `--commit HASH`: {TELL}"))
    })?;
    let is_whole =
        matches!(commit.len(), 40 | 64) && commit.bytes().all(|it| it.is_ascii_hexdigit());
    match is_whole {
        true => Ok(commit.to_ascii_lowercase()),
        // What a name stands for can be another commit by the time that it is looked for.
        false => {
            Err(Failure::wrong(format!("`{commit}` is not the whole hash of a commit")).help(TELL))
        }
    }
}

/// What became of a change, in words.
fn outcome(outcome: &str) -> &str {
    match outcome {
        "underWay" => "under way",
        word => word,
    }
}

/// As much of a hash as people compare.
fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

/// A moment of an answer, as it is written everywhere else.
pub(super) fn clock(at: &str) -> String {
    OffsetDateTime::parse(at, &Rfc3339).map_or_else(|_| at.to_owned(), clock_text)
}
