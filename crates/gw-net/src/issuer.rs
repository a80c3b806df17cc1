//! The keys of issuers: found by discovery, read again in time, kept while the issuer is away.
//!
//! What a key is, nobody here knows: bytes become keys by a function of the caller. One task per
//! issuer does all reading, so however many requests want newer keys, one of them is asked for. The
//! document of the issuer says where its keys are and nothing else; in particular not which
//! algorithms to accept.

mod discovery;
#[cfg(test)]
mod tests;
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::{ArcSwap, ArcSwapOption};
use parking_lot::Mutex;
use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use self::discovery::Discovered;
pub use self::discovery::ReadError;
use crate::client::Client;

/// The keys that an issuer publishes now, as it sends them; [`Issuer`] reads them in the same way.
pub async fn published(issuer: &str, client: &Client) -> Result<Vec<u8>, ReadError> {
    discovery::discover(issuer, client).await?.keys(client).await
}

/// Makes keys of the bytes that an issuer publishes, or says in words why these are no answer at all.
pub type Parse<K> = fn(&[u8]) -> Result<Published<K>, String>;

/// What an issuer says its keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published<K> {
    Keys(K),
    /// Whole and well formed, and there is none in it that could be used; in words.
    Nothing(String),
}

#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How often keys are read again.
    pub refresh: Duration,
    /// For how long keys are used while the issuer does not answer.
    pub stale: Duration,
    /// For how long an issuer must say that it has no keys until it is believed.
    pub nothing: Duration,
    /// The least time between two readings that requests ask for, and between two failed ones.
    pub spacing: Duration,
    /// The first wait after a failure; doubled each time, up to `spacing`.
    pub retry: Duration,
    /// The longest that a request waits for newer keys.
    pub wait: Duration,
}

/// The issuers whose tokens are accepted now.
pub struct Issuers<K> {
    parse: Parse<K>,
    timing: Timing,
    all: ArcSwap<BTreeMap<String, Issuer<K>>>,
}

/// One issuer and the task that reads its keys; the task ends with the last clone.
pub struct Issuer<K> {
    shared: Arc<Shared<K>>,
    _task: Arc<Task>,
}

/// Keys and the number of their reading.
#[derive(Debug)]
pub struct Held<K> {
    pub keys: Arc<K>,
    /// No other keys in this process have this number. What was verified with keys of another
    /// number must be verified again.
    pub generation: u64,
    /// When the issuer last said that these are its keys.
    pub read_at: Instant,
}

/// For `/readyz` and `doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub url: String,
    pub state: State,
    /// Since the keys were last read.
    pub age: Option<Duration>,
    /// The last failure, unless keys have been read since, and how long ago it was.
    pub failure: Option<(String, Duration)>,
    pub attempts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Keys are here, and the issuer answers.
    Fresh,
    /// Keys are here, and the issuer does not answer.
    Stale,
    /// There are no keys, or they are too old: its tokens are refused.
    Missing,
}

struct Shared<K> {
    url: String,
    /// Which addresses may be reached may change while the issuer stays.
    client: ArcSwap<Client>,
    parse: Parse<K>,
    timing: Timing,
    held: ArcSwapOption<Held<K>>,
    failure: Mutex<Option<(ReadError, Instant)>>,
    /// Since when the issuer has said that it has no keys, without another word between.
    nothing_since: Mutex<Option<Instant>>,
    progress: watch::Sender<Progress>,
}

#[derive(Clone, Copy, Debug)]
struct Progress {
    started: u64,
    finished: u64,
    /// A request asks for a reading that has not begun.
    wanted: bool,
    /// When a request last asked for one. A reading that was due in any case takes nothing from the
    /// requests: keys may turn right behind it.
    asked: Option<Instant>,
}

/// Which reading a request waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waited {
    /// One that had begun before.
    UnderWay,
    /// One that began for it.
    Asked,
    /// None: it is too soon after the last that a request asked for.
    Refused,
}

struct Task(JoinHandle<()>);

static GENERATION: AtomicU64 = AtomicU64::new(1);

impl Default for Timing {
    fn default() -> Self {
        Self {
            refresh: Duration::from_secs(5 * 60),
            stale: Duration::from_secs(24 * 60 * 60),
            nothing: Duration::from_secs(2 * 60),
            spacing: Duration::from_secs(30),
            retry: Duration::from_secs(1),
            wait: Duration::from_secs(2),
        }
    }
}

