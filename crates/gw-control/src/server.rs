//! One repository and its environments, as a server looks after them: what it knows, and the first
//! things that all of its work begins with.
//!
//! It takes no files from whoever asks. It fetches them, asks the Git host for facts, judges by the
//! rules in force, and alone writes.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt,
    sync::Arc,
    time::Duration,
};

use gw_model::{
    clock::Clock,
    desired::Desired,
    diagnostic::Diagnostic,
    environment::Target,
    id::{EnvironmentName, TargetName, WorkspaceId},
    workspace::Source,
};
use gw_plan::driver::Driver;
use gw_policy::change::Owner;
use parking_lot::Mutex;
use tokio::sync::Notify;
use url::Url;

use crate::{
    branches,
    credentials::Credentials,
    engine::{self, Drivers},
    health::Watch,
    host::GitHost,
    ledger::{Ledger, Lost, Published},
    notify::{Notification, Notifier},
    reconcile,
    source::git::{Fetched, ObjectId, Repository, Tree, View, Wanted},
    stop::Stop,
    store::{Delivered, Delivery, NewTask, Store, StoreError},
    task::Task,
    trial::Mint,
};

/// Whoever works on an environment is heard of at least this often.
const LEASE: Duration = Duration::from_secs(30);

const BRANCHES: &str = "refs/heads/";
const TAGS: &str = "refs/tags/";

/// Makes drivers; which ones there are is not known here.
pub trait Targets: fmt::Debug + Send + Sync {
    /// A driver for the target, or what to tell whoever declared it. Does no I/O.
    fn open(
        &self,
        environment: &EnvironmentName,
        name: &TargetName,
        target: &Target,
    ) -> Result<Box<dyn Driver>, Box<Diagnostic>>;
}

#[derive(Debug)]
pub struct Server {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub repository: Repository,
    pub host: Arc<dyn GitHost>,
    pub targets: Arc<dyn Targets>,
    pub ledger: Ledger,
    pub workspace_id: WorkspaceId,
    /// What the declarations must name as their source.
    pub source: Source,
    pub owners: Arc<[Owner]>,
    /// Under which people reach this server: what links begin with.
    pub address: Url,
    /// Who this is, beside other servers of the same store.
    pub holder: String,
    pub notifier: Arc<dyn Notifier>,
    pub shared: Shared,
}

/// What the parts of a server have in common while it runs. Nothing of it is missed after a restart.
#[derive(Debug)]
pub struct Shared {
    /// Something was queued.
    pub queued: Notify,
    /// Something was done.
    pub settled: Notify,
    /// What the newest changes are doing, for whoever watches; the oldest first.
    news: Mutex<VecDeque<Course>>,
    /// What each environment is in, by the change that brought it: it is large, and asked for all the
    /// time.
    in_force: Mutex<BTreeMap<EnvironmentName, (u64, Arc<Desired>)>>,
    /// How backends are watched after a change.
    pub watch: Watch,
    /// The test issuer; none: nothing can be tried.
    pub(crate) mint: Option<Arc<dyn Mint>>,
    /// What the settings name as secrets.
    pub credentials: Credentials,
    /// What people were told last of a credential that ends.
    ending: Mutex<Option<String>>,
    /// How long nobody else writes where this server does and has stopped in the middle.
    lease: Duration,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            queued: Notify::default(),
            settled: Notify::default(),
            news: Mutex::default(),
            in_force: Mutex::default(),
            watch: Watch::default(),
            mint: None,
            credentials: Credentials::default(),
            ending: Mutex::default(),
            lease: LEASE,
        }
    }
}

/// What one change has done.
#[derive(Debug)]
struct Course {
    environment: EnvironmentName,
    change: u64,
    lines: Vec<String>,
}

impl Shared {
    /// So many changes are remembered.
    const KEPT: usize = 100;

    pub(crate) fn tell(&self, environment: &EnvironmentName, change: u64, line: String) {
        let mut news = self.news.lock();
        if let Some(course) = news.iter_mut().find(|it| it.is(environment, change)) {
            course.lines.push(line);
            return;
        }
        news.push_back(Course { environment: environment.clone(), change, lines: vec![line] });
        if news.len() > Self::KEPT {
            news.pop_front();
        }
    }

    /// With the test issuer, where there is one.
    #[must_use]
    pub fn minting(self, mint: Option<Arc<dyn Mint>>) -> Self {
        Self { mint, ..self }
    }

