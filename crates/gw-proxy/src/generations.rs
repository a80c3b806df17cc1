//! Finds the generation that is to be served: in a target's folder, or in one file. Judges its
//! signature, its age and whether it compiles; knows no calls.
//!
//! What is not good is refused, and the former one stays. Where none is served yet, after a restart,
//! the newest good one takes its place that was in force before; never one older than callers met.

use std::{
    fs, io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use gw_model::{
    desired::Desired,
    id::{EnvironmentName, TargetName, WorkspaceId},
    secret::SecretStores,
};
use gw_policy::{
    gateway::Refused,
    generation::{Expected, Generation, PublicKey},
};
use rustls::ClientConfig;

use crate::{
    file::{read_file, why},
    memory::Memory,
    serving::Serving,
    settings::Supply,
};

/// Where generations are, and what makes one good.
#[derive(Debug)]
pub(crate) struct Generations {
    pub(crate) workspace: WorkspaceId,
    pub(crate) environment: EnvironmentName,
    pub(crate) target: TargetName,
    pub(crate) supply: Supply,
    pub(crate) key: PublicKey,
    pub(crate) stores: Arc<dyn SecretStores>,
    pub(crate) anonymous: Arc<ClientConfig>,
    pub(crate) memory: Memory,
    pub(crate) progress: Progress,
}

/// How far the last look came.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// What was last taken or refused, so that each is looked at once.
    seen: Option<Version>,
    /// Set while that one could not be read for a reason that may pass.
    again: Option<Again>,
}

/// What a look found that was not known before.
#[derive(Debug)]
pub(crate) struct Found {
    /// None: what is served stays.
    pub(crate) serving: Option<Serving>,
    /// The newest one, where it was not taken.
    pub(crate) refused: Option<Refused>,
}

/// Whether calls are served meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meanwhile {
    Served,
    Denied,
}

/// When to try once more.
#[derive(Clone, Copy, Debug)]
struct Again {
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
struct Version {
    inode: u64,
    changed_s: i64,
    changed_ns: i64,
}

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

impl Generations {
    /// Looks whether there is another one than before, or one that could not be read.
    pub(crate) fn look(&mut self, meanwhile: Meanwhile) -> Option<Found> {
        if !self.is_due() {
            return None;
        }
        let named = self.named();
        let number = named.as_ref().ok().copied().flatten();
        let not_taken = match named.and_then(|number| self.take(number)) {
            Ok(serving) => {
                self.progress.again = None;
                return Some(Found { serving: Some(serving), refused: None });
            }
            Err(not_taken) => not_taken,
        };
        let because = match not_taken {
            NotTaken::Unread(because) => {
                self.progress.again = Some(Again::after(self.progress.again));
                because
            }
            NotTaken::Unfit(because) => {
                self.progress.again = None;
                because
            }
        };
        let serving = match meanwhile {
            Meanwhile::Served => None,
            Meanwhile::Denied => self.former(number),
        };
        Some(Found { serving, refused: Some(Refused { number, because }) })
    }

    fn is_due(&mut self) -> bool {
        let path = match &self.supply {
            Supply::Folder(folder) => &folder.join(CURRENT),
            Supply::File(path) => path,
        };
        let version = match fs::metadata(path) {
            Ok(metadata) => Version::of(&metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return false,
            Err(_) => Version::default(),
        };
        let Progress { seen, again } = &mut self.progress;
        if seen.replace(version) != Some(version) {
            *again = None;
            return true;
        }
        again.is_some_and(|again| Instant::now() >= again.at)
    }

    /// The number that is to be served; a file alone has whatever number it has.
    fn named(&self) -> Result<Option<u64>, NotTaken> {
        let Supply::Folder(folder) = &self.supply else { return Ok(None) };
        let bytes = read_file(&folder.join(CURRENT)).map_err(|error| {
            NotTaken::Unread(format!("the file `{CURRENT}` cannot be read: {}", why(&error)))
        })?;
        let number = str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
        number
            .map(Some)
            .ok_or_else(|| NotTaken::Unfit(format!("the file `{CURRENT}` holds no number")))
    }

    fn take(&self, number: Option<u64>) -> Result<Serving, NotTaken> {
        let (path, what) = match (&self.supply, number) {
            (Supply::Folder(folder), Some(number)) => {
                (path(folder, number), format!("generation {number}"))
            }
            (Supply::File(path), _) => (path.clone(), format!("`{}`", path.display())),
            (Supply::Folder(_), None) => {
                return Err(NotTaken::Unfit(format!("the file `{CURRENT}` holds no number")));
            }
        };
        let file = read_file(&path)
            .map_err(|error| NotTaken::Unread(format!("{what} cannot be read: {}", why(&error))))?;
        let expected = Expected {
            workspace_id: &self.workspace,
            environment: &self.environment,
            target: &self.target,
            last_seen: self.memory.last().map_err(NotTaken::Unread)?.map(|last| last.number),
        };
        let generation = Generation::open(&file, &self.key, &expected)
            .map_err(|refusal| NotTaken::Unfit(refusal.to_string()))?;
        if number.is_some_and(|number| generation.number != number) {
            return Err(NotTaken::Unfit(format!("the file of {what} holds another one")));
        }
        let open = |desired: &Desired| self.stores.open(desired.spec.secrets.as_ref());
        Serving::compile(generation, &open, &self.anonymous)
            .map_err(|refusal| NotTaken::Unfit(refusal.to_string()))
    }

    /// The newest good generation that was in force before the one that was not taken. What is
    /// above it and below the highest that was ever served, callers have left behind for good.
    fn former(&self, refused: Option<u64>) -> Option<Serving> {
        let Supply::Folder(folder) = &self.supply else { return None };
        let served = self.memory.last().ok()?.map(|last| last.number);
        let newest = served.max(refused.map(|number| number.saturating_sub(1)))?;
        let entries = fs::read_dir(folder.join(GENERATIONS)).ok()?;
        let mut numbers: Vec<u64> = entries
            .filter_map(|entry| {
                let name = entry.ok()?.file_name();
                name.to_str()?.strip_suffix(".json")?.parse().ok()
            })
            .filter(|number| *number <= newest && Some(*number) != refused)
            .collect();
        numbers.sort_unstable();
        numbers.into_iter().rev().find_map(|number| self.take(Some(number)).ok())
    }
}

fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(GENERATIONS).join(format!("{number:012}.json"))
}
