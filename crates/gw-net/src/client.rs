//! The one way to ask a server of somebody else: an identity provider, a Git host. Bounded in time
//! and in bytes, and to judged addresses only.
//!
//! No redirect is followed and no proxy of the environment is used: either would lead elsewhere than
//! where the declaration says.

#[cfg(test)]
mod tests;

use std::{error::Error, fmt, time::Duration};

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use gw_model::secret::Redacted;
use reqwest::{
    Certificate, RequestBuilder, Response, StatusCode,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};
use url::{Host, Url};

use crate::address::{LoopbackReach, Reach, Unreachable};

#[derive(Clone, Debug)]
pub struct ClientSettings {
    /// Hosts and addresses beyond public ones.
    pub listed: Vec<String>,
    pub loopback: LoopbackReach,
    /// Authorities that are trusted beside those of the machine, as DER.
    pub authorities: Vec<Vec<u8>>,
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte read.
    pub timeout: Duration,
}

/// Cheap to clone; clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    reach: Reach,
    here: Reach,
    /// A machine without any authority has none; then only `http` on loopback works.
    secure: Result<reqwest::Client, String>,
    plain: Result<reqwest::Client, String>,
}

/// What is asked. Of itself it is a `GET` without anything.
#[derive(Clone, Debug, Default)]
pub struct Ask<'a> {
    pub method: Method,
    pub authorization: Option<Authorization<'a>>,
    /// Beside the authorization; sent as they are.
    pub headers: &'a [(&'a str, &'a str)],
    pub body: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    #[default]
    Get,
    Post,
    Put,
    Delete,
}

/// Who asks. It never shows what proves it.
#[derive(Clone, Copy, Debug)]
pub enum Authorization<'a> {
    Basic { user: &'a str, password: &'a Redacted<String> },
    Bearer(&'a Redacted<String>),
}

impl Authorization<'_> {
    /// Whether a text repeats what proves it, as it is or as it is sent.
    pub fn stands_in(&self, text: &str) -> bool {
        match self {
            Self::Basic { user, password } => {
                let sent = BASE64_STANDARD.encode(format!("{user}:{}", password.reveal()));
                text.contains(password.reveal().as_str()) || text.contains(&sent)
            }
            Self::Bearer(token) => text.contains(token.reveal().as_str()),
        }
    }
}

/// The head of an answer. Its body is still on the way.
#[derive(Debug)]
pub struct Answer(Response);

/// Why a document was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchError {
    NotAUrl,
    /// Neither `https`, nor `http` to this machine.
    Insecure,
    Unreachable(Unreachable),
    /// No client could be made: most often a machine without certificates.
    NoClient(String),
    Timeout,
    /// Connection, TLS or HTTP, in the words of the one who noticed.
    Connection(String),
    Status(u16),
    TooLong {
        limit: usize,
    },
}

impl Default for ClientSettings {
    fn default() -> Self {
        Self {
            listed: vec![],
            loopback: LoopbackReach::Listed,
            authorities: vec![],
            connect_timeout: Duration::from_secs(3),
            timeout: Duration::from_secs(10),
        }
    }
}

impl ClientSettings {
    /// The same, where whoever uses this machine says what of it is asked.
    pub fn here() -> Self {
        Self { loopback: LoopbackReach::Free, ..Self::default() }
    }
}

impl Client {
    pub fn new(settings: &ClientSettings) -> Self {
        let listed = settings.listed.iter().map(String::as_str);
        let reach = Reach::new(listed, settings.loopback);
        let secure = builder(settings, reach.clone());
        let secure = authorities(settings)
            .and_then(|added| secure.https_only(true).tls_certs_merge(added).build())
            .map_err(|error| words(&error));
        let here = reach.clone().here();
        let plain = builder(settings, here.clone()).tls_certs_only([]).build();
        Self { reach, here, secure, plain: plain.map_err(|error| words(&error)) }
    }

