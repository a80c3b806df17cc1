//! Which addresses may be reached. A name is nothing: it is resolved, every address of the answer is
//! judged, and the connection is made to a judged address and to no other.
//!
//! Link-local addresses and those where clouds answer with credentials are never reached, whoever
//! lists them.

#[cfg(test)]
mod tests;

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use gw_model::workspace::Source;
use url::Host;

/// What an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddressClass {
    Public,
    /// A network of one's own.
    Private,
    /// This machine.
    Loopback,
    LinkLocal,
    /// A service that gives credentials to whoever asks from this machine.
    Metadata,
    /// Nothing that a connection should ever go to: unspecified, multicast, reserved.
    Unroutable,
}

/// Which addresses a kind of connection may go to, beyond public ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reach {
    listed: Vec<Pattern>,
    loopback: LoopbackReach,
    /// Of these addresses, only those of this machine.
    is_here: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoopbackReach {
    /// Only where it is listed.
    Listed,
    /// This machine is always within reach.
    Free,
}

/// Where the code lives on this machine, so may what it names.
impl From<&Source> for LoopbackReach {
    fn from(source: &Source) -> Self {
        match source {
            Source::Local {} => Self::Free,
            Source::Bitbucket { .. }
            | Source::BitbucketDataCenter { .. }
            | Source::Github { .. }
            | Source::Gitlab { .. } => Self::Listed,
        }
    }
}

/// A host name or an address with `*` for any part. One that looks like an address matches
/// addresses only: a name such as `10.0.0.example` must not pass for one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Name(String),
    Address(String),
}

/// Why a host is not reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unreachable {
    NoAddress { host: String, error: String },
    NotAllowed { host: String, address: IpAddr, class: AddressClass },
}

impl AddressClass {
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::of_v4(address),
            IpAddr::V6(address) => Self::of_v6(address),
        }
    }

    fn of_v4(address: Ipv4Addr) -> Self {
        let [a, b, c, _] = address.octets();
        match address.octets() {
            // AWS, Azure, Google and most others; Alibaba; Azure's host; Oracle.
            [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => {
                return Self::Metadata;
            }
            _ => {}
        }
        match (a, b, c) {
            (127, ..) => Self::Loopback,
            (169, 254, _) => Self::LinkLocal,
            (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => Self::Private,
            (0 | 224.., ..) | (192, 0, 0 | 2) | (192, 88, 99) => Self::Unroutable,
            (198, 18..=19, _) | (198, 51, 100) | (203, 0, 113) => Self::Unroutable,
            _ => Self::Public,
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        const AWS: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
        let [a, b, c, d, e, f, g, h] = address.segments();
        let inner = |high: u16, low: u16| {
            let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
            Self::of_v4(Ipv4Addr::new(a, b, c, d))
        };
        match (a, b) {
            _ if address.is_loopback() => Self::Loopback,
            _ if address == AWS => Self::Metadata,
            // An IPv4 address in other clothes: mapped, translated, 6to4.
            (0, 0) if (c, d, e, f) == (0, 0, 0, 0xffff) => inner(g, h),
            (0x64, 0xff9b) if (c, d, e, f) == (0, 0, 0, 0) => inner(g, h),
            (0x2002, _) => inner(b, c),
            (0x64, 0xff9b) | (0xfc00..=0xfdff | 0xfec0..=0xfeff, _) => Self::Private,
            (0xfe80..=0xfebf, _) => Self::LinkLocal,
            // Special uses within the range of public addresses, among them Teredo and examples.
            (0x2001, 0..=0x1ff | 0xdb8) | (0x3fff, 0..=0xfff) => Self::Unroutable,
            (0x2000..=0x3fff, _) => Self::Public,
            _ => Self::Unroutable,
        }
    }

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link-local",
            Self::Metadata => "a metadata service",
            Self::Unroutable => "not routable",
        }
    }
}

impl Reach {
    /// Public addresses, and those that the patterns list by name or by address.
    pub fn new<'a>(listed: impl IntoIterator<Item = &'a str>, loopback: LoopbackReach) -> Self {
        let listed = listed.into_iter().map(Pattern::new).collect();
        Self { listed, loopback, is_here: false }
    }

    /// Of this machine what may be reached, and nothing else.
    #[must_use]
    pub fn here(self) -> Self {
        Self { is_here: true, ..self }
    }

    /// Whether a connection that is meant for this host may go to this address.
    pub fn admits(&self, host: &str, address: IpAddr) -> bool {
        let listed = || self.listed.iter().any(|pattern| pattern.matches(host, address));
        match AddressClass::of(address) {
            AddressClass::Public => !self.is_here,
            AddressClass::Private => !self.is_here && listed(),
            AddressClass::Loopback => self.loopback == LoopbackReach::Free || listed(),
            AddressClass::LinkLocal | AddressClass::Metadata | AddressClass::Unroutable => false,
        }
    }

    /// Every address of the host that may be reached; connect to one of these and to no other.
    pub async fn resolve(
        &self,
        host: &Host<&str>,
        port: u16,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let found = match host {
            Host::Ipv4(address) => vec![SocketAddr::new(IpAddr::V4(*address), port)],
            Host::Ipv6(address) => vec![SocketAddr::new(IpAddr::V6(*address), port)],
            Host::Domain(name) => look_up(name, port).await?,
        };
        self.choose(&host.to_string(), found)
    }

    fn choose(
        &self,
        host: &str,
        mut found: Vec<SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let first = found.first().map(SocketAddr::ip);
        found.retain(|address| self.admits(host, address.ip()));
        let host = || host.to_owned();
        match first {
            Some(_) if !found.is_empty() => Ok(found),
            Some(address) => {
                let class = AddressClass::of(address);
                Err(Unreachable::NotAllowed { host: host(), address, class })
            }
            None => {
                let error = "it has no address".to_owned();
                Err(Unreachable::NoAddress { host: host(), error })
            }
        }
    }
}

async fn look_up(name: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
    let found: io::Result<Vec<_>> =
        tokio::net::lookup_host((name, port)).await.map(Iterator::collect);
    found
        .map_err(|error| Unreachable::NoAddress { host: name.to_owned(), error: error.to_string() })
}

impl Pattern {
    fn new(text: &str) -> Self {
        let text = text.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        let of_address = |byte: u8| byte.is_ascii_digit() || b".:*".contains(&byte);
        let of_v6 = |byte: u8| byte.is_ascii_hexdigit() || b".:*".contains(&byte);
        if text.bytes().all(of_address) || text.contains(':') && text.bytes().all(of_v6) {
            Self::Address(text)
        } else {
            Self::Name(text)
        }
    }

    fn matches(&self, host: &str, address: IpAddr) -> bool {
        match self {
            Self::Name(pattern) => fits(pattern, &host.to_ascii_lowercase()),
            Self::Address(pattern) => fits(pattern, &address.to_canonical().to_string()),
        }
    }
}

/// Whether the text fits the pattern; `*` stands for any part, also for none.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((before, pattern)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut rest) = text.strip_prefix(before) else { return false };
    let mut parts: Vec<&str> = pattern.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress { host, error } => {
                write!(f, "the address of `{host}` was not found: {error}")
            }
            Self::NotAllowed { host, address, class } => {
                let class = class.as_str();
                write!(f, "`{host}` leads to {address}, which is {class} and not allowed here")
            }
        }
    }
}

impl std::error::Error for Unreachable {}
