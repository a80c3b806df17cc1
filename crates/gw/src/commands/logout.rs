//! `gatewright logout`.

use clap::Args;
use gw_model::clock::Clock;
use serde::Serialize;
use time::Duration;

use super::{Context, login, remote::Server};
use crate::{
    compose::{SignIns, SignedIn, SystemClock},
    exit::{Exit, Failure},
    ui::Form,
};

/// Signs you out for a server.
///
/// The server takes back every token that you hold, also those of other machines; the issuer takes back
/// what would renew the sign-in; and the file that `gatewright login` made is removed, whether both
/// answer or not.
#[derive(Debug, Args)]
pub(crate) struct Logout {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    server: &'a str,
    /// Whether anybody was.
    was_signed_in: bool,
}

impl Logout {
    pub(crate) async fn run(&self, context: Context<'_>, server: &str) -> Result<Exit, Failure> {
        let server = Server::parse(server)?;
        let sign_ins = SignIns::of(context)?;
        let name = server.name();
        let signed_in = sign_ins.read(&name);
        sign_ins.forget(&name)?;
        // One that cannot be read is gone now, and nobody else can be told of it.
        let signed_in = signed_in?;
        let told = match &signed_in {
            Some(signed_in) => tell(&server, signed_in).await,
            None => Ok(()),
        };
        let was_signed_in = signed_in.is_some();
        match context.ui.form {
            Form::Json => context.ui.json(&Document {
                schema: "gatewright.io/logout/v1",
                server: &name,
                was_signed_in,
            }),
            Form::Text if was_signed_in => context.ui.line(&format!("signed out for {name}")),
            Form::Text => context.ui.line(&format!("nobody was signed in for {name}")),
        }
        told.map(|()| Exit::Done)
    }
}

/// Has everything taken back that the sign-in gave. Whoever cannot be asked does not keep the others
/// from being asked.
async fn tell(server: &Server, signed_in: &SignedIn) -> Result<(), Failure> {
    let lasts = signed_in.lasts(SystemClock.now(), Duration::ZERO);
    let at_server = match lasts {
        true => server.revoke(&signed_in.access_token).await,
        // No token of the server is good longer than its proof.
        false => Ok(()),
    };
    let at_issuer = match &signed_in.refresh_token {
        Some(refresh_token) => {
            let sign_in = login::find(&signed_in.issuer, &signed_in.client_id).await?;
            let revoked = sign_in.revoke(refresh_token).await;
            revoked.map_err(|error| login::not_signed_in(&error, &signed_in.issuer))
        }
        None => Ok(()),
    };
    let left = |failure: Failure| failure.note("what lay on this machine is removed all the same");
    at_server.map_err(|failure| {
        left(failure).help("tokens that the server gave end by themselves, within 15 minutes")
    })?;
    at_issuer.map_err(left)
}
