//! The thread beside those that serve calls: it takes new generations, reads secrets again, and
//! answers on the admin addresses.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use gw_model::secret::SecretStores;
use gw_policy::{
    gateway::Refused,
    generation::{Expected, Generation, PublicKey},
};
use rustls::ClientConfig;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Interval, MissedTickBehavior, interval},
};

use crate::{memory::Memory, phase::Phase, serving::Serving, shared::Shared, upstream::tls::Trust};

#[derive(Debug)]
pub(crate) struct Steward {
    pub(crate) shared: Arc<Shared>,
    pub(crate) folder: PathBuf,
    pub(crate) key: PublicKey,
    pub(crate) stores: Arc<dyn SecretStores>,
    pub(crate) trust: Trust,
    pub(crate) anonymous: Arc<ClientConfig>,
    pub(crate) memory: Memory,
    /// Whoever wants it to look now, and hear when it has.
    pub(crate) asked: mpsc::Receiver<oneshot::Sender<()>>,
    /// The `current` that was last taken or refused, so that each is looked at once.
    pub(crate) seen: Option<Version>,
    /// Set while that one could not be read for a reason that may pass.
    pub(crate) again: Option<Again>,
}

/// When to try once more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Again {
    at: Instant,
    wait: Duration,
}

/// Why a generation was not taken.
#[derive(Debug)]
enum NotTaken {
    /// The machine was in the way: the same file may be taken later.
    Unread(String),
    /// What it holds will never be taken.
    Unfit(String),
}

/// One version of a file that is only ever replaced, never changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Version {
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
}

/// How often it is asked whether the last call of a former generation has ended.
const RELEASE: Duration = Duration::from_millis(100);

/// The file in the target's folder that names the generation in force.
const CURRENT: &str = "current";
const GENERATIONS: &str = "generations";

/// How long until a generation that could not be read is tried again: twice as long each time.
const AGAIN_FIRST: Duration = Duration::from_millis(50);
const AGAIN_MAX: Duration = Duration::from_secs(5);

impl Version {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            inode: metadata.ino(),
            changed_s: metadata.ctime(),
            changed_ns: metadata.ctime_nsec(),
        }
    }
}

impl Again {
    fn after(before: Option<Self>) -> Self {
        let wait = before.map_or(AGAIN_FIRST, |before| (before.wait * 2).min(AGAIN_MAX));
        Self { at: Instant::now() + wait, wait }
    }
}

impl Steward {
    /// Works until told to stop.
    pub(crate) async fn work(mut self, mut phase: watch::Receiver<Phase>) {
        let bounds = &self.shared.bounds;
        let (mut look, mut refresh) = (every(bounds.look), every(bounds.secrets_refresh));
        loop {
            tokio::select! {
                Some(done) = self.asked.recv() => {
                    self.look().await;
                    // Whoever asked may have stopped waiting.
                    let _gone = done.send(());
                }
                _tick = look.tick() => self.look().await,
                _tick = refresh.tick() => self.refresh().await,
                _asked = phase.wait_for(|phase| *phase >= Phase::End) => return,
            }
        }
    }

    /// Takes the generation that `current` names, if it is another one than before or that one could
    /// not be read.
    pub(crate) async fn look(&mut self) {
        let version = match fs::metadata(self.folder.join(CURRENT)) {
            Ok(metadata) => Version::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(_) => Version::default(),
        };
        if self.seen.replace(version) != Some(version) {
            self.again = None;
        } else if self.again.is_none_or(|again| Instant::now() < again.at) {
            return;
        }
        let named = self.read_current();
        let number = named.as_ref().ok().copied();
        let taken = match named {
            Ok(number) => self.take(number).await,
            Err(not_taken) => Err(not_taken),
        };
        match taken {
            Ok(serving) => {
                self.again = None;
                self.memory.keep(serving.generation.number);
                self.swap(serving);
            }
            Err(not_taken) => {
                let because = match not_taken {
                    NotTaken::Unread(because) => {
                        self.again = Some(Again::after(self.again));
                        because
                    }
                    NotTaken::Unfit(because) => {
                        self.again = None;
                        because
                    }
                };
                self.shared.metrics.not_loaded.add(1);
                *self.shared.refused.lock() = Some(Refused { number, because });
            }
        }
    }

    fn read_current(&self) -> Result<u64, NotTaken> {
        let text = fs::read_to_string(self.folder.join(CURRENT)).map_err(|error| {
            NotTaken::Unread(format!("the file `{CURRENT}` cannot be read: {}", error.kind()))
        })?;
        let number = text.trim().parse();
        number.map_err(|_| NotTaken::Unfit(format!("the file `{CURRENT}` holds no number")))
    }

    async fn take(&self, number: u64) -> Result<Serving, NotTaken> {
        let path = self.folder.join(GENERATIONS).join(format!("{number:012}.json"));
        let file = fs::read(&path).map_err(|error| {
            NotTaken::Unread(format!("generation {number} cannot be read: {}", error.kind()))
        })?;
        let expected = Expected {
            workspace_id: &self.shared.workspace,
            environment: &self.shared.environment,
            target: &self.shared.target,
            last_seen: self.memory.highest().map_err(NotTaken::Unread)?,
        };
        let generation = Generation::open(&file, &self.key, &expected)
            .map_err(|refusal| NotTaken::Unfit(refusal.to_string()))?;
        if generation.number != number {
            let because = format!("the file of generation {number} holds another one");
            return Err(NotTaken::Unfit(because));
        }
        let open =
            |desired: &gw_model::desired::Desired| self.stores.open(desired.spec.secrets.as_ref());
        let serving = Serving::compile(generation, &open, &self.anonymous)
            .map_err(|refusal| NotTaken::Unfit(refusal.to_string()))?;
        serving.refresh(&self.trust).await;
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
}

/// Ticks that were missed are not made up for.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
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
