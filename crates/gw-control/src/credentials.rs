//! The credentials by which a server does its work, each with who answers for it, where it comes from, when
//! it ends and when it was used last. No value is ever held here.

use std::{collections::BTreeMap, fmt, sync::Arc};

use gw_model::{
    clock::Clock,
    id::SecretName,
    secret::{SecretFuture, SecretRefusal, SecretStore},
};
use parking_lot::Mutex;
use time::{Date, OffsetDateTime};

/// One credential, as the settings name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    pub name: SecretName,
    /// What it opens, or proves.
    pub purpose: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Where its value lies.
    pub source: String,
    /// The day that ends it.
    pub expires: Option<Date>,
}

/// Those of a server.
#[derive(Default)]
pub struct Credentials {
    all: Vec<Credential>,
    store: Option<Arc<dyn SecretStore>>,
    uses: Arc<Uses>,
}

/// When each was used last, since this process began.
#[derive(Debug, Default)]
pub struct Uses(Mutex<BTreeMap<SecretName, OffsetDateTime>>);

/// A store of which it is known what is used.
pub struct Watched {
    store: Arc<dyn SecretStore>,
    uses: Arc<Uses>,
    clock: Arc<dyn Clock>,
}

impl Credentials {
    /// Whoever uses one of them reads it by [`Watched`] with the same `uses`; `store` is for looking.
    pub fn new(all: Vec<Credential>, store: Arc<dyn SecretStore>, uses: Arc<Uses>) -> Self {
        Self { all, store: Some(store), uses }
    }

    pub fn all(&self) -> &[Credential] {
        &self.all
    }

    pub fn uses(&self) -> &Uses {
        &self.uses
    }

    /// Whether it can be read now. Looking is no use of it.
    pub async fn look(&self, name: &SecretName) -> Result<(), SecretRefusal> {
        match &self.store {
            Some(store) => store.read(name).await.map(drop),
            None => {
                let why = "the settings name no store".to_owned();
                Err(SecretRefusal::NoStore { name: name.clone(), why })
            }
        }
    }
}

impl Uses {
    pub fn note(&self, name: &SecretName, at: OffsetDateTime) {
        self.0.lock().insert(name.clone(), at);
    }

    pub fn last(&self, name: &SecretName) -> Option<OffsetDateTime> {
        self.0.lock().get(name).copied()
    }
}

impl Watched {
    pub fn new(store: Arc<dyn SecretStore>, uses: Arc<Uses>, clock: Arc<dyn Clock>) -> Self {
        Self { store, uses, clock }
    }
}

impl SecretStore for Watched {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        Box::pin(async move {
            let secret = self.store.read(name).await?;
            self.used(name);
            Ok(secret)
        })
    }

    fn used(&self, name: &SecretName) {
        self.uses.note(name, self.clock.now());
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("all", &self.all).finish_non_exhaustive()
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("store", &self.store).finish_non_exhaustive()
    }
}
