//! A certified OIDC provider that nobody here wrote: npm `oidc-provider`, as a child process.
//!
//! `make counterparts` fetches it into `.cache/oidc-provider`; its version is pinned by the lock file
//! in `tests/oidc-provider`.

#[cfg(test)]
mod tests;

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

use crate::wire::{Reply, request};

/// How long the provider may take to make its keys and answer.
const START: Duration = Duration::from_secs(60);

const SCRIPT: &str = "provider.mjs";

/// Runs until it is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    child: Child,
    issuer: String,
    address: SocketAddr,
}

/// What a token is asked to be.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// `caller` or `batch`; it becomes the subject.
    pub client: &'static str,
    /// An absolute URI; it becomes the audience.
    pub audience: String,
    pub algorithm: &'static str,
    /// Claims beside the standard ones.
    pub claims: Value,
}

impl TokenRequest {
    pub fn new(audience: &str) -> Self {
        Self {
            client: "caller",
            audience: audience.to_owned(),
            algorithm: "RS256",
            claims: Value::Object(serde_json::Map::new()),
        }
    }

    #[must_use]
    pub fn claims(mut self, claims: Value) -> Self {
        self.claims = claims;
        self
    }

    #[must_use]
    pub fn signed_with(mut self, algorithm: &'static str) -> Self {
        self.algorithm = algorithm;
        self
    }
}

/// What an application is given for somebody who signs in and out again, all signed with ES256 and
/// all but the first for [`APPLICATION`].
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// For the resource, in the form of RFC 9068.
    pub access: String,
    pub identity: String,
    pub identity_with_nonce: String,
    /// It came through the browser, with the hash of a code.
    pub identity_of_front_channel: String,
    pub logout: String,
}

/// The id of the application that people sign in to.
pub const APPLICATION: &str = "web";

/// The id of the tool that people sign in to on another device. It has no secret.
pub const TOOL: &str = "tool";

/// What a person makes of a code that a device shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    Confirm,
    Abort,
}

/// What becomes of the keys that signed until now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldKeys {
    Removed,
    Published,
}

/// How discovery and key set go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    None,
    Status500,
    Garbage,
    Truncated,
    Silent,
}

impl OidcProvider {
    /// Whether `make counterparts` has been run.
    pub fn is_installed() -> bool {
        folder().join(SCRIPT).is_file()
    }

    pub fn start() -> Self {
        Self::start_with(None)
    }

    /// Every key carries this id, so that two providers can share one.
    pub fn start_with_key_id(id: &str) -> Self {
        Self::start_with(Some(id))
    }

    fn start_with(key_id: Option<&str>) -> Self {
        let folder = folder();
        let script = folder.join(SCRIPT);
        assert!(script.is_file(), "no {}: run `make counterparts` first", script.display());
        let mut command = Command::new("node");
        command.arg(&script).current_dir(&folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(id) = key_id {
            command.env("KID", id);
        }
        let mut child = command.spawn().expect("node can be started");
        let stdout = child.stdout.take().expect("standard output is piped");
        let (told, telling) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(stdout).read_line(&mut line);
            // The receiver is gone only when the start was given up.
            told.send(read.map(|_| line.trim().to_owned())).ok();
        });
        let line = telling.recv_timeout(START).expect("the provider answers in time");
        let issuer = line.expect("the provider prints its issuer");
        let address = issuer.strip_prefix("http://").and_then(|rest| rest.parse().ok());
        let address = address.expect("the issuer is a loopback address");
        Self { child, issuer, address }
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// A token in the form of RFC 9068, by the client-credentials grant.
    pub fn token(&self, wanted: &TokenRequest) -> String {
        let TokenRequest { client, audience, algorithm, claims } = wanted;
        let fields = [
            ("grant_type", "client_credentials".to_owned()),
            ("resource", audience.clone()),
            ("sign_with", (*algorithm).to_owned()),
            ("extra_claims", claims.to_string()),
        ];
        let form: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let credentials = format!("{client}:{client}-secret-{client}-secret-{client}");
        let authorization = format!("Basic {}", BASE64_STANDARD.encode(credentials));
        let headers = [
            ("authorization", authorization.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let reply = self.send("POST", "/token", &headers, form.join("&").as_bytes());
        let body = reply.json();
        let token = body.get("access_token").and_then(Value::as_str);
        token.unwrap_or_else(|| unreachable!("the provider gave no token: {body}")).to_owned()
    }

    /// Somebody signs in to read that resource, and is signed out again.
    pub fn sign_in(&self, resource: &str) -> SignedIn {
        let target = format!("/control/sign-in?resource={}", escape(resource));
        let body = self.send("POST", &target, &[], b"").json();
        let token = |name: &str| {
            let token = body.get(name).and_then(Value::as_str);
            token.unwrap_or_else(|| unreachable!("no {name}: {body}")).to_owned()
        };
        SignedIn {
            access: token("access_token"),
            identity: token("id_token"),
            identity_with_nonce: token("id_token_with_nonce"),
            identity_of_front_channel: token("id_token_of_front_channel"),
            logout: token("logout_token"),
        }
    }

    /// Somebody enters a code that a device shows.
    pub fn decide(&self, code: &str, decision: Decision) {
        let decision = match decision {
            Decision::Confirm => "confirm",
            Decision::Abort => "abort",
        };
        self.control(&format!("/control/decide?code={}&decision={decision}", escape(code)));
    }

    /// From now on new keys sign.
    pub fn rotate(&self, old: OldKeys) {
        let keep = match old {
            OldKeys::Removed => "",
            OldKeys::Published => "?keep",
        };
        self.control(&format!("/control/rotate{keep}"));
    }

    /// From now on discovery and key set fail like this.
    pub fn fail(&self, failure: Failure) {
        let how = match failure {
            Failure::None => "",
            Failure::Status500 => "status",
            Failure::Garbage => "garbage",
            Failure::Truncated => "truncated",
            Failure::Silent => "silent",
        };
        self.control(&format!("/control/fail?how={how}"));
    }

    /// How often discovery and key set were asked for.
    pub fn fetches(&self) -> u64 {
        let reply = self.send("GET", "/control/fetches", &[], b"");
        reply.json().get("fetches").and_then(Value::as_u64).expect("the count is a number")
    }

    fn control(&self, target: &str) {
        let reply = self.send("POST", target, &[], b"");
        assert_eq!(reply.status, 204, "{target}: {}", reply.text());
    }

    fn send(&self, method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        request(self.address, method, target, headers, body).expect("the provider answers")
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Where `make counterparts` put the provider.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/oidc-provider")
}

/// Percent-encodes all but letters and digits.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
