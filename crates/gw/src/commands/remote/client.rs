//! A server, as a command asks it: a proof is exchanged for a short token, and the token is shown.

use std::{fs, time::Duration};

use gw_model::{environment::ChangeAction, id::EnvironmentName, secret::Redacted};
use gw_net::{
    address::LoopbackReach,
    client::{Ask, Authorization, Client, ClientSettings, FetchError, Method},
};
use gw_web::contract::{Problem, Token, TokenRefusal};
use serde::{Serialize, de::DeserializeOwned};
use url::{Url, form_urlencoded};

use crate::{
    commands::Context,
    config,
    exit::{Exit, Failure},
};

const MOST_BYTES: usize = 64 << 20;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// A plan of many APIs takes a while, and whoever waits for a task is answered after less.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Debug)]
pub(super) struct Remote {
    base: Url,
    client: Client,
    environment: Option<EnvironmentName>,
    proof: Redacted<String>,
}

impl Remote {
    pub(super) fn new(context: Context<'_>, server: &str) -> Result<Self, Failure> {
        let base = Url::parse(server).ok().filter(Url::has_host);
        let base = base.ok_or_else(|| Failure::wrong(format!("`{server}` is no URL")))?;
        let host = base.host_str().unwrap_or_default().to_owned();
        let settings = ClientSettings {
            // Whoever names a server has chosen it, wherever it is.
            listed: vec![host],
            loopback: LoopbackReach::Listed,
            timeout: TIMEOUT,
            ..ClientSettings::default()
        };
        let environment = context.globals.env.clone();
        Ok(Self { base, client: Client::new(&settings), environment, proof: proof()? })
    }

    /// The environment that was named; a server has no favourite.
    pub(super) fn environment(&self) -> Result<&EnvironmentName, Failure> {
        self.environment.as_ref().ok_or_else(|| {
            Failure::wrong("no environment is named").help("name one with `--env NAME`")
        })
    }

    /// A token for these actions, perhaps on one plan only.
    pub(super) async fn token(
        &self,
        actions: &[ChangeAction],
        plan: Option<&str>,
    ) -> Result<Redacted<String>, Failure> {
        let scope: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
        let mut resource = format!("urn:gatewright:{}", self.environment()?);
        if let Some(plan) = plan {
            resource.push(':');
            resource.push_str(plan);
        }
        let form = form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", GRANT)
            .append_pair("subject_token", self.proof.reveal())
            .append_pair("subject_token_type", JWT)
            .append_pair("scope", &scope.join(" "))
            .append_pair("resource", &resource)
            .finish();
        let ask = Ask {
            method: Method::Post,
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: Some(form.into_bytes()),
            ..Ask::default()
        };
        let (status, body) = self.ask("/v1/token", ask).await?;
        if status == 200 {
            let token: Token = read(&body)?;
            return Ok(Redacted::new(token.access_token));
        }
        let Ok(refusal) = serde_json::from_slice::<TokenRefusal>(&body) else {
            return Err(problem(status, &body));
        };
        Err(Failure::new(Exit::Denied, refusal.error_description)
            .note(format!("{}: {}", refusal.code, refusal.reason))
            .help(refusal.help))
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        token: &Redacted<String>,
        path: &str,
    ) -> Result<T, Failure> {
        let ask = Ask { authorization: Some(Authorization::Bearer(token)), ..Ask::default() };
        let (status, body) = self.ask(path, ask).await?;
        if status < 300 { read(&body) } else { Err(problem(status, &body)) }
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        token: &Redacted<String>,
        path: &str,
        order: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(order);
        let body = body.map_err(|error| Failure::new(Exit::Failed, error.to_string()))?;
        let ask = Ask {
            method: Method::Post,
            authorization: Some(Authorization::Bearer(token)),
            headers: &[("content-type", "application/json")],
            body: Some(body),
        };
        let (status, body) = self.ask(path, ask).await?;
        if status < 300 { read(&body) } else { Err(problem(status, &body)) }
    }

    async fn ask(&self, path: &str, ask: Ask<'_>) -> Result<(u16, Vec<u8>), Failure> {
        let base = self.base.as_str().trim_end_matches('/');
        let url = Url::parse(&format!("{base}{path}"));
        let url = url.map_err(|error| Failure::wrong(format!("`{base}{path}`: {error}")))?;
        let unreached = |error: FetchError| {
            Failure::new(Exit::Unreachable, format!("the server does not answer: {error}"))
                .note(base.to_owned())
        };
        let answer = self.client.ask(&url, ask).await.map_err(unreached)?;
        let status = answer.status();
        Ok((status, answer.body(MOST_BYTES).await.map_err(unreached)?))
    }
}

/// What shows who asks: a file that was named, or what the pipeline gives its step.
fn proof() -> Result<Redacted<String>, Failure> {
    if let Some(path) = config::proof_file() {
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::wrong(format!("cannot read `{}`: {error}", path.display()))
        })?;
        return Ok(Redacted::new(text.trim().to_owned()));
    }
    config::step_token().ok_or_else(|| {
        Failure::wrong("nothing shows who asks")
            .help("sign in: `gatewright login`")
            .help("or name a file with a token of your identity provider: GATEWRIGHT_TOKEN_FILE")
            .help("in a step of Bitbucket Pipelines: `oidc: true`")
    })
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|error| {
        Failure::new(Exit::Failed, format!("the server answers what is not understood: {error}"))
            .help("server and command line may be of different versions")
    })
}

/// Why the server did not do it, in its own words.
fn problem(status: u16, body: &[u8]) -> Failure {
    let Ok(Problem { title, reason, code, help, .. }) = serde_json::from_slice(body) else {
        return Failure::new(Exit::Failed, format!("the server answers {status}"));
    };
    let exit = match status {
        401 | 403 | 404 => Exit::Denied,
        400..=499 => Exit::Wrong,
        502..=504 => Exit::Unreachable,
        _ => Exit::Failed,
    };
    let failure = Failure::new(exit, title).note(match code {
        Some(code) => format!("{code}: {reason}"),
        None => reason,
    });
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}
