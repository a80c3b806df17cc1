//! `gatewright dev token`.

use std::collections::BTreeMap;

use clap::Args;
use gw_emulators::issuer::{Algorithm, Minted, Wanted};
use gw_model::{
    api::Who,
    desired::Desired,
    id::IdentityName,
    workspace::{Identity, Oidc},
};
use gw_net::client::{Client, ClientSettings, is_loopback};
use serde::Serialize;
use url::Url;

use crate::{
    commands::Context,
    compose::{Purpose, Scene, Workspace},
    exit::{Exit, Failure},
    ui::Form,
};

/// Prints a token of the demo issuer that `gatewright dev` runs.
#[derive(Debug, Args)]
pub(crate) struct Token {
    /// Who it is for: the subject.
    #[arg(value_name = "NAME")]
    name: String,
    /// A group; may be given several times.
    #[arg(long, value_name = "GROUP")]
    group: Vec<String>,
    /// Any other claim; may be given several times.
    #[arg(long, value_name = "NAME=VALUE", value_parser = claim)]
    claim: Vec<(String, String)>,
    /// A token that ended an hour ago, to see how it is refused.
    #[arg(long)]
    expired: bool,
    /// The identity whose issuer makes it; not needed where callers have only one of this machine.
    #[arg(long, value_name = "IDENTITY", value_parser = IdentityName::parse)]
    identity: Option<IdentityName>,
}

/// What the issuer says itself in every token.
const RESERVED: [&str; 6] = ["iss", "sub", "aud", "iat", "nbf", "exp"];

#[derive(Serialize)]
struct Document {
    schema: &'static str,
    token: String,
}

/// A token is never longer.
const MOST_BYTES: usize = 64 * 1024;

impl Token {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let workspace = Workspace::read(&context.globals.workspace)?;
        let desired = if workspace.faultless().is_some() {
            let environment = workspace.environment(context, context.globals.env.as_ref())?;
            workspace.desired(context, &environment)?
        } else {
            // A folder that is being edited does not keep anybody from calling what is in force.
            Scene::in_force(context, Purpose::Look).await?.desired
        };
        let oidc = self.demo_identity(&desired)?;
        let wanted = self.wanted(oidc);
        let issuer = Url::parse(&oidc.issuer)
            .map_err(|_| Failure::wrong(format!("issuer `{}` is not an address", oidc.issuer)))?;
        let token = mint(&issuer, &wanted).await?;
        match context.ui.form {
            Form::Json => {
                let schema = "gatewright.io/token/v1";
                context.ui.json(&Document { schema, token });
            }
            Form::Text => context.ui.line(&token),
        }
        Ok(Exit::Done)
    }

    fn wanted(&self, oidc: &Oidc) -> Wanted {
        let mut claims: BTreeMap<String, Vec<String>> = BTreeMap::new();
        if !self.group.is_empty() {
            claims.insert("groups".to_owned(), self.group.clone());
        }
        for (name, value) in &self.claim {
            claims.entry(name.clone()).or_default().push(value.clone());
        }
        Wanted {
            subject: self.name.clone(),
            audience: oidc.audiences.first().cloned().unwrap_or_default(),
            claims,
            algorithm: Algorithm::default(),
            expired: self.expired,
        }
    }

    /// The identity that was named, or the only one whose issuer is on this machine: of several the
    /// one by which callers are told apart.
    fn demo_identity<'d>(&self, desired: &'d Desired) -> Result<&'d Oidc, Failure> {
        let here = desired.identities.iter().filter_map(|(name, identity)| match identity {
            Identity::Oidc(oidc) if is_here(oidc) => Some((name, oidc)),
            Identity::Oidc(_)
            | Identity::BitbucketPipelines { .. }
            | Identity::SignedWebhook { .. }
            | Identity::ClientCertificate { .. }
            | Identity::AwsIam { .. } => None,
        });
        let is_caller = |name: &IdentityName| {
            let mut grants = desired.apis.values().flat_map(|api| &api.spec.access);
            grants.any(|grant| match &grant.who {
                Who::Public => false,
                Who::Proven { identities, .. } => identities.contains(name),
            })
        };
        let here: Vec<_> = here.collect();
        let callers = here.iter().filter(|(name, _)| is_caller(name)).count();
        let chosen = |name: &IdentityName| match &self.identity {
            Some(named) => named == name,
            None => callers == 0 || is_caller(name),
        };
        let mut found = here.into_iter().filter(|(name, _)| chosen(name));
        match (found.next(), found.next()) {
            (Some((_, oidc)), None) => Ok(oidc),
            (Some(_), Some(_)) => Err(Failure::wrong("several identities have their issuer here")
                .help("name one with `--identity`")),
            (None, _) => Err(Failure::wrong("no such identity has its issuer on this machine")
                .help("declare one whose issuer is http://localhost:PORT")),
        }
    }
}

/// A token that the demo issuer makes.
pub(super) async fn mint(issuer: &Url, wanted: &Wanted) -> Result<String, Failure> {
    let address = wanted.address(issuer);
    let address =
        address.ok_or_else(|| Failure::wrong(format!("issuer `{issuer}` is not an address")))?;
    let client = Client::new(&ClientSettings::here());
    let answer = client.get(&address, MOST_BYTES).await.map_err(|error| {
        let message = format!("the demo issuer {issuer} gives no token: {error}");
        Failure::new(Exit::Unreachable, message)
            .help("run `gatewright dev` in another terminal first")
    })?;
    let minted: Minted = serde_json::from_slice(&answer).map_err(|_| {
        Failure::new(Exit::Failed, format!("{issuer} is not our demo issuer"))
            .help("ask whoever runs it for a token")
    })?;
    Ok(minted.token)
}

fn is_here(oidc: &Oidc) -> bool {
    Url::parse(&oidc.issuer).is_ok_and(|url| is_loopback(&url))
}

fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) =
        text.split_once('=').ok_or_else(|| format!("`{text}` is not NAME=VALUE"))?;
    if RESERVED.contains(&name) {
        return Err(format!("`{name}` is said by the issuer itself; see --expired and --identity"));
    }
    Ok((name.to_owned(), value.to_owned()))
}
