//! The credentials by which a server does its work, each with who answers for it, where it comes from, when
//! it ends and when it was used last. No value is ever held here.

mod rules;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, sync::Arc};

use gw_model::{
    clock::Clock,
    desired::Desired,
    id::SecretName,
    secret::{Secret, SecretFuture, SecretRefusal, SecretStore},
};
use parking_lot::Mutex;
use time::{Date, Duration, OffsetDateTime};

pub use self::rules::of_rules;
use crate::{
    server::Server,
    store::{Store, StoreError},
};

/// What nobody used for so long, nobody misses.
const UNUSED: Duration = Duration::days(90);
/// So long before its end it is told.
pub(crate) const SOON: Duration = Duration::days(14);

/// What is done about one that ends.
pub(crate) const REPLACE: &str = "put a new one where this one is, and its day into `expires` of the \
                                  settings, which are read when `serve` starts";

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
    /// How it gets an owner, where it has none.
    pub cure: String,
}

/// What is remembered of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Since when the settings name it.
    pub since: OffsetDateTime,
    pub last_used: Option<OffsetDateTime>,
}

/// One credential as it stands, and what is wrong with that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    pub credential: Credential,
    /// Since when its value is in force, where the store tells.
    pub since: Option<OffsetDateTime>,
    pub last_used: Option<OffsetDateTime>,
    pub warnings: Vec<String>,
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

    /// What the store holds now. Looking is no use of it.
    pub async fn look(&self, name: &SecretName) -> Result<Secret, SecretRefusal> {
        match &self.store {
            Some(store) => store.read(name).await,
            None => {
                let why = "the settings name no store".to_owned();
                Err(SecretRefusal::NoStore { name: name.clone(), why })
            }
        }
    }
}

/// Writes down what was used since the last time.
pub(crate) async fn keep(server: &Server) -> Result<(), StoreError> {
    remember(&server.shared.credentials, &server.store, server.clock.now()).await
}

async fn remember(
    credentials: &Credentials,
    store: &Store,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    let all = credentials.all.iter().map(|it| (it.name.clone(), credentials.uses.last(&it.name)));
    store.keep_credentials(&all.collect(), now).await
}

/// Each credential of a server as it stands, and those that its gateways send to backends.
pub async fn standing(
    server: &Server,
    rules: Option<&Desired>,
) -> Result<Vec<Standing>, StoreError> {
    let (credentials, now) = (&server.shared.credentials, server.clock.now());
    remember(credentials, &server.store, now).await?;
    let known = server.store.credentials().await?;
    let mut all = vec![];
    for credential in &credentials.all {
        let held = credentials.look(&credential.name).await;
        let known = known.get(&credential.name).copied();
        all.push(Standing::of(credential.clone(), Some(held), known, now));
    }
    let sent = rules.map(of_rules).unwrap_or_default();
    all.extend(sent.into_iter().map(|credential| Standing::of(credential, None, None, now)));
    Ok(all)
}

impl Standing {
    /// `held`: what its store says, where it can be asked here; `known`: when it was used, where that is
    /// seen here.
    pub fn of(
        credential: Credential,
        held: Option<Result<Secret, SecretRefusal>>,
        known: Option<Known>,
        now: OffsetDateTime,
    ) -> Self {
        let mut warnings = vec![];
        if credential.owner.is_none() {
            warnings.push(format!("nobody answers for it: {}", credential.cure));
        }
        let since = match held {
            None => None,
            Some(Ok(secret)) => {
                secret.since.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok())
            }
            Some(Err(refusal)) => {
                warnings.push(format!("{refusal}: put it there: {}", credential.source));
                None
            }
        };
        if let Some(day) = credential.expires {
            let at = day.midnight().assume_utc();
            if at <= now {
                warnings.push(format!("it ended on {day}: {REPLACE}"));
            } else if at - now <= SOON {
                warnings.push(format!("it ends on {day}: {REPLACE}"));
            }
        }
        let idle = known.map(|known| now - known.last_used.unwrap_or(known.since));
        if let Some(idle) = idle.filter(|idle| *idle >= UNUSED) {
            warnings.push(format!(
                "not used for {} days: revoke it where it came from, and take it out of the settings",
                idle.whole_days()
            ));
        }
        let last_used = known.and_then(|known| known.last_used);
        Self { credential, since, last_used, warnings }
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
