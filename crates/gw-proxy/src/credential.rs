//! What the gateway proves itself with towards an upstream, kept ready for the hot path.
//!
//! Secrets are read here, off the threads that serve calls, and again every few seconds, so that a
//! new value is in force soon. A secret that is gone stops its calls; it never becomes an empty value.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use arc_swap::ArcSwap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use gw_model::{
    id::SecretName,
    secret::{Redacted, SecretRefusal, SecretStore},
};
use gw_net::tls::TlsRefusal;
use gw_policy::service::Auth;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use parking_lot::Mutex;

use crate::upstream::{Access, Place, tls::Trust};

/// How one API reaches its upstream at this moment.
#[derive(Debug)]
pub(crate) struct Way {
    auth: Option<Auth>,
    /// As nobody: what every credential is put on.
    open: Access,
    held: ArcSwap<Result<Ready, NotReady>>,
    /// The value that `held` was made of, to notice a new one.
    made_of: Mutex<Option<Redacted<Vec<u8>>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Ready {
    pub(crate) access: Access,
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
}

/// Why no call can be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotReady {
    Secret(SecretRefusal),
    /// The value may not stand in a header: the name of the secret.
    NotAHeader(SecretName),
    Certificate(SecretName, TlsRefusal),
}

/// Connections of different credentials are never mixed up: each value has a number of its own.
static CREDENTIALS: AtomicU64 = AtomicU64::new(1);

impl Way {
    pub(crate) fn new(open: Access, auth: Option<Auth>) -> Self {
        let held = match &auth {
            None => Ok(Ready { access: open.clone(), header: None }),
            Some(auth) => {
                let (name, why) = (auth.secret().clone(), "it was not read yet".to_owned());
                Err(NotReady::Secret(SecretRefusal::Unreachable { name, why }))
            }
        };
        Self { auth, open, held: ArcSwap::from_pointee(held), made_of: Mutex::new(None) }
    }

    pub(crate) fn now(&self) -> Arc<Result<Ready, NotReady>> {
        self.held.load_full()
    }

    /// Reads the secret again. What cannot be reached keeps its last value; what is gone is gone.
    pub(crate) async fn refresh(&self, store: &dyn SecretStore, trust: &Trust) {
        let Some(auth) = &self.auth else { return };
        let next = match store.read(auth.secret()).await {
            Ok(secret) => {
                let same = |old: &Redacted<Vec<u8>>| old.reveal() == secret.value.reveal();
                if self.made_of.lock().as_ref().is_some_and(same) {
                    return;
                }
                let next = Ready::make(auth, &self.open, secret.value.reveal(), trust);
                *self.made_of.lock() = next.is_ok().then_some(secret.value);
                next
            }
            Err(SecretRefusal::Unreachable { .. }) if self.made_of.lock().is_some() => return,
            Err(refusal) => {
                *self.made_of.lock() = None;
                Err(NotReady::Secret(refusal))
            }
        };
        self.held.store(Arc::new(next));
    }
}

impl Ready {
    fn make(auth: &Auth, open: &Access, value: &[u8], trust: &Trust) -> Result<Self, NotReady> {
        let place =
            Place { credential: CREDENTIALS.fetch_add(1, Relaxed), ..(*open.place).clone() };
        let mut access = Access { place: Arc::new(place), ..open.clone() };
        let header = match auth {
            Auth::Header { name, prefix, secret } => {
                Some((name.clone(), sensitive(&[prefix.as_bytes(), value].concat(), secret)?))
            }
            Auth::Basic { username, secret } => {
                let pair = [username.as_bytes(), b":", value].concat();
                let text = format!("Basic {}", STANDARD.encode(pair));
                Some((AUTHORIZATION, sensitive(text.as_bytes(), secret)?))
            }
            Auth::Certificate { secret } => {
                let refuse = |refusal| NotReady::Certificate(secret.clone(), refusal);
                access.tls = trust.holding(value).map_err(refuse)?;
                None
            }
        };
        Ok(Self { access, header })
    }
}

fn sensitive(bytes: &[u8], secret: &SecretName) -> Result<HeaderValue, NotReady> {
    let value = HeaderValue::from_bytes(bytes);
    let mut value = value.map_err(|_| NotReady::NotAHeader(secret.clone()))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(refusal) => refusal.fmt(f),
            Self::NotAHeader(name) => {
                write!(
                    f,
                    "the secret `{name}` has a line break or another byte that no header may have"
                )
            }
            Self::Certificate(name, refusal) => write!(f, "the secret `{name}`: {refusal}"),
        }
    }
}