    /// With what is known of the credentials of the settings.
    #[must_use]
    pub fn showing(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    /// With another way to watch backends.
    pub fn watching(watch: Watch) -> Self {
        Self { watch, ..Self::default() }
    }

    /// With leases of another length.
    #[must_use]
    pub fn leasing(self, lease: Duration) -> Self {
        Self { lease, ..self }
    }

    /// Remembers what is told of a credential that ends, and says whether that is new.
    pub(crate) fn told_of_ending(&self, text: Option<&str>) -> bool {
        let mut told = self.ending.lock();
        let is_new = told.as_deref() != text;
        *told = text.map(str::to_owned);
        is_new
    }

    /// What a change has done so far, in lines.
    pub fn lines(&self, environment: &EnvironmentName, change: u64) -> Vec<String> {
        let news = self.news.lock();
        let course = news.iter().find(|it| it.is(environment, change));
        course.map(|course| course.lines.clone()).unwrap_or_default()
    }
}

impl Course {
    fn is(&self, environment: &EnvironmentName, change: u64) -> bool {
        self.change == change && self.environment == *environment
    }
}

impl Server {
    /// Queues what is to be done; it is on disk when this comes back.
    pub async fn enqueue(&self, tasks: &[NewTask]) -> Result<Vec<u64>, StoreError> {
        let ids = self.store.enqueue(tasks, self.clock.now()).await?;
        self.shared.queued.notify_waiters();
        Ok(ids)
    }

    /// Takes genuine deliveries of webhooks.
    pub async fn deliver(&self, deliveries: &[Delivery]) -> Result<Vec<Delivered>, StoreError> {
        let delivered = self.store.deliver(deliveries, self.clock.now()).await?;
        self.shared.queued.notify_waiters();
        Ok(delivered)
    }

    /// Queues one thing to be done at once.
    pub async fn ask(&self, task: Task) -> Result<u64, StoreError> {
        let ids = self.enqueue(&[NewTask::now(task, self.clock.now())]).await?;
        ids.first().copied().ok_or_else(|| StoreError::Broken { reason: "nothing queued".into() })
    }

    /// Has a task that failed for good tried again. None: it has not failed.
    pub async fn retry(&self, id: u64) -> Result<Option<u64>, StoreError> {
        let again = self.store.retry_task(id, self.clock.now()).await?;
        self.shared.queued.notify_waiters();
        Ok(again)
    }

    /// Has those told whom the rules name for it; nobody waits for that.
    pub(crate) async fn notify(&self, notification: Notification) -> Result<(), StoreError> {
        self.ask(Task::Notify { notification: Box::new(notification) }).await.map(|_| ())
    }

    /// What the repository has now.
    pub async fn fetch(&self) -> Result<Fetched, Stop> {
        self.fetch_with(None).await
    }

    /// The same, with a branch that nobody's rules name, by its whole name.
    pub(crate) async fn fetch_with(&self, branch: Option<String>) -> Result<Fetched, Stop> {
        let mut wanted = self.wanted().await?;
        wanted.preferred.extend(branch);
        let credential = self.host.for_git().await?;
        Ok(Box::pin(self.repository.fetch(&credential, &wanted)).await?)
    }

    /// The branches and tags that the rules in force name.
    async fn wanted(&self) -> Result<Wanted, Stop> {
        let mut wanted = Wanted::default();
        for environment in self.environments().await? {
            let Some(rules) = self.in_force(&environment).await? else { continue };
            let branches = branches::named(&rules).into_iter();
            wanted.named.extend(branches.map(|branch| format!("{BRANCHES}{branch}")));
            let releases = rules.spec.on.iter().flatten().filter_map(|it| it.tag.as_ref());
            let commits = rules.spec.changes.iter().filter_map(|rule| rule.commit.as_ref());
            let tags = releases.chain(commits.filter_map(|it| it.tag.as_ref()));
            wanted.preferred.extend(tags.map(|tag| format!("{TAGS}{tag}")));
        }
        Ok(wanted)
    }

    /// What was fetched last, or now where nothing ever was.
    pub async fn view(&self) -> Result<Arc<View>, Stop> {
        match self.repository.view() {
            Some(view) => Ok(view),
            None => Ok(self.fetch().await?.view),
        }
    }

    /// What the repository has now, and this commit in it. That it is here already says nothing of the
    /// branches that hold it.
    pub async fn commit(&self, hash: &str) -> Result<(Arc<View>, ObjectId), Stop> {
        found(self.fetch().await?.view, hash)
    }

    /// The same as of the last fetch, where that has it: for what must not wait for a Git host.
    pub async fn commit_at_hand(&self, hash: &str) -> Result<(Arc<View>, ObjectId), Stop> {
        let at_hand = self.repository.view().filter(|view| view.find(hash).is_some());
        match at_hand {
            Some(view) => found(view, hash),
            None => self.commit(hash).await,
        }
    }

    /// The environments in which something is in force.
    pub async fn environments(&self) -> Result<BTreeSet<EnvironmentName>, Stop> {
        let mut environments = BTreeSet::new();
        for environment in self.store.environments().await? {
            if self.store.in_force(&environment).await?.is_some() {
                environments.insert(environment);
            }
        }
        Ok(environments)
    }

