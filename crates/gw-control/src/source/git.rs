//! A Git repository as the source of a workspace. It is fetched into a folder of ours and read from its
//! objects; nothing is checked out, and no hook, filter, submodule or setting of a repository means
//! anything here.
//!
//! A branch is whole or did not come: until everything of it has arrived and every commit is there, it is
//! no part of a view. What is named comes first, and what is wrong with one branch leaves out that alone.

pub mod address;
pub mod caps;
mod failure;
mod history;
mod id;
mod link;
mod name;
mod objects;
mod pack;
mod push;
mod record;
mod round;
pub mod signature;
mod talk;
mod tree;
mod view;
mod wanted;
mod wire;

use std::{
    collections::BTreeMap,
    fs::{self, File, TryLockError},
    io,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
};

use gw_net::{
    address::Reach,
    client::{Client, ClientSettings},
};
use parking_lot::RwLock;
use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use self::{
    address::{Address, Credential},
    caps::Caps,
    link::{Link, Service, Ways},
    objects::Objects,
    record::{OBJECTS, Record},
    round::Round,
    talk::{Announced, BRANCHES, TAGS},
    wanted::Chosen,
    wire::Wire,
};
pub use self::{
    failure::{Excess, Flaw, Found, GitError},
    id::{Format, NotAnId, ObjectId},
    name::NameFlaw,
    objects::{Commit, Signature},
    push::{Deposit, Edit},
    tree::{Merged, Tree},
    view::{Move, Moved, PassedOver, View},
    wanted::Wanted,
};

/// Where a repository is fetched from and kept.
#[derive(Clone, Debug)]
pub struct RepositorySettings {
    pub address: Address,
    /// A folder of its own, for nothing else.
    pub folder: PathBuf,
    pub caps: Caps,
    /// Which addresses may be reached and whose certificates are believed.
    pub client: ClientSettings,
    /// The program for addresses of `ssh`.
    pub ssh: PathBuf,
}

/// A repository and our copy of it.
#[derive(Debug)]
pub struct Repository {
    settings: RepositorySettings,
    client: Client,
    reach: Reach,
    last: RwLock<Option<Arc<View>>>,
    /// What is fetched next is fetched as if nothing were here.
    spoilt: AtomicBool,
    fetching: tokio::sync::Mutex<()>,
    /// How many packs have begun to arrive.
    arrivals: AtomicU64,
    _lock: Lock,
}

/// What a fetch left.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub view: Arc<View>,
    /// What is different since the last one.
    pub moves: Vec<Move>,
}

/// What is fetched into: the objects that are there, and what they were fetched for.
struct Ground {
    former: Option<Arc<View>>,
    generation: u64,
    objects: Arc<Objects>,
}

/// Two processes with one copy would take away what the other reads.
#[derive(Debug)]
struct Lock(File);

/// A pack on its way; the file is gone when nobody needs it, however that came about. Each has a name of
/// its own, because work that nobody waits for may still read the last one.
struct Incoming(PathBuf);

/// Tells work that nobody waits for any more to end.
struct StopOnDrop(Arc<AtomicBool>);

/// What is unpacked before it is ours.
const INCOMING: &str = "incoming-";

impl Repository {
    /// Opens what the last fetch left in the folder, if there was one. Reads from disk.
    pub fn open(settings: RepositorySettings) -> Result<Self, GitError> {
        let folder = &settings.folder;
        fs::create_dir_all(folder).map_err(GitError::copy)?;
        let lock = Lock::take(folder)?;
        let view = View::load(folder, &settings.address.to_string(), &settings.caps);
        let generation = view.as_ref().map_or(0, |view| view.record.generation);
        clear(folder, generation..=generation).map_err(GitError::copy)?;
        let whole = settings.caps.time;
        let client = ClientSettings { timeout: whole, ..settings.client.clone() };
        let listed = settings.client.listed.iter().map(String::as_str);
        Ok(Self {
            client: Client::new(&client),
            reach: Reach::new(listed, settings.client.loopback),
            last: RwLock::new(view.map(Arc::new)),
            spoilt: AtomicBool::new(false),
            fetching: tokio::sync::Mutex::default(),
            arrivals: AtomicU64::new(0),
            _lock: lock,
            settings,
        })
    }

    /// What the last good fetch left.
    pub fn view(&self) -> Option<Arc<View>> {
        self.last.read().clone()
    }

