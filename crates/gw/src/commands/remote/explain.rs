//! Why: a decision on a change, a plan, or a change, as a server tells it.

use gw_model::environment::ChangeAction;
use gw_web::contract::{ChangeWithSteps, Decided, Planned};

use super::{client::Remote, clock, outcome};
use crate::{
    commands::{Context, explain::Explain},
    diagnostics::visible,
    exit::{Exit, Failure},
    ui::Form,
};

pub(super) async fn explain(
    context: Context<'_>,
    remote: &Remote,
    command: &Explain,
) -> Result<Exit, Failure> {
    let environment = remote.environment().await?;
    match command.what() {
        None => decision(context, remote, "last").await,
        Some(what) if what.starts_with("d-") => decision(context, remote, what).await,
        Some(what) if what.starts_with("p-") => plan(context, remote, what).await,
        Some(what) if what.starts_with(['#', '{']) => {
            let run = what.trim_matches(['#', '{', '}']).to_ascii_lowercase();
            decision(context, remote, &format!("run-{run}")).await
        }
        Some(what) => match what.parse::<u64>() {
            Ok(number) => {
                let path = format!("/v1/environments/{environment}/changes/{number}");
                change(context, remote, &path).await
            }
            Err(_) => Err(Failure::wrong(format!("a server explains nothing called `{what}`"))
                .help(
                    "name a decision (d-…), a plan (p-…), a change (its number), or a run of a \
                     pipeline (#12, or the UUID of pipeline or step in braces)",
                )),
        },
    }
}

async fn decision(context: Context<'_>, remote: &Remote, id: &str) -> Result<Exit, Failure> {
    let token = remote.token(&[ChangeAction::View], None).await?;
    let decided = remote.get::<Decided>(&token, &format!("/v1/decisions/{}", safe(id)?)).await;
    let decided = decided.map_err(|failure| match failure.exit {
        Exit::Denied => failure.help(
            "decisions on calls are told by the gateway that made them: leave out `--server` there",
        ),
        _ => failure,
    })?;
    match context.ui.form {
        Form::Json => context.ui.json(&decided),
        Form::Text => context.ui.result(&visible(&remote.addressed(&decided.text))),
    }
    Ok(Exit::Done)
}

async fn plan(context: Context<'_>, remote: &Remote, id: &str) -> Result<Exit, Failure> {
    let token = remote.token(&[ChangeAction::View], None).await?;
    let planned: Planned = remote.get(&token, &format!("/v1/plans/{}", safe(id)?)).await?;
    match context.ui.form {
        Form::Json => context.ui.json(&planned.plan),
        Form::Text => context.ui.result(&remote.addressed(&planned.text)),
    }
    Ok(Exit::Done)
}

async fn change(context: Context<'_>, remote: &Remote, path: &str) -> Result<Exit, Failure> {
    let token = remote.token(&[ChangeAction::View], None).await?;
    let told: ChangeWithSteps = remote.get(&token, path).await?;
    if context.ui.form == Form::Json {
        context.ui.json(&told);
        return Ok(Exit::Done);
    }
    let change = &told.change;
    let detail = change.detail.as_deref().map(|detail| format!(": {detail}")).unwrap_or_default();
    let line = format!(
        "change {} · {} by {} · {} · {}{detail}",
        change.number,
        change.action,
        change.by,
        clock(&change.began_at),
        outcome(&change.outcome)
    );
    context.ui.line(&visible(&line));
    context.ui.line(&format!("  plan    {}", change.plan));
    if let Some(commit) = &change.commit {
        context.ui.line(&format!("  commit  {commit}"));
    }
    if let Some(reason) = &change.reason {
        context.ui.line(&visible(&format!("  reason  {reason}")));
    }
    if let Some(run) = &change.run {
        context.ui.line(&visible(&format!("  run     {run}")));
    }
    if let Some(deployment) = &change.deployment {
        context.ui.line(&visible(&format!("  deployment  {}", deployment.text)));
    }
    for step in &told.steps {
        let detail = step.detail.as_deref().unwrap_or_default();
        let line = format!("  {} {}: {} {detail}", step.step, step.target, step.state);
        context.ui.line(&visible(line.trim_end()));
    }
    Ok(Exit::Done)
}

/// An id as it may stand in an address.
fn safe(id: &str) -> Result<&str, Failure> {
    let sign = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    match id.bytes().all(sign) {
        true => Ok(id),
        false => Err(Failure::wrong(format!("`{id}` is no id"))),
    }
}
