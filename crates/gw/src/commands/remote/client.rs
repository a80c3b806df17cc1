//! A server, as a command asks it: a proof is exchanged for a short token, and the token is shown.

use std::time::Duration;

use gw_control::login::scope::{ONLY, Scope};
use gw_model::{environment::ChangeAction, id::EnvironmentName, secret::Redacted};
use gw_net::{
    address::LoopbackReach,
    client::{Ask, Authorization, Client, ClientSettings, FetchError, Method},
};
use gw_web::contract::{Problem, Token, TokenRefusal, Whoami};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::OnceCell;
use url::{Url, form_urlencoded};

use super::proof::Proof;
use crate::{
    commands::Context,
    compose::{SignedIn, Workspace},
    exit::{Exit, Failure},
};

const MOST_BYTES: usize = 64 << 20;
const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// A plan of many APIs takes a while, and whoever waits for a task is answered after less.
const TIMEOUT: Duration = Duration::from_secs(120);

/// A server at its address. Whoever asks shows nothing yet.
#[derive(Debug)]
pub(crate) struct Server {
    base: Url,
    client: Client,
}

/// A server, and by what it knows who asks.
#[derive(Debug)]
pub(in crate::commands) struct Remote {
    server: Server,
    environment: OnceCell<EnvironmentName>,
    proof: Proof,
}

impl Server {
    pub(crate) fn parse(server: &str) -> Result<Self, Failure> {
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
        Ok(Self { base, client: Client::new(&settings) })
    }

    /// Its address, written the one way in which it is known.
    pub(crate) fn name(&self) -> String {
        self.base.as_str().trim_end_matches('/').to_owned()
    }

    /// What everybody may know.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let (status, body) = self.ask(path, Ask::default()).await?;
        if status < 300 { read(&body) } else { Err(problem(status, &body)) }
    }

    /// Has taken back whatever was given for this proof.
    pub(crate) async fn revoke(&self, proof: &Redacted<String>) -> Result<(), Failure> {
        let fields = [("token", proof.reveal().as_str())];
        let (status, body) = self.post_form("/v1/token/revoke", &fields).await?;
        if status < 300 { Ok(()) } else { Err(problem(status, &body)) }
    }

    async fn post_form(
        &self,
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<(u16, Vec<u8>), Failure> {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let ask = Ask {
            method: Method::Post,
            headers: &[("content-type", "application/x-www-form-urlencoded")],
            body: Some(form.into_bytes()),
            ..Ask::default()
        };
        self.ask(path, ask).await
    }

    async fn ask(&self, path: &str, ask: Ask<'_>) -> Result<(u16, Vec<u8>), Failure> {
        let base = self.name();
        let url = Url::parse(&format!("{base}{path}"));
        let url = url.map_err(|error| Failure::wrong(format!("`{base}{path}`: {error}")))?;
        let unreached = |error: FetchError| match error {
            FetchError::NotAUrl | FetchError::Insecure => {
                Failure::wrong(format!("`{base}` cannot be asked: {error}"))
                    .help("name the server as `--server https://HOST`")
            }
            error => {
                Failure::new(Exit::Unreachable, format!("the server does not answer: {error}"))
                    .note(base.clone())
                    .help("is that its address, and does `gatewright serve` run there?")
            }
        };
        let answer = self.client.ask(&url, ask).await.map_err(unreached)?;
        let status = answer.status();
        Ok((status, answer.body(MOST_BYTES).await.map_err(unreached)?))
    }
}

impl Remote {
    pub(super) fn new(context: Context<'_>, server: &str) -> Result<Self, Failure> {
        let server = Server::parse(server)?;
        let proof = Proof::find(context, &server.name())?;
        let named = context.globals.env.clone().or_else(|| only_environment(context));
        Ok(Self { server, environment: OnceCell::new_with(named), proof })
    }

    /// The same for whoever has the proof in hand.
    pub(in crate::commands) fn showing(
        server: Server,
        environment: &EnvironmentName,
        proof: Redacted<String>,
    ) -> Self {
        let environment = OnceCell::new_with(Some(environment.clone()));
        Self { server, environment, proof: Proof::Given(proof) }
    }

    /// The server's address, as commands take it.
    pub(super) fn name(&self) -> String {
        self.server.name()
    }

    /// Commands in words of the server, as they are asked of it from here: without its name they would be
    /// about the folder they are run in.
    pub(super) fn addressed(&self, words: &str) -> String {
        let mut program = format!("`gatewright --server {} ", self.name());
        if let Some(environment) = self.environment.get() {
            program.push_str(&format!("--env {environment} "));
        }
        let mut parts = words.split("`gatewright ");
        let mut addressed = parts.next().unwrap_or_default().to_owned();
        for rest in parts {
            let is_addressed = rest.starts_with("--server");
            addressed.push_str(if is_addressed { "`gatewright " } else { &program });
            addressed.push_str(rest);
        }
        addressed
    }

