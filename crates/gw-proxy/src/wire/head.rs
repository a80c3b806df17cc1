//! The head of a request, in the one form that routing, policy and upstream all see.

use std::{
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
};

use gw_model::header;
use http::{
    HeaderMap, Method, Uri, Version,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, HeaderName, HeaderValue,
        ORIGIN, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    uri::PathAndQuery,
};
use rustls_pki_types::CertificateDer;

use crate::pace::Watch;

#[derive(Debug)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    target: Uri,
    /// Lower case, with the port if the caller gave one.
    pub(crate) host: String,
    pub(crate) headers: HeaderMap,
    pub(crate) length: Length,
    pub(crate) peer: Rc<Peer>,
}

/// How long the body is, as far as the head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Length {
    Empty,
    Known(u64),
    Chunked,
}

/// Who is at the other end of the connection.
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) scheme: Scheme,
    /// The client certificate and what came with it; only possession of its key is proved.
    pub(crate) certificates: Option<Arc<[CertificateDer<'static>]>>,
    pub(crate) watch: Rc<Watch>,
    /// Its address as backends are told it.
    told: HeaderValue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Scheme {
    Http,
    Https,
}

/// Why a request has no single meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    NoHost,
    SeveralHosts,
    HostForm,
    HostMismatch,
    TargetForm,
    MethodForm,
    Underscore,
    Framing,
    ConnectionNamesIdentity,
    ConnectionForm,
    ForwardedFor,
    Body,
}

impl Peer {
    pub(crate) fn new(
        address: SocketAddr,
        scheme: Scheme,
        certificates: Option<Arc<[CertificateDer<'static>]>>,
        watch: Rc<Watch>,
    ) -> Self {
        let told = address_value(address.ip().to_canonical());
        Self { address, scheme, certificates, watch, told }
    }

    /// A caller's address for backends: this peer's own is not written anew for each call.
    pub(crate) fn tell(&self, client: IpAddr) -> HeaderValue {
        if client == self.address.ip().to_canonical() {
            self.told.clone()
        } else {
            address_value(client)
        }
    }
}

fn address_value(address: IpAddr) -> HeaderValue {
    // An address is made of digits, letters, points and colons.
    HeaderValue::try_from(address.to_string()).unwrap_or(HeaderValue::from_static("unknown"))
}

impl Scheme {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Malformed {
    /// For the caller: what is wrong with it.
    pub(crate) const fn why(self) -> &'static str {
        match self {
            Self::NoHost => "the request has no Host header",
            Self::SeveralHosts => "the request has more than one Host header",
            Self::HostForm => "the Host header is not a host name or address",
            Self::HostMismatch => "the Host header and the request target name different hosts",
            Self::TargetForm => "the request target does not begin with `/`",
            Self::MethodForm => "the method is not one that this gateway forwards",
            Self::Underscore => "a header name contains `_`",
            Self::Framing => "the length of the body is not clear",
            Self::ConnectionNamesIdentity => "the Connection header names a header it may not drop",
            Self::ForwardedFor => "the X-Forwarded-For header of the proxy in front has no address",
            Self::Body => "the body breaks off or is not well formed",
            Self::ConnectionForm => "the Connection header is not a list of header names",
        }
    }
}

impl RequestHead {
    pub(crate) fn parse(
        method: Method,
        target: Uri,
        version: Version,
        mut headers: HeaderMap,
        peer: Rc<Peer>,
    ) -> Result<Self, Malformed> {
        if version != Version::HTTP_11 && version != Version::HTTP_10 {
            return Err(Malformed::Framing);
        }
        if method == Method::CONNECT {
            return Err(Malformed::MethodForm);
        }
        if headers.keys().any(|name| name.as_str().contains('_')) {
            return Err(Malformed::Underscore);
        }
        let host = parse_host(&target, &headers, peer.scheme)?;
        if !target.path().starts_with('/') {
            return Err(Malformed::TargetForm);
        }
        let length = parse_length(&headers)?;
        drop_connection_headers(&mut headers)?;
        Ok(Self { method, target, host, headers, length, peer })
    }

