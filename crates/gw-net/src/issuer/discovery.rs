//! Where an issuer keeps its keys, by its own document (OpenID Connect Discovery, RFC 8414).

use std::fmt;

use serde::Deserialize;
use url::Url;

use crate::client::{Client, FetchError, is_loopback};

const DOCUMENT_BYTES: usize = 128 * 1024;
const KEYS_BYTES: usize = 256 * 1024;

/// Why keys were not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The issuer itself is not a URL that a document can lie under.
    Issuer,
    Document(FetchError),
    /// No document lies at any of the places.
    NoDocument,
    DocumentUnreadable,
    /// The document is that of another issuer.
    OtherIssuer,
    /// The place of the keys is no URL, or not as safe as the issuer's own.
    KeysUrl,
    KeysUnread(FetchError),
    /// The keys are not what they should be, in the words of whoever reads them.
    Keys(String),
}

/// What is used of the document. Everything else in it is the issuer's opinion.
#[derive(Debug)]
pub(super) struct Discovered {
    keys: Url,
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

pub(super) async fn discover(issuer: &str, client: &Client) -> Result<Discovered, ReadError> {
    let url = parse(issuer).ok_or(ReadError::Issuer)?;
    for place in places(&url) {
        match client.get(&place, DOCUMENT_BYTES).await {
            Ok(bytes) => return Discovered::of(issuer, &url, &bytes),
            // Not this form of address; the next one may be.
            Err(FetchError::Status(400..=499)) => {}
            Err(error) => return Err(ReadError::Document(error)),
        }
    }
    Err(ReadError::NoDocument)
}

impl Discovered {
    fn of(issuer: &str, url: &Url, bytes: &[u8]) -> Result<Self, ReadError> {
        let document: Document =
            serde_json::from_slice(bytes).map_err(|_| ReadError::DocumentUnreadable)?;
        if document.issuer != issuer {
            return Err(ReadError::OtherIssuer);
        }
        let keys = Url::parse(&document.jwks_uri).map_err(|_| ReadError::KeysUrl)?;
        let local = url.scheme() == "http" && keys.scheme() == "http" && is_loopback(&keys);
        if keys.scheme() == "https" || local { Ok(Self { keys }) } else { Err(ReadError::KeysUrl) }
    }

    pub(super) async fn keys(&self, client: &Client) -> Result<Vec<u8>, ReadError> {
        client.get(&self.keys, KEYS_BYTES).await.map_err(ReadError::KeysUnread)
    }
}

fn parse(issuer: &str) -> Option<Url> {
    let url = Url::parse(issuer).ok()?;
    let bare = url.query().is_none() && url.fragment().is_none();
    let anonymous = url.username().is_empty() && url.password().is_none();
    let safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(&url);
    (bare && anonymous && safe).then_some(url)
}

/// After the issuer's path (OpenID Connect), then before it (RFC 8414).
fn places(issuer: &Url) -> [Url; 2] {
    let path = issuer.path().trim_end_matches('/');
    let at = |path: &str| {
        let mut url = issuer.clone();
        url.set_path(path);
        url
    };
    [
        at(&format!("{path}/.well-known/openid-configuration")),
        at(&format!("/.well-known/oauth-authorization-server{path}")),
    ]
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer => f.write_str("the issuer is neither https, nor http on this machine"),
            Self::Document(error) => write!(f, "its document could not be read: {error}"),
            Self::NoDocument => f.write_str("it has no document under `/.well-known/`"),
            Self::DocumentUnreadable => {
                f.write_str("its document is not JSON with `issuer` and `jwks_uri`")
            }
            Self::OtherIssuer => f.write_str("its document names another `issuer`"),
            Self::KeysUrl => f.write_str("the `jwks_uri` of its document is not safe to read"),
            Self::KeysUnread(error) => write!(f, "its keys could not be read: {error}"),
            Self::Keys(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for ReadError {}
