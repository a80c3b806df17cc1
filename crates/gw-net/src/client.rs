//! The one way to ask an identity provider for a document: short, bounded, and to judged addresses.
//!
//! No redirect is followed and no proxy of the environment is used: either would lead elsewhere than
//! where the declaration says.

#[cfg(test)]
mod tests;

use std::{error::Error, fmt, time::Duration};

use reqwest::{
    Certificate, StatusCode,
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
    /// A machine without any authority has none; then only `http` on loopback works.
    secure: Result<reqwest::Client, String>,
    loopback: Result<reqwest::Client, String>,
}

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

impl Client {
    pub fn new(settings: &ClientSettings) -> Self {
        let listed = settings.listed.iter().map(String::as_str);
        let reach = Reach::new(listed, settings.loopback);
        let secure = builder(settings, reach.clone());
        let secure = authorities(settings)
            .and_then(|added| secure.https_only(true).tls_certs_merge(added).build())
            .map_err(|error| words(&error));
        let loopback = builder(settings, Reach::loopback_only()).tls_certs_only([]).build();
        Self { reach, secure, loopback: loopback.map_err(|error| words(&error)) }
    }

    /// Reads a document of at most so many bytes.
    pub async fn get(&self, url: &Url, limit: usize) -> Result<Vec<u8>, FetchError> {
        let (client, reach) = match url.scheme() {
            "https" => (&self.secure, &self.reach),
            "http" if is_loopback(url) => (&self.loopback, &Reach::loopback_only()),
            _ => return Err(FetchError::Insecure),
        };
        let client = client.as_ref().map_err(|error| FetchError::NoClient(error.clone()))?;
        // The resolver never sees a host that is already an address.
        if let Some(host @ (Host::Ipv4(_) | Host::Ipv6(_))) = url.host() {
            let port = url.port_or_known_default().unwrap_or_default();
            reach.resolve(&host, port).await.map_err(FetchError::Unreachable)?;
        }
        let request = client.get(url.clone()).header("accept", "application/json");
        let mut response = request.send().await.map_err(|error| FetchError::of(&error))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::of(&error))? {
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
