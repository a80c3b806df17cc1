//! What shows a server who asks: a file that was named, what a pipeline gives its step, or a sign-in.

use std::{fs, path::PathBuf};

use gw_control::login::device::NotSignedIn;
use gw_model::{clock::Clock, code::Code, secret::Redacted};
use gw_web::contract::TokenRefusal;
use time::Duration;

use crate::{
    commands::{Context, login},
    compose::{SignIns, SignedIn, SystemClock},
    config,
    exit::{Exit, Failure},
};

/// A sign-in that ends sooner is renewed first, so that what is begun can be watched to its end.
const AHEAD: Duration = Duration::minutes(2);
/// By this word the server says that a token was good once.
const EXPIRED: &str = "token-expired";

#[derive(Debug)]
pub(super) enum Proof {
    /// Read each time: somebody else may renew it.
    File(PathBuf),
    Given(Redacted<String>),
    SignedIn {
        sign_ins: SignIns,
        server: String,
    },
}

impl Proof {
    /// What was named goes before what the pipeline gives, and that before who is signed in.
    pub(super) fn find(context: Context<'_>, server: &str) -> Result<Self, Failure> {
        if let Some(path) = config::proof_file() {
            return Ok(Self::File(path));
        }
        match config::step_token() {
            Some(token) => Ok(Self::Given(token)),
            None => {
                let sign_ins = SignIns::of(context)?;
                Ok(Self::SignedIn { sign_ins, server: server.to_owned() })
            }
        }
    }

    pub(super) fn signed_in(&self) -> Result<Option<SignedIn>, Failure> {
        match self {
            Self::File(_) | Self::Given(_) => Ok(None),
            Self::SignedIn { sign_ins, server } => sign_ins.read(server),
        }
    }

    /// The token to show; a sign-in that ends is renewed first.
    pub(super) async fn show(&self) -> Result<Redacted<String>, Failure> {
        match self {
            Self::File(path) => {
                let named = format!("{} names this file", config::TOKEN_FILE);
                let text = fs::read_to_string(path).map_err(|error| {
                    Failure::wrong(format!("cannot read `{}`: {error}", path.display()))
                        .note(named.clone())
                })?;
                let token = text.trim();
                if token.is_empty() {
                    let empty = format!("`{}` is empty", path.display());
                    return Err(Failure::wrong(empty).note(named));
                }
                Ok(Redacted::new(token.to_owned()))
            }
            Self::Given(token) => Ok(token.clone()),
            Self::SignedIn { sign_ins, server } => {
                Ok(lasting(sign_ins, server).await?.access_token)
            }
        }
    }

    /// What it means that the server does not take it, where it means something else than it says.
    pub(super) fn refused(&self, refusal: &TokenRefusal) -> Option<Failure> {
        match self {
            Self::SignedIn { server, .. } if refusal.reason == EXPIRED => Some(over(server)),
            Self::SignedIn { .. } | Self::File(_) | Self::Given(_) => None,
        }
    }
}

async fn lasting(sign_ins: &SignIns, server: &str) -> Result<SignedIn, Failure> {
    let signed_in = sign_ins.read(server)?.ok_or_else(|| nobody(server))?;
    if signed_in.lasts(SystemClock.now(), AHEAD) {
        return Ok(signed_in);
    }
    let _turn = sign_ins.turn().await?;
    // Whoever had the turn before may have renewed it, or ended it.
    let signed_in = sign_ins.read(server)?.ok_or_else(|| nobody(server))?;
    if signed_in.lasts(SystemClock.now(), AHEAD) {
        return Ok(signed_in);
    }
    match renew(&signed_in).await {
        Ok(Some(renewed)) => {
            sign_ins.keep(&renewed)?;
            Ok(renewed)
        }
        // It is good for a moment, and nothing better can be had now.
        Ok(None) | Err(_) if signed_in.lasts(SystemClock.now(), Duration::ZERO) => Ok(signed_in),
        Ok(None) => {
            sign_ins.forget(server)?;
            Err(over(server))
        }
        Err(failure) => Err(failure),
    }
}

/// None: the issuer does not renew it, or not any more.
async fn renew(signed_in: &SignedIn) -> Result<Option<SignedIn>, Failure> {
    let Some(refresh_token) = &signed_in.refresh_token else { return Ok(None) };
    let issuer = login::find(&signed_in.issuer, &signed_in.client_id).await?;
    match issuer.renew(refresh_token, signed_in.resource.as_deref()).await {
        Ok(given) => Ok(Some(login::renewed(signed_in, given, SystemClock.now()))),
        Err(NotSignedIn::Refused { .. } | NotSignedIn::Denied | NotSignedIn::Expired) => Ok(None),
        Err(error) => Err(login::not_signed_in(&error, &signed_in.issuer)),
    }
}

fn over(server: &str) -> Failure {
    Failure::new(Exit::Denied, format!("you are not signed in any more for {server}"))
        .coded(Code::TokenOver)
        .help(format!("gatewright --server {server} login"))
}

fn nobody(server: &str) -> Failure {
    Failure::new(Exit::Denied, format!("nobody is signed in for {server}"))
        .coded(Code::TokenOver)
        .help(format!("gatewright --server {server} login"))
        .help("or name a file with a token of your identity provider: GATEWRIGHT_TOKEN_FILE")
        .help("in a step of Bitbucket Pipelines: `oidc: true`")
}
