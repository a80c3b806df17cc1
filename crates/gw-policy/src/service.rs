//! What serving an API takes beyond deciding, read without any connection: a driver reads it before
//! it writes, so a gateway is never given what it would refuse.

use std::fmt;

use gw_model::{
    api::{Cors, HeaderEdits, Headers, Upstream, UpstreamAuth, Validate},
    header,
    id::SecretName,
    scalar::Method,
};
use http::header::{HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

/// One API, ready to be served.
#[derive(Clone, Debug)]
pub struct Service {
    pub origin: Origin,
    pub auth: Option<Auth>,
    pub cors: Option<CorsHeaders>,
    pub request: Edits,
    pub response: Edits,
    pub assertion_header: Option<HeaderName>,
}

/// Where the upstream is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    pub protocol: Protocol,
    pub host: Host<String>,
    pub port: u16,
    /// The `Host` that it sees.
    pub authority: HeaderValue,
    /// In front of every path, without `/` at its end.
    pub base: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Https,
}

/// What the gateway proves itself with, by the name of the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    Header { name: HeaderName, prefix: String, secret: SecretName },
    Basic { username: String, secret: SecretName },
    Certificate { secret: SecretName },
}

/// What a preflight is told, written out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsHeaders {
    pub methods: HeaderValue,
    pub headers: Option<HeaderValue>,
}

/// Headers that are set and removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    set: Vec<(HeaderName, HeaderValue)>,
    remove: Vec<HeaderName>,
}

/// Why an API cannot be served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceFault {
    Url,
    Auth(&'static str),
    HeaderName(String),
    HeaderValue(String),
    ReservedHeader(String),
    Validate,
    Cors(String),
}

impl Service {
    pub fn parse(
        upstream: &Upstream,
        headers: &Headers,
        cors: Option<&Cors>,
        validate: Validate,
    ) -> Result<Self, ServiceFault> {
        let Upstream { url, timeout: _, auth, assertion, health: _, pass_authorization: _ } =
            upstream;
        if validate != Validate::Off {
            return Err(ServiceFault::Validate);
        }
        let Headers { request, response } = headers;
        let assertion_header = assertion
            .as_ref()
            .map(|assertion| free_name(&assertion.header, header::is_reserved_for_assertion));
        Ok(Self {
            origin: Origin::parse(url).ok_or(ServiceFault::Url)?,
            auth: auth.as_ref().map(Auth::parse).transpose()?,
            cors: cors.map(CorsHeaders::parse).transpose()?,
            request: Edits::parse(request)?,
            response: Edits::parse(response)?,
            assertion_header: assertion_header.transpose()?,
        })
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        let protocol = match url.scheme() {
            "http" => Protocol::Http,
            "https" => Protocol::Https,
            _ => return None,
        };
        let bare = url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        let host = url.host().filter(|_| bare)?.to_owned();
        let authority = match url.port() {
            None => host.to_string(),
            Some(port) => format!("{host}:{port}"),
        };
        Some(Self {
            protocol,
            host,
            port: url.port_or_known_default()?,
            authority: HeaderValue::try_from(authority).ok()?,
            base: url.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl Auth {
    fn parse(declared: &UpstreamAuth) -> Result<Self, ServiceFault> {
        match declared.clone() {
            UpstreamAuth::Header { name, prefix, secret } => {
                Ok(Self::Header { name: free_name(&name, header::is_reserved)?, prefix, secret })
            }
            UpstreamAuth::Basic { username, secret } => Ok(Self::Basic { username, secret }),
            UpstreamAuth::ClientCertificate { secret } => Ok(Self::Certificate { secret }),
            UpstreamAuth::ManagedIdentity { .. } => Err(ServiceFault::Auth("managedIdentity")),
            UpstreamAuth::ClientCredentials { .. } => Err(ServiceFault::Auth("clientCredentials")),
        }
    }

    pub const fn secret(&self) -> &SecretName {
        match self {
            Self::Header { secret, .. }
            | Self::Basic { secret, .. }
            | Self::Certificate { secret } => secret,
        }
    }
}

impl CorsHeaders {
    fn parse(declared: &Cors) -> Result<Self, ServiceFault> {
        let Cors { origins, methods, headers, credentials, max_age: _ } = declared;
        if *credentials && origins.iter().any(|origin| origin == "*") {
            return Err(ServiceFault::Cors("* together with credentials".to_owned()));
        }
        let line = |text: String| {
            HeaderValue::try_from(text.as_str()).map_err(|_| ServiceFault::Cors(text))
        };
        let methods = if methods.is_empty() { &Method::ALL[..] } else { methods };
        let methods: Vec<_> = methods.iter().map(|method| method.as_str()).collect();
        let headers = (!headers.is_empty()).then(|| headers.join(", "));
        Ok(Self { methods: line(methods.join(", "))?, headers: headers.map(line).transpose()? })
    }
}

impl Edits {
    fn parse(declared: &HeaderEdits) -> Result<Self, ServiceFault> {
        let mut edits = Self::default();
        for (name, value) in &declared.set {
            let parsed = HeaderValue::try_from(value.as_str());
            let parsed = parsed.map_err(|_| ServiceFault::HeaderValue(name.clone()))?;
            edits.set.push((free_name(name, header::is_reserved)?, parsed));
        }
        for name in &declared.remove {
            edits.remove.push(free_name(name, header::is_reserved)?);
        }
        Ok(edits)
    }

    pub fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
    }
}

fn parse_name(text: &str) -> Result<HeaderName, ServiceFault> {
    HeaderName::try_from(text).map_err(|_| ServiceFault::HeaderName(text.to_owned()))
}

/// A name that declarations may choose: not one that says who calls or where a body ends.
fn free_name(text: &str, is_reserved: fn(&str) -> bool) -> Result<HeaderName, ServiceFault> {
    let name = parse_name(text)?;
    if is_reserved(text) { Err(ServiceFault::ReservedHeader(text.to_owned())) } else { Ok(name) }
}

impl fmt::Display for ServiceFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url => f.write_str("the upstream is not a URL of http or https with a host"),
            Self::Auth(what) => write!(f, "`upstream.auth`: {what} is not available here"),
            Self::HeaderName(name) => write!(f, "`{name}` is not the name of a header"),
            Self::HeaderValue(name) => write!(f, "the value of header `{name}` cannot be sent"),
            Self::ReservedHeader(name) => write!(f, "only the gateway itself sets `{name}`"),
            Self::Validate => f.write_str("`validate` is not available here"),
            Self::Cors(text) => write!(f, "`cors`: {text} cannot be answered"),
        }
    }
}

impl std::error::Error for ServiceFault {}

#[cfg(test)]
mod tests;
