//! Who may change an environment by the rules in force, where the Git host lets people do otherwise, and
//! what the server can reach and by which credentials.

use gw_control::doctor::Link;
use gw_model::environment::ChangeAction;
use gw_web::contract::{Examined, Rights, Secrets, Tested};
use url::form_urlencoded;

use super::client::Remote;
use crate::{
    commands::{Context, can::Can, doctor, show},
    diagnostics::visible,
    exit::{Exit, Failure},
    ui::Form,
};

pub(super) async fn can(
    context: Context<'_>,
    remote: &Remote,
    command: &Can,
) -> Result<Exit, Failure> {
    let asked = command.about_changes().ok_or_else(|| {
        Failure::wrong("a server is asked about changes, and not about calls")
            .help("calls are judged by the files here: leave out `--server`")
    })?;
    let environment = remote.environment().await?;
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(asked.action.map(|action| ("action", action.as_str())));
    query.extend_pairs(asked.who.map(|who| ("who", who)));
    query.extend_pairs(
        asked.claims.iter().map(|(name, value)| ("claim", format!("{name}={value}"))),
    );
    let path = format!("/v1/environments/{environment}/rights?{}", query.finish());
    let token = remote.token(&[ChangeAction::View], None).await?;
    let rights: Rights = remote.get(&token, &path).await?;
    match context.ui.form {
        Form::Json => context.ui.json(&rights),
        Form::Text => {
            let links: Vec<_> = rights.links.iter().cloned().map(link).collect();
            context.ui.result(&visible(&rights.text));
            context.ui.result(&format!("at the Git host\n{}", doctor::text(&links)));
        }
    }
    let granted = |right: &serde_json::Value| right.pointer("/grants/0").is_some();
    let is_refused = asked.who.is_some() && !rights.rights.iter().any(granted);
    Ok(if is_refused { Exit::Denied } else { Exit::Done })
}

pub(super) async fn doctor(context: Context<'_>, remote: &Remote) -> Result<Exit, Failure> {
    let environment = remote.environment().await?;
    let token = remote.token(&[ChangeAction::View], None).await?;
    let path = format!("/v1/environments/{environment}/doctor");
    let examined: Examined = remote.get(&token, &path).await?;
    let links: Vec<_> = examined.links.into_iter().map(link).collect();
    Ok(doctor::conclude(context, &links))
}

pub(super) async fn secrets(context: Context<'_>, remote: &Remote) -> Result<Exit, Failure> {
    let environment = remote.environment().await?;
    let token = remote.token(&[ChangeAction::View], None).await?;
    let path = format!("/v1/environments/{environment}/secrets");
    let secrets: Secrets = remote.get(&token, &path).await?;
    show::secrets::tell(context, &[secrets]);
    Ok(Exit::Done)
}

fn link(tested: Tested) -> Link {
    let Tested { name, good, found, repair, notes } = tested;
    Link { name, good, found, repair, notes }
}