    /// Reads a document of at most so many bytes.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
        let headers = &[("accept", "application/json")];
        let answer = self.ask(url, Ask { headers, ..Ask::default() }).await?;
        if answer.status() != StatusCode::OK.as_u16() {
            return Err(FetchError::Status(answer.status()));
        }
        answer.body(limit).await
    }

    /// Asks anything. Every status is an answer, and the time that is left also bounds its body.
    pub async fn ask(&self, url: &Url, ask: Ask<'_>) -> Result<Answer, FetchError> {
        let (client, reach) = match url.scheme() {
            "https" => (&self.secure, &self.reach),
            "http" if is_loopback(url) => (&self.plain, &self.here),
            _ => return Err(FetchError::Insecure),
        };
        let client = client.as_ref().map_err(|error| FetchError::NoClient(error.clone()))?;
        // The resolver never sees a host that is already an address.
        if let Some(host @ (Host::Ipv4(_) | Host::Ipv6(_))) = url.host() {
            let port = url.port_or_known_default().unwrap_or_default();
            reach.resolve(&host, port).await.map_err(FetchError::Unreachable)?;
        }
        let request = ask.request(client, url);
        request.send().await.map(Answer).map_err(|error| FetchError::of(&error))
    }
}

impl Ask<'_> {
    fn request(self, client: &reqwest::Client, url: &Url) -> RequestBuilder {
        let mut request = match self.method {
            Method::Get => client.get(url.clone()),
            Method::Post => client.post(url.clone()),
            Method::Put => client.put(url.clone()),
            Method::Delete => client.delete(url.clone()),
        };
        for (name, value) in self.headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = self.body {
            request = request.body(body);
        }
        match self.authorization {
            Some(Authorization::Basic { user, password }) => {
                request.basic_auth(user, Some(password.reveal()))
            }
            Some(Authorization::Bearer(token)) => request.bearer_auth(token.reveal()),
            None => request,
        }
    }
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.0.status().as_u16()
    }

    /// The first header of that name, where it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.0.headers().get(name)?.to_str().ok()
    }

    /// The next part of the body; none: that was all.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, FetchError> {
        self.0.chunk().await.map_err(|error| FetchError::of(&error))
    }

    /// The whole body, if it has at most so many bytes.
    pub async fn body(mut self, limit: usize) -> Result<Vec<u8>, FetchError> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if body.len() + chunk.len() > limit {
                return Err(FetchError::TooLong { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// Whether the host of the URL is this machine as it is written.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn builder(settings: &ClientSettings, reach: Reach) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .dns_resolver(JudgedNames(reach))
        .connect_timeout(settings.connect_timeout)
        .timeout(settings.timeout)
        .pool_idle_timeout(Duration::from_secs(20))
        .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")))
}

fn authorities(settings: &ClientSettings) -> Result<Vec<Certificate>, reqwest::Error> {
    settings.authorities.iter().map(|der| Certificate::from_der(der)).collect()
}

/// Looks names up and hands out only addresses that may be reached.
struct JudgedNames(Reach);

impl Resolve for JudgedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.0.clone();
        Box::pin(async move {
            let addresses = reach.resolve(&Host::Domain(name.as_str()), 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

impl FetchError {
    fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Timeout;
        }
        let mut cause = error.source();
        while let Some(inner) = cause {
            if let Some(unreachable) = inner.downcast_ref::<Unreachable>() {
                return Self::Unreachable(unreachable.clone());
            }
            cause = inner.source();
        }
        Self::Connection(words(error))
    }
}

/// The innermost cause says what happened; the layers round it say only that something did.
fn words(error: &reqwest::Error) -> String {
    let mut inner: &dyn Error = error;
    while let Some(cause) = inner.source() {
        inner = cause;
    }
    inner.to_string()
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAUrl => f.write_str("it is not a URL"),
            Self::Insecure => f.write_str("it is neither https, nor http to this machine"),
            Self::Unreachable(why) => why.fmt(f),
            Self::NoClient(why) => write!(f, "no secure connection can be made here: {why}"),
            Self::Timeout => f.write_str("it did not answer in time"),
            Self::Connection(why) => write!(f, "the connection failed: {why}"),
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::TooLong { limit } => write!(f, "its answer is longer than {limit} bytes"),
        }
    }
}

impl Error for FetchError {}
