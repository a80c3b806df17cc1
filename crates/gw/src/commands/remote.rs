//! Commands that ask a server: `--server URL`. They show who asks, tell what is wanted, and print
//! what the server answers; nothing of the folder they are run in is sent.

mod client;
mod drift;
mod explain;
mod proof;
mod rights;
mod work;

use gw_control::waits;
use gw_model::environment::ChangeAction;
use gw_web::contract::{Approved, Changes, Environments, Glass, Planned, Wait, Whoami};
use serde_json::json;

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
};

pub(super) async fn run(
    command: &Command,
    context: Context<'_>,
    server: &str,
) -> Result<Exit, Failure> {
    if !is_for_a_server(command) {
        return Err(Failure::wrong("this command does its work on this machine")
            .help("leave out `--server`")
            .help("a server plans, applies, rolls back, approves, explains, and tells status, history, drift"));
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
        Command::Status(_) => status(context, &remote).await,
        Command::History(command) => history(context, &remote, command.limit()).await,
        _ => whoami(context, &remote).await,
    }
}

pub(super) fn is_for_a_server(command: &Command) -> bool {
    let asks_changes = matches!(command, Command::Can(can) if can.about_changes().is_some());
    asks_changes
        || matches!(
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
    let environment = remote.environment()?;
    if let Some(flag) = command.of_this_machine() {
        return Err(Failure::wrong(format!("`{flag}` is for plans that this machine makes"))
            .help("a server keeps its plans: `gatewright --server URL apply PLAN`"));
    }
    let order = json!({ "commit": commit(command.commit.as_deref())?, "only": command.only() });
    let token = remote.token(&[ChangeAction::Plan], None).await?;
    let path = format!("/v1/environments/{environment}/plans");
    let planned: Planned = remote.post(&token, &path, &order).await?;
    match context.ui.form {
        Form::Json => context.ui.json(&planned.plan),
        Form::Text => {
            context.ui.result(&planned.text);
            for gate in &planned.gates {
                context.ui.say(&gate.text);
            }
            context.ui.say(&format!("its page: {}", planned.url));
        }
    }
    let is = |pointer: &str| planned.plan.pointer(pointer).and_then(serde_json::Value::as_bool);
    Ok(match (command.exit_code, planned.is_empty, is("/decision/allowed")) {
        (true, false, Some(true)) => Exit::Differs,
        (true, false, _) => Exit::Denied,
        _ => Exit::Done,
    })
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
            None => "nothing is in force".to_owned(),
            Some(change) => {
                let commit = change.commit.as_deref().unwrap_or("no commit");
                format!("change {} · {} · {commit}", change.number, change.outcome)
            }
        };
        context.ui.line(&format!("{}  {line}", environment.name));
        if let Some(Glass { change, by, reason, until }) = &environment.glass {
            let mark = Ui::mark(Mark::Warning);
            context.ui.line(&format!(
                "  {mark} {by} broke glass: change {change}, until {until}: {reason}; it stays open \
                 until an ordinary change takes its place"
            ));
        }
        if let Some(change) = &environment.under_way {
            context.ui.line(&format!("  change {} is under way", change.number));
        }
        for Wait { pull_request, gate, since } in &environment.waits {
            let whom = waits::whom(gate);
            let text = format!("  pull request {pull_request} waits for {whom} since {since}");
            context.ui.line(&text);
        }
        for gate in &environment.gates {
            context.ui.line(&format!("  {}", gate.text));
        }
    }
    Ok(Exit::Done)
}

async fn history(context: Context<'_>, remote: &Remote, limit: usize) -> Result<Exit, Failure> {
    let environment = remote.environment()?;
    let token = remote.token(&[ChangeAction::View], None).await?;
    let path = format!("/v1/environments/{environment}/changes");
    let mut changes: Changes = remote.get(&token, &path).await?;
    changes.changes.truncate(limit);
    if context.ui.form == Form::Json {
        context.ui.json(&changes);
        return Ok(Exit::Done);
    }
    for change in &changes.changes {
        let commit = change.commit.as_deref().map(|it| it.get(..7).unwrap_or(it));
        context.ui.line(&format!(
            "{:>4}  {}  {:<8}  {:<10}  {}  by {}",
            change.number,
            change.began_at,
            change.action,
            change.outcome,
            commit.unwrap_or("-"),
            change.by
        ));
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
        None => context.ui.line(&format!("until {}, by the proof that was named", whoami.ends)),
    }
    Ok(Exit::Done)
}

/// The commit that is meant: the one that was named, else the one that the pipeline builds.
fn commit(named: Option<&str>) -> Result<String, Failure> {
    let commit = named.map(str::to_owned).or_else(config::pipeline_commit);
    commit.ok_or_else(|| {
        Failure::wrong("no commit is named")
            .help("name one with `--commit HASH`: `git rev-parse HEAD` tells the one you look at")
    })
}