impl<K: PartialEq + Send + Sync + 'static> Issuers<K> {
    /// No issuers yet; [`Issuers::set`] starts them.
    pub fn new(parse: Parse<K>, timing: Timing) -> Self {
        Self { parse, timing, all: ArcSwap::default() }
    }

    /// From now on these are the issuers, and this is how they are reached. One that stays keeps its
    /// keys. Must be called inside a Tokio runtime that lives as long as the issuers are needed.
    pub fn set<'a>(&self, client: &Client, urls: impl IntoIterator<Item = &'a str>) {
        let before = self.all.load();
        let issuer = |url: &str| match before.get(url) {
            Some(issuer) => {
                issuer.shared.client.store(Arc::new(client.clone()));
                issuer.clone()
            }
            None => Issuer::start(url.to_owned(), client.clone(), self.parse, self.timing),
        };
        let now = urls.into_iter().map(|url| (url.to_owned(), issuer(url))).collect();
        self.all.store(Arc::new(now));
    }

    pub fn get(&self, url: &str) -> Option<Issuer<K>> {
        self.all.load().get(url).cloned()
    }

    /// Of every issuer, by URL.
    pub fn health(&self) -> Vec<Health> {
        self.all.load().values().map(Issuer::health).collect()
    }
}

impl<K: PartialEq + Send + Sync + 'static> Issuer<K> {
    /// Begins to read the keys at once.
    pub fn start(url: String, client: Client, parse: Parse<K>, timing: Timing) -> Self {
        let shared = Arc::new(Shared {
            url,
            client: ArcSwap::from_pointee(client),
            parse,
            timing,
            held: ArcSwapOption::empty(),
            failure: Mutex::new(None),
            nothing_since: Mutex::new(None),
            progress: watch::Sender::new(Progress::first()),
        });
        let task = tokio::spawn(keep_reading(Arc::clone(&shared)));
        Self { shared, _task: Arc::new(Task(task)) }
    }

    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// The keys as they were last read, unless that is too long ago.
    pub fn held(&self) -> Option<Arc<Held<K>>> {
        let held = self.shared.held.load_full()?;
        (held.read_at.elapsed() < self.shared.timing.stale).then_some(held)
    }

    /// The number of the keys in use, to compare with that of a remembered verification.
    pub fn generation(&self) -> Option<u64> {
        let held = self.shared.held.load();
        let held = held.as_ref().filter(|held| held.read_at.elapsed() < self.shared.timing.stale);
        held.map(|held| held.generation)
    }

    /// Keys other than those of that generation, for a token whose key is not among them (or for any
    /// token while there are none). Waits for a reading that is under way or may be asked for;
    /// answers at once when requests asked for one a moment ago, so that made-up key names cost the
    /// issuer nothing.
    pub async fn newer(&self, seen: Option<u64>) -> Option<Arc<Held<K>>> {
        let newer = async {
            // A reading that was under way may have begun before the key of the token was published.
            while self.other(seen).is_none() && self.wait_for_reading().await == Waited::UnderWay {}
        };
        let _ended = timeout(self.shared.timing.wait, newer).await;
        self.other(seen)
    }

    fn other(&self, seen: Option<u64>) -> Option<Arc<Held<K>>> {
        self.held().filter(|held| Some(held.generation) != seen)
    }

    async fn wait_for_reading(&self) -> Waited {
        let mut progress = self.shared.progress.subscribe();
        let (mut before, mut waited) = (0, Waited::Refused);
        self.shared.progress.send_if_modified(|now| {
            (before, waited) = (now.finished, now.ask(self.shared.timing.spacing));
            waited == Waited::Asked
        });
        if waited == Waited::Refused {
            return waited;
        }
        // The sender lives as long as `self.shared`.
        let _never_closed = progress.wait_for(|now| now.finished > before).await;
        waited
    }

    pub fn health(&self) -> Health {
        let failure = self.shared.failure.lock().clone();
        let state = match (self.held(), &failure) {
            (Some(_), None) => State::Fresh,
            (Some(_), Some(_)) => State::Stale,
            (None, _) => State::Missing,
        };
        Health {
            url: self.shared.url.clone(),
            state,
            age: self.shared.held.load().as_ref().map(|held| held.read_at.elapsed()),
            failure: failure.map(|(error, at)| (error.to_string(), at.elapsed())),
            attempts: self.shared.progress.borrow().started,
        }
    }
}