    /// Whether a branch that the rules in force name declares an environment, as it was fetched last.
    pub async fn declares(&self, environment: &EnvironmentName) -> Result<bool, Stop> {
        let Some(view) = self.repository.view() else { return Ok(false) };
        for reference in self.wanted().await?.named {
            let Some(head) = view.reference(&reference) else { continue };
            if reconcile::read(&view, head).await?.1.declares(environment) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is in force in an environment.
    pub async fn in_force(
        &self,
        environment: &EnvironmentName,
    ) -> Result<Option<Arc<Desired>>, Stop> {
        let Some(change) = self.store.in_force(environment).await? else { return Ok(None) };
        let number = change.number;
        if let Some((known, desired)) = self.shared.in_force.lock().get(environment)
            && *known == number
        {
            return Ok(Some(Arc::clone(desired)));
        }
        let (desired, _) = engine::state_of(&self.store, environment, number).await?;
        let kept = (number, Arc::clone(&desired));
        self.shared.in_force.lock().insert(environment.clone(), kept);
        Ok(Some(desired))
    }

    /// Whoever speaks to the targets of an environment: those of a state, and those that may have to
    /// be emptied.
    pub async fn drivers(
        &self,
        desired: &Desired,
    ) -> Result<Result<Drivers, Box<Diagnostic>>, Stop> {
        let environment = &desired.environment;
        let known = engine::known_targets(&self.store, environment, desired).await?;
        let mut drivers = Drivers::new();
        for (name, target) in &known {
            match self.targets.open(environment, name, target) {
                Ok(driver) => drop(drivers.insert(name.clone(), driver)),
                Err(refused) => return Ok(Err(refused)),
            }
        }
        Ok(Ok(drivers))
    }

    /// From now on nobody else writes to the environment. The store it gives is for that.
    pub async fn hold(&self, environment: &EnvironmentName) -> Result<Store, Stop> {
        let name = format!("environment/{environment}");
        let held = self.store.lease(&name, &self.holder, self.shared.lease).await?;
        held.ok_or_else(|| Stop::Occupied { environment: environment.clone() })
    }

    /// Brings the files of the ledger up to what was recorded. One server at a time writes them; for
    /// whoever comes second somebody else does it.
    pub async fn publish(&self) -> Result<Option<Lost>, Stop> {
        Ok(self.published().await?.and_then(|published| published.lost))
    }

    /// The same, with how far the files and the witness go now.
    pub async fn published(&self) -> Result<Option<Published>, Stop> {
        let Some(held) = self.store.lease("ledger", &self.holder, self.shared.lease).await? else {
            return Ok(None);
        };
        let published = self.ledger.publish(&self.store).await;
        held.let_go().await?;
        Ok(Some(published?))
    }

    /// Whether what a commit declares is meant for this server.
    pub fn is_ours(&self, files: &Tree, source: &Source) -> Result<(), Stop> {
        let commit = files.commit().to_string();
        let ours = self.workspace_id.as_str();
        match files.workspace_id() {
            Some(id) if id == ours => {}
            id => {
                let declared = id.unwrap_or_else(|| "none".to_owned());
                let ours = ours.to_owned();
                return Err(Stop::Foreign { commit, what: "the workspace", declared, ours });
            }
        }
        if is_same(source, &self.source) {
            return Ok(());
        }
        let (declared, ours) = (name_of(source), name_of(&self.source));
        Err(Stop::Foreign { commit, what: "the source", declared, ours })
    }
}

fn found(view: Arc<View>, hash: &str) -> Result<(Arc<View>, ObjectId), Stop> {
    match view.find(hash) {
        Some(commit) => Ok((view, commit)),
        None => Err(Stop::Source(view.missing(hash))),
    }
}

/// Whether both are the same repository by what is trusted: names may change.
pub fn is_same(one: &Source, other: &Source) -> bool {
    match (one, other) {
        (
            Source::Bitbucket { repository: _, repository_uuid, workspace_uuid },
            Source::Bitbucket { repository: _, repository_uuid: id, workspace_uuid: workspace },
        ) => {
            repository_uuid.eq_ignore_ascii_case(id)
                && workspace_uuid.eq_ignore_ascii_case(workspace)
        }
        (
            Source::Github { repository: _, repository_id },
            Source::Github { repository: _, repository_id: id },
        ) => repository_id == id,
        (
            Source::Gitlab { url, project: _, project_id },
            Source::Gitlab { url: place, project: _, project_id: id },
        ) => url == place && project_id == id,
        _ => one == other,
    }
}

/// A source as people call it, and what is trusted of it.
pub fn name_of(source: &Source) -> String {
    match source {
        Source::Bitbucket { repository, repository_uuid, workspace_uuid } => {
            format!("{repository} ({repository_uuid} of {workspace_uuid})")
        }
        Source::BitbucketDataCenter { url, project, repository } => {
            format!("{url} {project}/{repository}")
        }
        Source::Github { repository, repository_id } => format!("{repository} ({repository_id})"),
        Source::Gitlab { url, project, project_id } => format!("{url} {project} ({project_id})"),
        Source::Local {} => "a local folder".to_owned(),
    }
}