    /// Asks a view something where waiting for the disk stops nobody else.
    pub async fn look<T: Send + 'static>(
        view: &Arc<View>,
        ask: impl FnOnce(&View) -> Result<T, GitError> + Send + 'static,
    ) -> Result<T, GitError> {
        let view = Arc::clone(view);
        aside(move || ask(&view)).await
    }

    /// Fetches branches and tags: first and on their own what is named. One at a time; whoever comes
    /// second waits.
    pub async fn fetch(
        &self,
        credential: &Credential,
        wanted: &Wanted,
    ) -> Result<Fetched, GitError> {
        let _alone = self.fetching.lock().await;
        let limit = self.settings.caps.time;
        let (slow, until) = (GitError::TooSlow { limit }, Instant::now() + limit);
        // A fetch is large, and most of what awaits it does little else.
        let begun = timeout_at(until, Box::pin(self.begin(credential, wanted))).await;
        let (mut round, chosen) = begun.unwrap_or(Err(slow))?;
        let crowd = chosen.crowd;
        Box::pin(round.bring(chosen, until)).await?;
        self.settle(round, crowd).await
    }

    /// Hears what there is, and sees what of it is here.
    async fn begin<'a>(
        &'a self,
        credential: &'a Credential,
        wanted: &Wanted,
    ) -> Result<(Round<'a>, Chosen), GitError> {
        let everything = [BRANCHES, TAGS];
        let (announced, wire, is_all) = match self.listen(credential, &everything).await {
            Ok((announced, wire)) => (announced, wire, true),
            Err(GitError::TooLarge(Excess::Announcement { .. })) => {
                let (announced, wire) = self.listen(credential, &wanted.prefixes()).await?;
                (announced, wire, false)
            }
            Err(error) => return Err(error),
        };
        let ground = self.ground(announced.format).await?;
        let former = ground.former.as_ref().map(|former| former.record.refs.clone());
        let former = former.unwrap_or_default();
        let last = self.view();
        let is_known = |name: &str| {
            former.contains_key(name)
                || last.as_ref().is_some_and(|last| last.passed_over(name).is_some())
        };
        let mut chosen = wanted.choose(&announced, is_known, self.settings.caps.branches_and_tags);
        let mut refs = BTreeMap::new();
        if !is_all {
            // Of the others nobody knows more than what they were.
            chosen.crowd = chosen.crowd.max(1);
            refs = former;
            refs.retain(|name, _| !wanted.names(name) && !announced.refs.contains_key(name));
        }
        let whole = ground.former.as_ref().map(|view| view.tips()).unwrap_or_default();
        let (wire, passed_over) = (Some(wire), BTreeMap::new());
        let repository = self;
        let round = Round {
            repository,
            credential,
            announced,
            wire,
            ground,
            refs,
            passed_over,
            whole,
            tries: 0,
        };
        Ok((round, chosen))
    }

    /// What the host says that it has, and the wire on which it can be asked.
    async fn listen<'a>(
        &'a self,
        credential: &'a Credential,
        prefixes: &[&str],
    ) -> Result<(Announced, Wire<'a>), GitError> {
        let RepositorySettings { address, caps, ssh, .. } = &self.settings;
        let ways = Ways { client: &self.client, reach: &self.reach, ssh };
        let link = Link::open(&ways, address, credential, Service::Fetch).await?;
        let limit = caps.announcement_bytes;
        let mut wire = Wire::new(link, limit, Excess::Announcement { limit });
        let announced = talk::announced(&mut wire, prefixes).await?;
        Ok((announced, wire))
    }

    /// What is there already, or a new folder where that is of no use.
    async fn ground(&self, format: Format) -> Result<Ground, GitError> {
        let (former, spoilt) = (self.view(), self.spoilt.swap(false, SeqCst));
        let RepositorySettings { folder, caps, .. } = self.settings.clone();
        aside(move || {
            let fits = |view: &View| !spoilt && view.objects.format() == format && !view.is_worn();
            match former {
                Some(view) if fits(&view) => Ok(Ground {
                    generation: view.record.generation,
                    objects: Arc::clone(&view.objects),
                    former: Some(view),
                }),
                former => {
                    let generation = former.map_or(0, |view| view.record.generation) + 1;
                    Ground::anew(&folder, generation, format, &caps)
                }
            }
        })
        .await
    }

    /// Puts what arrived in the place of the last view.
    async fn settle(&self, round: Round<'_>, crowd: usize) -> Result<Fetched, GitError> {
        let Round { announced, ground, refs, passed_over, .. } = round;
        let record = Record {
            address: self.settings.address.to_string(),
            format: announced.format,
            generation: ground.generation,
            refs,
            left_out: announced.left_out,
        };
        let (last, caps) = (self.view(), self.settings.caps.clone());
        let folder = self.settings.folder.clone();
        let settled = aside(move || {
            let view = View::new(ground.objects, record, &caps)?.without(passed_over, crowd);
            let moves = view.moves_since(last.as_deref())?;
            view.record.save(&folder)?;
            // Who still reads the former view finds its objects.
            let generation = view.record.generation;
            clear(&folder, generation.saturating_sub(1)..=generation).map_err(GitError::copy)?;
            Ok(Fetched { view: Arc::new(view), moves })
        });
        let settled = settled.await;
        match &settled {
            Ok(fetched) => *self.last.write() = Some(Arc::clone(&fetched.view)),
            Err(_) => self.spoilt.store(true, SeqCst),
        }
        settled
    }
}

impl Ground {
    fn anew(folder: &Path, generation: u64, format: Format, caps: &Caps) -> Result<Self, GitError> {
        let folder = folder.join(Record::objects(generation));
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(GitError::copy(error));
            }
            _ => {}
        }
        let objects = Arc::new(Objects::open(&folder, format, caps)?);
        Ok(Self { former: None, generation, objects })
    }
}

/// Does what waits for the disk where that stops nobody. What is hostile enough to make a reader of
/// Git panic is broken.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, GitError> + Send + 'static,
) -> Result<T, GitError> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(GitError::broken("it cannot be read")))
}

impl Lock {
    fn take(folder: &Path) -> Result<Self, GitError> {
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(GitError::copy)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(GitError::copy("another process uses it")),
            Err(TryLockError::Error(error)) => Err(GitError::copy(error)),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // A program that is being started may have a copy of the file for a moment, so that closing
        // ours is not enough. Where this fails, the end of the process does it.
        drop(self.0.unlock());
    }
}

/// Takes away what no fetch in progress and no view needs.
fn clear(folder: &Path, kept: RangeInclusive<u64>) -> io::Result<()> {
    let kept: Vec<_> = kept.map(Record::objects).collect();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(OBJECTS) && !kept.contains(&name) {
            fs::remove_dir_all(entry.path())?;
        } else if name.starts_with(INCOMING) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

impl Drop for Incoming {
    fn drop(&mut self) {
        // What cannot be taken away now is taken away when the folder is opened again.
        drop(fs::remove_file(&self.0));
    }
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests;