    /// The target as it came, for whoever needs it just so.
    pub(crate) fn path_and_query(&self) -> Option<&PathAndQuery> {
        self.target.path_and_query()
    }

    /// Begins with `/`; normal form is the router's business.
    pub(crate) fn path(&self) -> &str {
        self.target.path()
    }

    pub(crate) fn query(&self) -> Option<&str> {
        self.target.query()
    }
}

fn parse_host(target: &Uri, headers: &HeaderMap, scheme: Scheme) -> Result<String, Malformed> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().ok_or(Malformed::NoHost)?;
    if hosts.next().is_some() {
        return Err(Malformed::SeveralHosts);
    }
    let host = host.to_str().map_err(|_| Malformed::HostForm)?.to_ascii_lowercase();
    if !is_authority(&host) {
        return Err(Malformed::HostForm);
    }
    if let Some(authority) = target.authority() {
        let same = authority.as_str().eq_ignore_ascii_case(&host);
        let scheme_fits = target.scheme_str() == Some(scheme.as_str());
        if !same || !scheme_fits {
            return Err(Malformed::HostMismatch);
        }
    }
    Ok(host)
}

/// `name`, `name:port`, `1.2.3.4`, `[::1]:port`; no user, no list, nothing else.
fn is_authority(text: &str) -> bool {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inside, after)) => {
                if inside.parse::<std::net::Ipv6Addr>().is_err() {
                    return false;
                }
                match after.strip_prefix(':') {
                    Some(port) => ("v6", Some(port)),
                    None if after.is_empty() => ("v6", None),
                    None => return false,
                }
            }
            None => return false,
        },
        None => match text.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (text, None),
        },
    };
    let inside = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let port_holds = port.is_none_or(|port| !port.starts_with('+') && port.parse::<u16>().is_ok());
    (1..=253).contains(&name.len()) && name.bytes().all(inside) && port_holds
}

fn parse_length(headers: &HeaderMap) -> Result<Length, Malformed> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let (length, coding) = (lengths.next(), codings.next());
    if lengths.next().is_some() || codings.next().is_some() {
        return Err(Malformed::Framing);
    }
    match (length, coding) {
        (None, None) => Ok(Length::Empty),
        (None, Some(coding)) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Ok(Length::Chunked)
        }
        (Some(length), None) => {
            let text = length.to_str().map_err(|_| Malformed::Framing)?;
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let count = text.parse().ok().filter(|_| digits).ok_or(Malformed::Framing)?;
            Ok(if count == 0 { Length::Empty } else { Length::Known(count) })
        }
        (None | Some(_), Some(_)) => Err(Malformed::Framing),
    }
}

/// Takes away what was meant for this hop only. A caller that asks to drop a header which says who
/// calls is up to something.
fn drop_connection_headers(headers: &mut HeaderMap) -> Result<(), Malformed> {
    // Without `Upgrade` the connection stays one that every message of is decided about.
    const HOP: [HeaderName; 6] =
        [CONNECTION, EXPECT, HeaderName::from_static("keep-alive"), TE, TRAILER, UPGRADE];
    let mut named = vec![];
    for line in headers.get_all(CONNECTION) {
        let line = line.to_str().map_err(|_| Malformed::ConnectionForm)?;
        for word in line.split(',').map(str::trim).filter(|word| !word.is_empty()) {
            let name = HeaderName::try_from(word).map_err(|_| Malformed::ConnectionForm)?;
            named.push(name);
        }
    }
    for name in named {
        let kept = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, AUTHORIZATION, COOKIE, ORIGIN];
        if kept.contains(&name) || header::is_identity(name.as_str()) {
            return Err(Malformed::ConnectionNamesIdentity);
        }
        headers.remove(name);
    }
    for name in HOP {
        headers.remove(name);
    }
    drop_proxy_headers(headers);
    Ok(())
}

/// Takes away what was meant for a proxy on the way, whoever sent it.
pub(crate) fn drop_proxy_headers(headers: &mut HeaderMap) {
    let of_proxy = headers.keys().filter(|name| header::is_proxy(name.as_str()));
    let of_proxy: Vec<_> = of_proxy.cloned().collect();
    for name in of_proxy {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
