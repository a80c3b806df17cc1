//! What targets hold otherwise than it was written, as a server knows it.

use gw_model::environment::ChangeAction;
use gw_web::contract::{Acceptance, Adoption, Drift as Known};
use serde_json::json;

use super::{client::Remote, clock};
use crate::{
    commands::{
        Context,
        drift::{Accept, Deed, Drift},
    },
    diagnostics::visible,
    exit::{Exit, Failure},
    ui::Form,
};

pub(super) async fn run(
    context: Context<'_>,
    remote: &Remote,
    command: &Drift,
) -> Result<Exit, Failure> {
    match &command.deed {
        Some(Deed::Accept(accept)) => leave(context, remote, accept).await,
        None => look(context, remote, command).await,
    }
}

async fn look(context: Context<'_>, remote: &Remote, command: &Drift) -> Result<Exit, Failure> {
    let environment = remote.environment().await?;
    let token = remote.token(&[ChangeAction::View], None).await?;
    let path = format!("/v1/environments/{environment}/drift");
    let known: Known = remote.get(&token, &path).await?;
    let differs = known.drift.is_some();
    if let (Form::Text, Some(why), Some(at)) =
        (context.ui.form, &known.uncompared, &known.compared_at)
    {
        let line = format!("{environment} could not be compared {}: {why}", clock(at));
        context.ui.line(&visible(&line));
    }
    match (context.ui.form, &known.id) {
        (Form::Json, _) => context.ui.json(&known),
        (Form::Text, None) if known.uncompared.is_some() => {}
        (Form::Text, None) => {
            let when = match &known.compared_at {
                Some(at) => format!("compared {}", clock(at)),
                None => "not compared since the last change".to_owned(),
            };
            context.ui.line(&format!("{environment} holds what was written · {when}"));
            if known.put_back > 0 {
                context.ui.line(&format!("  what differed before was {}", times(known.put_back)));
            }
        }
        (Form::Text, Some(id)) => {
            let when = known.compared_at.as_deref().map(clock).unwrap_or_default();
            context.ui.line(&format!(
                "{environment} does not hold what was written: {id} · compared {when}"
            ));
            for line in &known.lines {
                context.ui.line(&format!("  {line}"));
            }
            match &known.accepted_until {
                Some(until) => context.ui.line(&format!("  accepted until {}", clock(until))),
                None if known.put_back > 0 => {
                    context.ui.line(&format!("  it was {}, and came again", times(known.put_back)));
                }
                None => {}
            }
        }
    }
    Ok(match (command.exit_code, differs, known.uncompared) {
        (true, true, _) => Exit::Differs,
        (true, false, Some(_)) => Exit::Unreachable,
        _ => Exit::Done,
    })
}

fn times(put_back: u64) -> String {
    match put_back {
        1 => "put back once".to_owned(),
        _ => format!("put back {put_back} times"),
    }
}

async fn leave(context: Context<'_>, remote: &Remote, command: &Accept) -> Result<Exit, Failure> {
    let Accept { id, until, as_branch } = command;
    let environment = remote.environment().await?;
    let token = remote.token(&[ChangeAction::AcceptDrift], None).await?;
    if *as_branch {
        let path = format!("/v1/environments/{environment}/drift/{id}/adoption");
        let adopted: Adoption = remote.post(&token, &path, &json!({})).await?;
        match context.ui.form {
            Form::Json => context.ui.json(&adopted),
            Form::Text => context.ui.line(&format!(
                "{id} is proposed: pull request {}, branch {}",
                adopted.pull_request, adopted.branch
            )),
        }
        return Ok(Exit::Done);
    }
    let path = format!("/v1/environments/{environment}/drift/{id}/acceptance");
    let accepted: Acceptance = remote.post(&token, &path, &json!({ "until": until })).await?;
    match context.ui.form {
        Form::Json => context.ui.json(&accepted),
        Form::Text => {
            let text = format!("{} is left as it is until {}", accepted.id, clock(&accepted.until));
            context.ui.line(&text);
        }
    }
    Ok(Exit::Done)
}