    /// Who is signed in, where that is what is shown.
    pub(super) fn signed_in(&self) -> Result<Option<SignedIn>, Failure> {
        self.proof.signed_in()
    }

    /// The environment that was named, or the only one of the folder, or of the server.
    pub(super) async fn environment(&self) -> Result<&EnvironmentName, Failure> {
        let ask = || async {
            let token = self.exchange(&[ChangeAction::View], ONLY).await?;
            let whoami: Whoami = self.get(&token, "/v1/whoami").await?;
            EnvironmentName::parse(&whoami.environment)
                .map_err(|error| Failure::new(Exit::Failed, error.to_string()))
        };
        self.environment.get_or_try_init(ask).await
    }

    /// A token for these actions, perhaps on one plan only.
    pub(in crate::commands) async fn token(
        &self,
        actions: &[ChangeAction],
        plan: Option<&str>,
    ) -> Result<Redacted<String>, Failure> {
        let mut resource = Scope::resource(self.environment().await?);
        if let Some(plan) = plan {
            resource.push(':');
            resource.push_str(plan);
        }
        self.exchange(actions, &resource).await
    }

    async fn exchange(
        &self,
        actions: &[ChangeAction],
        resource: &str,
    ) -> Result<Redacted<String>, Failure> {
        let scope: Vec<&str> = actions.iter().map(|action| action.as_str()).collect();
        let shown = self.proof.show().await?;
        let fields = [
            ("grant_type", GRANT),
            ("subject_token", shown.reveal().as_str()),
            ("subject_token_type", JWT),
            ("scope", &scope.join(" ")),
            ("resource", resource),
        ];
        let (status, body) = self.server.post_form("/v1/token", &fields).await?;
        if status == 200 {
            let token: Token = read(&body)?;
            return Ok(Redacted::new(token.access_token));
        }
        let Ok(refusal) = serde_json::from_slice::<TokenRefusal>(&body) else {
            return Err(problem(status, &body));
        };
        if resource == ONLY && refusal.error == "invalid_target" {
            return Err(Failure::wrong("no environment is named").help(
                "name one with `--env NAME`; only the single one of a folder, or of the server, is meant",
            ));
        }
        Err(self.proof.refused(&refusal).unwrap_or_else(|| {
            let failure = Failure::new(Exit::Denied, refusal.error_description);
            told(failure, Some(&refusal.code), refusal.reason, Some(refusal.help))
        }))
    }

    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        token: &Redacted<String>,
        path: &str,
    ) -> Result<T, Failure> {
        let ask = Ask { authorization: Some(Authorization::Bearer(token)), ..Ask::default() };
        let (status, body) = self.server.ask(path, ask).await?;
        if status < 300 { read(&body) } else { Err(problem(status, &body)) }
    }

    /// The same; `None` where the token is not good any more.
    pub(super) async fn look<T: DeserializeOwned>(
        &self,
        token: &Redacted<String>,
        path: &str,
    ) -> Result<Option<T>, Failure> {
        let ask = Ask { authorization: Some(Authorization::Bearer(token)), ..Ask::default() };
        match self.server.ask(path, ask).await? {
            (401, _) => Ok(None),
            (status, body) if status < 300 => read(&body).map(Some),
            (status, body) => Err(problem(status, &body)),
        }
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
        let (status, body) = self.server.ask(path, ask).await?;
        if status < 300 { read(&body) } else { Err(problem(status, &body)) }
    }
}

/// What the folder declares, where a command is run in one with a single environment.
fn only_environment(context: Context<'_>) -> Option<EnvironmentName> {
    let workspace = Workspace::read(&context.globals.workspace).ok()?;
    let mut names = workspace.faultless()?.environments().map(|(name, _)| name);
    names.next().filter(|_| names.next().is_none()).cloned()
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
        return Failure::new(
            Exit::Failed,
            format!("the server answers {status}, in nobody's words"),
        )
        .help("is that a Gatewright server, and its address without a path?");
    };
    let exit = match status {
        401 | 403 | 404 => Exit::Denied,
        400..=499 => Exit::Wrong,
        502..=504 => Exit::Unreachable,
        _ => Exit::Failed,
    };
    told(Failure::new(exit, title), code.as_deref(), reason, help)
}

/// A failure with what the server says beside it.
fn told(failure: Failure, code: Option<&str>, reason: String, help: Option<String>) -> Failure {
    // One that only a newer server knows stands beside the reason.
    let failure = match (code, code.and_then(|code| code.parse().ok())) {
        (_, Some(known)) => failure.coded(known).note(reason),
        (Some(code), None) => failure.note(format!("{code}: {reason}")),
        (None, None) => failure.note(reason),
    };
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}
