//! The thread beside those that serve calls: it takes new generations, reads secrets again, and
//! answers on the admin addresses.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gw_model::secret::SecretStores;
use gw_policy::{
    gateway::Refused,
    generation::{Expected, Generation, PublicKey},
};
use rustls::ClientConfig;
use tokio::{sync::watch, time::interval};

use crate::{phase::Phase, serving::Serving, shared::Shared, upstream::tls::Trust};

#[derive(Debug)]
pub(crate) struct Steward {
    pub(crate) shared: Arc<Shared>,
    pub(crate) folder: PathBuf,
    pub(crate) key: PublicKey,
    pub(crate) stores: Arc<dyn SecretStores>,
    pub(crate) trust: Trust,
    pub(crate) anonymous: Arc<ClientConfig>,
    /// What `current` last said, so that one refusal is counted once.
    pub(crate) seen: Option<String>,
}

/// How often it is asked whether the last call of a former generation has ended.
const RELEASE: Duration = Duration::from_millis(100);

/// The file in the target's folder that names the generation in force.
const CURRENT: &str = "current";
const GENERATIONS: &str = "generations";
/// The highest number ever served here; a lower one is somebody's old copy.
const LAST_SERVED: &str = "last-served";

impl Steward {
    /// Works until told to stop.
    pub(crate) async fn work(mut self, mut phase: watch::Receiver<Phase>) {
        let bounds = &self.shared.bounds;
        let (mut look, mut refresh) = (interval(bounds.look), interval(bounds.secrets_refresh));
        loop {
            tokio::select! {
                _tick = look.tick() => self.look().await,
                _tick = refresh.tick() => self.refresh().await,
                _asked = phase.wait_for(|phase| *phase >= Phase::End) => return,
            }
        }
    }

    /// Takes the generation that `current` names, if it is another one than before.
    pub(crate) async fn look(&mut self) {
        let said = match fs::read_to_string(self.folder.join(CURRENT)) {
            Ok(text) => text.trim().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => format!("unreadable: {}", error.kind()),
        };
        if self.seen.as_ref() == Some(&said) {
            return;
        }
        self.seen = Some(said.clone());
        let number = said.parse().ok();
        match self.take(number).await {
            Ok(serving) => self.swap(serving),
            Err(because) => {
                self.shared.metrics.not_loaded.add(1);
                *self.shared.refused.lock() = Some(Refused { number, because });
            }
        }
    }

    async fn take(&self, number: Option<u64>) -> Result<Serving, String> {
        let number = number.ok_or("the file `current` holds no number")?;
        let path = self.folder.join(GENERATIONS).join(format!("{number:012}.json"));
        let file = fs::read(&path)
            .map_err(|error| format!("generation {number} cannot be read: {}", error.kind()))?;
        let expected = Expected {
            workspace_id: &self.shared.workspace,
            environment: &self.shared.environment,
            target: &self.shared.target,
            last_seen: self.last_served()?,
        };
        let generation =
            Generation::open(&file, &self.key, &expected).map_err(|refusal| refusal.to_string())?;
        if generation.number != number {
            return Err(format!("the file of generation {number} holds another one"));
        }
        let open =
            |desired: &gw_model::desired::Desired| self.stores.open(desired.spec.secrets.as_ref());
        let serving = Serving::compile(generation, &open, &self.anonymous)
            .map_err(|refusal| refusal.to_string())?;
        serving.refresh(&self.trust).await;
        self.remember(number)?;
        Ok(serving)
    }

    fn swap(&self, serving: Serving) {
        let number = serving.generation.number;
        self.shared.issuers.set(serving.issuers.iter().map(|issuer| issuer.url()));
        let serving = Arc::new(serving);
        let before = self.shared.current.swap(Some(Arc::clone(&serving)));
        *self.shared.refused.lock() = None;
        self.shared.metrics.loaded.add(1);
        self.shared.metrics.generation.set(number);
        let apis = serving.snapshot.apis().iter().map(|api| api.name.as_str());
        let apis: std::collections::BTreeSet<_> = apis.collect();
        self.shared.metrics.keep(|name| apis.contains(name));
        if let Some(before) = before {
            free_later(before);
        }
    }

    async fn refresh(&self) {
        let serving = self.shared.current.load_full();
        if let Some(serving) = serving {
            serving.refresh(&self.trust).await;
        }
        let now = self.shared.clock.now().unix_timestamp_nanos() / 1_000_000;
        self.shared.counters.sweep(u64::try_from(now).unwrap_or_default());
    }

    fn last_served(&self) -> Result<Option<u64>, String> {
        match fs::read_to_string(self.folder.join(LAST_SERVED)) {
            Ok(text) => {
                let number = text.trim().parse().map_err(|_| {
                    format!("the file `{LAST_SERVED}` holds no number, so age cannot be judged")
                })?;
                Ok(Some(number))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("the file `{LAST_SERVED}` cannot be read: {}", error.kind())),
        }
    }

    fn remember(&self, number: u64) -> Result<(), String> {
        write_whole(&self.folder, LAST_SERVED, number.to_string().as_bytes()).map_err(|error| {
            format!("the file `{LAST_SERVED}` cannot be written: {}", error.kind())
        })
    }
}

/// Writes a file so that a reader finds the old bytes or the new ones, never a part.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!("{name}.new"));
    fs::write(&beside, bytes)?;
    fs::File::open(&beside)?.sync_all()?;
    fs::rename(&beside, folder.join(name))
}

/// A large snapshot takes long to free, and the last holder frees it. Calls hold it for a moment
/// only; here it is held until they have let go.
fn free_later(before: Arc<Serving>) {
    tokio::spawn(async move {
        while Arc::strong_count(&before) > 1 {
            tokio::time::sleep(RELEASE).await;
        }
    });
}