impl Progress {
    /// The first reading is under way from the beginning.
    fn first() -> Self {
        Self { started: 1, finished: 0, wanted: false, asked: None }
    }

    fn ask(&mut self, spacing: Duration) -> Waited {
        if self.started > self.finished {
            return Waited::UnderWay;
        }
        if !self.wanted {
            if self.asked.is_some_and(|asked| asked.elapsed() < spacing) {
                return Waited::Refused;
            }
            (self.wanted, self.asked) = (true, Some(Instant::now()));
        }
        Waited::Asked
    }

    fn start(&mut self) {
        (self.started, self.wanted) = (self.started + 1, false);
    }
}

impl<K> Clone for Issuer<K> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), _task: Arc::clone(&self._task) }
    }
}

impl<K> fmt::Debug for Issuer<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("url", &self.shared.url).finish_non_exhaustive()
    }
}

impl<K> fmt::Debug for Issuers<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.load();
        f.debug_struct("Issuers").field("all", &all.keys()).finish_non_exhaustive()
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Reads when it is time and when it is asked for, never twice at once.
async fn keep_reading<K: PartialEq>(shared: Arc<Shared<K>>) {
    let Timing { refresh, spacing, retry, .. } = shared.timing;
    let mut discovered = None;
    let mut failures = 0_u32;
    let mut progress = shared.progress.subscribe();
    loop {
        let client = shared.client.load_full();
        let read = read(&shared, &client, &mut discovered).await;
        let good = matches!(read, Ok(Published::Keys(_)));
        failures = if good { 0 } else { failures.saturating_add(1) };
        shared.finish(read);
        let pause = match failures {
            0 => refresh,
            // An issuer that is away is asked again soon while there are no keys at all.
            _ if shared.held.load().is_none() => {
                retry.saturating_mul(1 << failures.min(16).saturating_sub(1)).min(spacing)
            }
            _ => spacing,
        };
        let due = Instant::now() + pause;
        // The sender lives as long as `shared`, so only a request or the time ends the wait.
        let wanted = async { progress.wait_for(|now| now.wanted).await.map(drop) };
        tokio::select! {
            () = sleep_until(due) => {}
            _never_closed = wanted => {}
        }
        shared.progress.send_modify(Progress::start);
    }
}

async fn read<K>(
    shared: &Shared<K>,
    client: &Client,
    discovered: &mut Option<(Discovered, Instant)>,
) -> Result<Published<K>, ReadError> {
    let refresh = shared.timing.refresh;
    // Taken out, so that a failure asks for the document again.
    let known = discovered.take().filter(|(_, read_at)| read_at.elapsed() < refresh);
    let (found, read_at) = match known {
        Some(known) => known,
        None => (discovery::discover(&shared.url, client).await?, Instant::now()),
    };
    let bytes = found.keys(client).await?;
    let keys = (shared.parse)(&bytes).map_err(ReadError::Keys)?;
    *discovered = Some((found, read_at));
    Ok(keys)
}

impl<K: PartialEq> Shared<K> {
    /// Takes over what was read. A failure changes nothing but the record of it. That there are no
    /// keys is an answer, but one that a mistake gives too: it is taken when it is given for a while.
    fn finish(&self, read: Result<Published<K>, ReadError>) {
        let read_at = Instant::now();
        match read {
            Ok(Published::Keys(keys)) => {
                *self.nothing_since.lock() = None;
                let same = self.held.load_full().filter(|held| *held.keys == keys);
                let held = match same {
                    Some(held) => {
                        Held { keys: Arc::clone(&held.keys), generation: held.generation, read_at }
                    }
                    None => {
                        let generation = GENERATION.fetch_add(1, Ordering::Relaxed);
                        Held { keys: Arc::new(keys), generation, read_at }
                    }
                };
                self.held.store(Some(Arc::new(held)));
                *self.failure.lock() = None;
            }
            Ok(Published::Nothing(words)) => {
                let since = *self.nothing_since.lock().get_or_insert(read_at);
                if read_at.duration_since(since) >= self.timing.nothing {
                    self.held.store(None);
                }
                *self.failure.lock() = Some((ReadError::Keys(words), read_at));
            }
            Err(error) => *self.failure.lock() = Some((error, read_at)),
        }
        self.progress.send_modify(|progress| progress.finished = progress.started);
    }
}
