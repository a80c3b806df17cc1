//! Secrets: everything carries the name, one type carries the value, and it cannot be printed.

use std::{fmt, pin::Pin, sync::Arc};

use crate::{environment::Secrets, id::SecretName};

/// A value that must not be seen. It has no `Display`, no `Serialize` and no comparison.
#[derive(Clone)]
pub struct Redacted<T>(T);

/// What a store holds under one name. Never empty.
#[derive(Clone, Debug)]
pub struct Secret {
    pub value: Redacted<Vec<u8>>,
    /// What the store calls this state of the secret, if it keeps versions.
    pub version: Option<String>,
    /// Unix seconds since which this value is in force, if the store knows.
    pub since: Option<i64>,
}

/// Why a store did not give a secret. The name may be told, a value never.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretRefusal {
    /// The store holds nothing under this name.
    Missing { name: SecretName },
    /// There is a value, and it is empty: never used, an empty credential is no credential.
    Empty { name: SecretName },
    /// The store holds it, and does not let this process read it.
    Denied { name: SecretName },
    /// The value is longer than any credential.
    TooLarge { name: SecretName },
    /// The store did not answer.
    Unreachable { name: SecretName, why: String },
    /// The environment names no store, or one that this build cannot read.
    NoStore { name: SecretName, why: String },
}

pub type SecretFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Secret, SecretRefusal>> + Send + 'a>>;

/// Where values come from. It is asked each time a value is needed anew; what it answers now is in
/// force now.
pub trait SecretStore: fmt::Debug + Send + Sync {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a>;

    /// Told when a value that was read before is used again.
    fn used(&self, _name: &SecretName) {}
}

/// Opens the store that an environment names. A store that cannot be opened refuses every read and
/// says why, so that one missing store stops only what needs it.
pub trait SecretStores: fmt::Debug + Send + Sync {
    fn open(&self, declared: Option<&Secrets>) -> Arc<dyn SecretStore>;
}

impl<T> Redacted<T> {
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself. Whoever calls this answers for where it goes.
    pub fn reveal(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Redacted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SecretRefusal {
    pub const fn name(&self) -> &SecretName {
        match self {
            Self::Missing { name }
            | Self::Empty { name }
            | Self::Denied { name }
            | Self::TooLarge { name }
            | Self::Unreachable { name, .. }
            | Self::NoStore { name, .. } => name,
        }
    }
}

impl fmt::Display for SecretRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { name } => write!(f, "the secret store holds no `{name}`"),
            Self::Empty { name } => write!(f, "the secret `{name}` is empty"),
            Self::Denied { name } => write!(f, "the secret `{name}` may not be read"),
            Self::TooLarge { name } => write!(f, "the secret `{name}` is longer than 64 KiB"),
            Self::Unreachable { name, why } => {
                write!(f, "the store of secret `{name}` does not answer: {why}")
            }
            Self::NoStore { name, why } => write!(f, "the secret `{name}` has no store: {why}"),
        }
    }
}

impl std::error::Error for SecretRefusal {}
