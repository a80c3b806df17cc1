//! `gatewright login`.

use clap::Args;
use gw_control::login::device::{NotSignedIn, SignIn, SignedIn as Given, Started};
use gw_model::clock::Clock;
use gw_net::{
    address::LoopbackReach,
    client::{Client, ClientSettings},
};
use gw_web::contract;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use url::Url;

use super::{Context, remote::Server};
use crate::{
    compose::{SignIns, SignedIn, SystemClock},
    diagnostics::visible,
    exit::{Exit, Failure},
    ui::{Form, Input},
};

/// Signs you in for a server, by a code that you enter in a browser on any device.
///
/// The server names the issuer and the application; who you are, only the issuer asks. What the issuer
/// gives is kept in a file of its own, for you alone, until `gatewright logout`: commands with `--server`
/// show it where neither GATEWRIGHT_TOKEN_FILE nor the token of a pipeline's step is there.
#[derive(Debug, Args)]
pub(crate) struct Login {}

/// What a machine is told while somebody signs in.
#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "state")]
enum Event<'a> {
    #[serde(rename_all = "camelCase")]
    Waiting {
        schema: &'static str,
        address: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        address_with_code: Option<&'a str>,
        code: &'a str,
        expires_at: String,
    },
    #[serde(rename_all = "camelCase")]
    SignedIn {
        schema: &'static str,
        server: &'a str,
        identity: &'a str,
        issuer: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        expires_at: Option<String>,
        is_renewed: bool,
    },
}

const SCHEMA: &str = "gatewright.io/login/v1";

impl Login {
    pub(crate) async fn run(&self, context: Context<'_>, server: &str) -> Result<Exit, Failure> {
        if context.ui.input == Input::Never {
            return Err(Failure::wrong("signing in needs a person, and nobody may be asked")
                .help("leave out `--no-input`")
                .help("a machine shows a token of its own: GATEWRIGHT_TOKEN_FILE"));
        }
        let server = Server::parse(server)?;
        let sign_ins = SignIns::of(context)?;
        let place: contract::Login = server.get("/v1/login").await?;
        let sign_in = find(&place.issuer, &place.client_id).await?;
        let resource = place.resource.as_deref();
        let started = sign_in.start(&place.scope, resource, &SystemClock).await;
        let started = started.map_err(|error| not_signed_in(&error, &place.issuer))?;
        tell(context, &started);
        let given = sign_in.wait(&started, resource, &SystemClock, tokio::time::sleep).await;
        let given = given.map_err(|error| not_signed_in(&error, &place.issuer))?;
        let signed_in = SignedIn {
            server: server.name(),
            identity: place.identity,
            issuer: place.issuer,
            client_id: place.client_id,
            resource: place.resource,
            expires_at: ends(&given, SystemClock.now()),
            access_token: given.access_token,
            refresh_token: given.refresh_token,
        };
        sign_ins.keep(&signed_in)?;
        conclude(context, &sign_ins, &signed_in);
        Ok(Exit::Done)
    }
}

/// The issuer that people sign in at. It is the server that names it, so it is as far as the server.
pub(super) async fn find(issuer: &str, client_id: &str) -> Result<SignIn, Failure> {
    let host = Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let client = Client::new(&ClientSettings {
        listed: host.into_iter().collect(),
        loopback: LoopbackReach::Listed,
        ..ClientSettings::default()
    });
    let found = SignIn::find(issuer, client_id, client).await;
    found.map_err(|error| not_signed_in(&error, issuer))
}

/// Until when what an issuer gives is good.
pub(super) fn ends(given: &Given, now: OffsetDateTime) -> Option<OffsetDateTime> {
    let life = time::Duration::try_from(given.life?).ok()?;
    now.checked_add(life)
}

/// Shows what was given, in the place of what was given before.
pub(super) fn renewed(before: &SignedIn, given: Given, now: OffsetDateTime) -> SignedIn {
    SignedIn {
        expires_at: ends(&given, now),
        access_token: given.access_token,
        // An issuer that gives no new one leaves the former in force.
        refresh_token: given.refresh_token.or_else(|| before.refresh_token.clone()),
        ..before.clone()
    }
}

fn tell(context: Context<'_>, started: &Started) {
    let (address, code) = (started.address.as_str(), visible(&started.user_code));
    let with_code = started.address_with_code.as_ref().map(Url::as_str);
    if context.ui.form == Form::Json {
        context.ui.json(&Event::Waiting {
            schema: SCHEMA,
            address,
            address_with_code: with_code,
            code: &code,
            expires_at: written(started.expires_at),
        });
        return;
    }
    if let Some(with_code) = with_code {
        context.ui.line("Open this in a browser, on any device:");
        context.ui.line(&format!("  {with_code}"));
        context.ui.line("and compare the code, or enter it yourself:");
    } else {
        context.ui.line("Open this in a browser, on any device, and enter the code:");
    }
    context.ui.line(&format!("  {address}    {code}"));
    context.ui.say(&format!("waiting until {}", written(started.expires_at)));
}

fn conclude(context: Context<'_>, sign_ins: &SignIns, signed_in: &SignedIn) {
    let SignedIn { server, identity, issuer, .. } = signed_in;
    let is_renewed = signed_in.refresh_token.is_some();
    if context.ui.form == Form::Json {
        context.ui.json(&Event::SignedIn {
            schema: SCHEMA,
            server,
            identity,
            issuer,
            expires_at: signed_in.expires_at.map(written),
            is_renewed,
        });
        return;
    }
    context.ui.line(&format!("signed in for {server}, by identity {identity} of {issuer}"));
    context.ui.line(&format!("  {}", until(signed_in)));
    context.ui.say(&format!("  it is kept in {}", sign_ins.path(server).display()));
}

/// How long somebody is signed in.
pub(super) fn until(signed_in: &SignedIn) -> String {
    match (signed_in.expires_at, &signed_in.refresh_token) {
        (Some(end), None) => format!("until {}", written(end)),
        (None, None) => "as long as the issuer says".to_owned(),
        (Some(end), Some(_)) => format!("until {}, and then renewed", written(end)),
        (None, Some(_)) => "and renewed when it ends".to_owned(),
    }
}

pub(super) fn written(at: OffsetDateTime) -> String {
    at.replace_nanosecond(0).unwrap_or(at).format(&Rfc3339).unwrap_or_default()
}

pub(super) fn not_signed_in(error: &NotSignedIn, issuer: &str) -> Failure {
    let (exit, help) = match error {
        NotSignedIn::Unreachable(_) => (Exit::Unreachable, "try again, or look at the network"),
        NotSignedIn::NotOffered | NotSignedIn::Garbled | NotSignedIn::Refused { .. } => (
            Exit::Denied,
            "whoever runs the server gives it an application for devices: `[identities.NAME.device]`",
        ),
        NotSignedIn::Denied | NotSignedIn::Expired => {
            (Exit::Denied, "begin anew: `gatewright login`")
        }
    };
    Failure::new(exit, error.to_string()).note(issuer.to_owned()).help(help)
}
