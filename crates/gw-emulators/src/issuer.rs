//! The demo issuer: real OpenID Connect discovery and key set, and tokens for whoever asks on this
//! machine. It signs no one in; that is why it exists only in `gatewright dev`.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    routing::get,
};
use gw_model::clock::Clock;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::Duration;
use url::Url;

pub use crate::key::Algorithm;
use crate::{
    key::Key,
    serving::{Serving, StartError, listen},
};

/// How long a demo token is good.
const LIFE: Duration = Duration::hours(1);

/// The path at which the running issuer makes tokens.
const TOKENS: &str = "/demo/tokens";

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Issuer {
    serving: Serving,
    state: Arc<Shared>,
}

/// Who gets tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tokens {
    ForWhoeverAsks,
    ForItsHolder,
}

/// What a token is to say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wanted {
    pub subject: String,
    pub audience: String,
    /// Each claim is a list of texts, as groups are.
    #[serde(default)]
    pub claims: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub algorithm: Algorithm,
    /// Whether it ended already, one life ago.
    #[serde(default)]
    pub expired: bool,
}

impl Wanted {
    /// The address at which a running issuer answers with such a token as [`Minted`].
    pub fn address(&self, issuer: &Url) -> Option<Url> {
        let mut address = issuer.join(TOKENS).ok()?;
        let wanted = serde_json::to_string(self).ok()?;
        address.query_pairs_mut().append_pair("wanted", &wanted);
        Some(address)
    }
}

/// What the running issuer answers when a token is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minted {
    pub token: String,
}

#[derive(Debug)]
struct Shared {
    url: String,
    clock: Arc<dyn Clock>,
    /// The first of each algorithm signs; the others are still published.
    keys: RwLock<Vec<Key>>,
}

impl Issuer {
    /// Listens on the loopback port; 0 lets the system choose.
    pub async fn start(port: u16, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::listen(port, clock, Tokens::ForWhoeverAsks).await
    }

    /// The same, and only its holder gets tokens.
    pub async fn quiet(port: u16, clock: Arc<dyn Clock>) -> Result<Self, StartError> {
        Self::listen(port, clock, Tokens::ForItsHolder).await
    }

    async fn listen(port: u16, clock: Arc<dyn Clock>, tokens: Tokens) -> Result<Self, StartError> {
        let listener = listen(port).await?;
        let address = listener.local_addr().map_err(|cause| StartError::Listen { port, cause })?;
        let url = format!("http://localhost:{}", address.port());
        let keys = RwLock::new(pair().ok_or(StartError::Keys)?);
        let state = Arc::new(Shared { url, clock, keys });
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(key_set));
        let routes = match tokens {
            Tokens::ForWhoeverAsks => routes.route(TOKENS, get(token)),
            Tokens::ForItsHolder => routes,
        };
        let routes = routes.with_state(Arc::clone(&state));
        Ok(Self { serving: Serving::start(listener, routes)?, state })
    }

    pub fn address(&self) -> SocketAddr {
        self.serving.address
    }

    /// The issuer's name, as tokens carry it.
    pub fn url(&self) -> &str {
        &self.state.url
    }

    /// A signed token, or `None` when the key cannot sign.
    pub fn mint(&self, wanted: &Wanted) -> Option<String> {
        self.state.mint(wanted)
    }

    /// New keys sign from now on; the former ones stay published for tokens that are still good.
    /// `false` when no keys could be made; then nothing changes.
    pub fn rotate(&self) -> bool {
        let Some(mut fresh) = pair() else { return false };
        let mut keys = self.state.keys.write();
        fresh.extend(keys.drain(..).take(2));
        *keys = fresh;
        true
    }
}

impl Shared {
    fn mint(&self, wanted: &Wanted) -> Option<String> {
        let Wanted { subject, audience, claims, algorithm, expired } = wanted;
        let now = self.clock.now();
        let since = if *expired { now - LIFE - LIFE } else { now };
        let mut payload: BTreeMap<&str, Value> =
            claims.iter().map(|(name, values)| (name.as_str(), json!(values))).collect();
        payload.extend([
            ("iss", json!(self.url)),
            ("sub", json!(subject)),
            ("aud", json!(audience)),
            ("iat", json!(since.unix_timestamp())),
            ("exp", json!((since + LIFE).unix_timestamp())),
        ]);
        let keys = self.keys.read();
        keys.iter().find(|key| key.algorithm() == *algorithm)?.sign("at+jwt", &json!(payload))
    }
}

/// One key of each algorithm.
fn pair() -> Option<Vec<Key>> {
    Some(vec![Key::generate(Algorithm::Rs256)?, Key::generate(Algorithm::Es256)?])
}

async fn discovery(State(state): State<Arc<Shared>>) -> Json<Value> {
    let url = &state.url;
    Json(json!({
        "issuer": url,
        "jwks_uri": format!("{url}/jwks"),
        "token_endpoint": format!("{url}{TOKENS}"),
        "response_types_supported": ["token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }))
}

async fn key_set(State(state): State<Arc<Shared>>) -> Json<Value> {
    let keys: Vec<_> = state.keys.read().iter().map(Key::public).collect();
    Json(json!({ "keys": keys }))
}

/// [`Wanted`] as JSON.
#[derive(Debug, Deserialize)]
struct Asked {
    wanted: String,
}

async fn token(
    State(state): State<Arc<Shared>>,
    Query(asked): Query<Asked>,
) -> Result<Json<Minted>, StatusCode> {
    let wanted = serde_json::from_str(&asked.wanted).map_err(|_| StatusCode::BAD_REQUEST)?;
    let token = state.mint(&wanted).ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(Json(Minted { token }))
}
