//! The issuers that make tokens for a trial of the table of access.

use std::{collections::BTreeMap, sync::Arc};

use gw_control::trial::{Mint, Minted};
use gw_emulators::issuer::{Algorithm, Issuer, Minted as Made, Wanted};
use gw_model::{
    clock::Clock,
    secret::Redacted,
    workspace::{Algorithm as Declared, Oidc},
};
use gw_net::client::{Client, ClientSettings};
use url::Url;

use crate::exit::{Exit, Failure};

/// The issuer that `gatewright dev` runs.
#[derive(Debug)]
pub(crate) struct DemoIssuer(Client);

/// A token is never longer.
const MOST_BYTES: usize = 64 * 1024;

impl Default for DemoIssuer {
    fn default() -> Self {
        Self(Client::new(&ClientSettings::here()))
    }
}

impl Mint for DemoIssuer {
    fn mint<'a>(&'a self, oidc: &'a Oidc, claims: &'a BTreeMap<String, String>) -> Minted<'a> {
        Box::pin(async move {
            let wanted = wanted(oidc, claims);
            let address = Url::parse(&oidc.issuer).ok().and_then(|it| wanted.address(&it))?;
            let answer = self.0.get(&address, MOST_BYTES).await.ok()?;
            let Made { token } = serde_json::from_slice(&answer).ok()?;
            Some(Redacted::new(token))
        })
    }
}

/// Somebody who holds just these claims.
fn wanted(oidc: &Oidc, claims: &BTreeMap<String, String>) -> Wanted {
    let claims = claims.iter().map(|(name, value)| (name.clone(), vec![value.clone()]));
    let algorithm = match oidc.algorithms.contains(&Declared::Rs256) {
        true => Algorithm::Rs256,
        false => Algorithm::Es256,
    };
    Wanted {
        subject: "gatewright-test".to_owned(),
        audience: oidc.audiences.first().cloned().unwrap_or_default(),
        claims: claims.collect(),
        algorithm,
        expired: false,
    }
}

/// The issuer of the tokens by which an environment is tried: it gives none to anybody else.
#[derive(Debug)]
struct TestIssuer(Issuer);

impl Mint for TestIssuer {
    fn mint<'a>(&'a self, oidc: &'a Oidc, claims: &'a BTreeMap<String, String>) -> Minted<'a> {
        let is_its = oidc.issuer.trim_end_matches('/') == self.0.url();
        let token = is_its.then(|| self.0.mint(&wanted(oidc, claims))).flatten();
        Box::pin(std::future::ready(token.map(Redacted::new)))
    }
}

/// The test issuer of a server, where its settings name a port for it.
pub(super) async fn of_server(
    port: Option<u16>,
    clock: &Arc<dyn Clock>,
) -> Result<Option<Arc<dyn Mint>>, Failure> {
    let Some(port) = port else { return Ok(None) };
    let issuer = Issuer::quiet(port, Arc::clone(clock)).await;
    let issuer = issuer.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
    Ok(Some(Arc::new(TestIssuer(issuer))))
}
