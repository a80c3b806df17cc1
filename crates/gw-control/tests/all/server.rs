//! A server over the emulated Bitbucket: real git over http, a real store and ledger, and a target in
//! memory that lowers and compares as the built-in one does.

mod attacked;
mod back;
mod deployed;
mod flow;
mod glass;
mod health;
mod leaders;
mod renew;
mod revived;
mod settling;
mod target;
mod trial;

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use gw_audit::{
    entry::{Act, Entry},
    note::{Signer, Verifier},
};
use gw_control::{
    answer::{Answer, End},
    asker::Asker,
    health::Watch,
    host::bitbucket::Bitbucket,
    ledger::Ledger,
    notify::webhook::Webhooks,
    reconcile::{Aim, Order, reconcile},
    server::{Server, Shared},
    source::git::{Repository, RepositorySettings, address::Address, caps::Caps},
    stop::Stop,
    store::{Store, TaskState},
    task::Task,
    work::work,
};
use gw_drivers::registry::{Overseer, Registry};
use gw_model::{
    id::{EnvironmentName, IdentityName, WorkspaceId},
    source::Origin,
    workspace::Source,
};
use gw_net::client::{Client, ClientSettings};
use gw_policy::{
    change::{Owner, OwnerIs},
    generation::SigningKey,
    principal::{Caller, Principal},
};
use gw_testkit::{
    attack::change::Said,
    forge::{ISSUER, Somebody, api, workspace_id},
};
use serde_json::json;
use tokio::{
    runtime::Handle,
    sync::watch,
    task::{JoinHandle, block_in_place},
};
use url::Url;

use self::target::{Gateways, Live};
use super::bitbucket::Stage;

/// A server, its target, and the world around both.
struct House {
    stage: Stage,
    server: Arc<Server>,
    live: Live,
    /// Where all of them write.
    desk: PathBuf,
    stop: watch::Sender<bool>,
    working: Option<JoinHandle<()>>,
}

/// Waits for something where nobody can.
fn wait<T>(work: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(work))
}

fn said(answer: Result<Answer, Stop>) -> Said {
    let answer = answer.unwrap_or_else(|stop| Answer::from(&stop));
    let done = answer.end == End::Done && answer.change.is_some();
    Said { done, code: answer.code, words: answer.text }
}

fn prod() -> EnvironmentName {
    EnvironmentName::parse("prod").unwrap()
}

fn operators() -> IdentityName {
    IdentityName::parse("operators").unwrap()
}

/// Somebody who signed in.
fn somebody(subject: &str) -> Asker {
    let principal = Principal {
        identity: operators(),
        issuer: ISSUER.to_owned(),
        subject: subject.to_owned(),
        claims: Default::default(),
        expires_at: None,
    };
    let mut asker = Asker::server();
    asker.actor.identity = "operators".to_owned();
    asker.caller = Caller { principals: vec![principal] };
    asker
}

impl House {
    /// A repository with one API, in force in `prod`.
    async fn new() -> Self {
        Self::by(Stage::host).await
    }

    /// The same, with a server that asks the Git host in this way.
    async fn by(host: fn(&Stage) -> Bitbucket) -> Self {
        Self::bare_by(host).await.begun().await
    }

    /// The same once the owner has put `main` in force.
    async fn begun(self) -> Self {
        let first = Order {
            environment: prod(),
            asker: somebody("owner"),
            aim: Aim::Head { reference: "refs/heads/main".to_owned() },
        };
        let answer = reconcile(&self.server, &first).await.unwrap();
        assert_eq!(answer.end, End::Done, "{answer:?}");
        self.settle().await;
        self
    }

    /// The same before anything is in force.
    async fn bare() -> Self {
        Self::bare_by(Stage::host).await
    }

    async fn bare_by(host: fn(&Stage) -> Bitbucket) -> Self {
        Self::bare_with(host, Caps::default()).await
    }

    async fn bare_with(host: fn(&Stage) -> Bitbucket, caps: Caps) -> Self {
        let stage = Stage::new().await;
        let desk = stage.desk();
        std::fs::remove_file(desk.join("api.yaml")).unwrap();
        stage.publish(&files(&stage), "Declare orders").await;
        let live = Live::default();
        let server = Arc::new(server(&stage, host(&stage), live.clone(), caps, "source").await);
        let (stop, stopped) = watch::channel(false);
        let working = Some(tokio::spawn(work(Arc::clone(&server), stopped)));
        let house = Self { stage, server, live, desk, stop, working };
        house.look().await;
        house
    }

    /// Lets the server see what is new, and waits until nothing is left to do.
    async fn look(&self) {
        self.stage.advance();
        self.server.ask(Task::Look).await.unwrap();
        self.settle().await;
    }

    async fn settle(&self) {
        let waiting = async {
            loop {
                let settled = self.server.shared.settled.notified();
                let tasks = self.server.store.tasks(1000).await.unwrap();
                let open = |state| matches!(state, TaskState::Waiting | TaskState::Running);
                if !tasks.iter().any(|task| open(task.state)) {
                    return;
                }
                settled.await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), waiting).await.unwrap();
    }

    /// What became of the newest task of this key.
    async fn answer(&self, key: &str) -> Answer {
        let tasks = self.server.store.tasks(1000).await.unwrap();
        let newest = tasks.iter().filter(|it| it.task.key() == key).max_by_key(|it| it.id);
        let outcome = newest.unwrap_or_else(|| panic!("nothing did `{key}`")).outcome.clone();
        serde_json::from_str(&outcome.unwrap()).unwrap()
    }

    /// Somebody proposes another declaration of the API, later.
    async fn propose(&self, who: &Somebody, branch: &str, api: &str) -> String {
        self.stage.advance();
        self.stage.propose(who, branch, api).await
    }

    /// Carol approves a pull request, and it is merged in this way.
    async fn merge_approved(&self, number: u64, way: &str) {
        let stage = &self.stage;
        stage.advance();
        stage.approve(&stage.carol, number).await;
        stage.advance();
        stage.merge(number, way).await;
        self.look().await;
    }

    /// Bob's declaration of the API comes in force, by this pull request that Carol approves.
    async fn bring(&self, number: u64, branch: &str, api: &str) {
        self.propose(&self.stage.bob, branch, api).await;
        self.look().await;
        self.merge_approved(number, "squash").await;
    }

    /// How often an act is on the record.
    async fn found(&self, act: Act) -> usize {
        let entries = self.server.store.entries(0, 10_000).await.unwrap();
        let acts = entries.iter().filter_map(|bytes| Entry::parse(bytes)).map(|it| it.event.act);
        acts.filter(|it| *it == act).count()
    }

    async fn change(&self) -> u64 {
        self.server.store.in_force(&prod()).await.unwrap().unwrap().number
    }

    async fn end(mut self) {
        self.stop.send(true).unwrap();
        self.working.take().unwrap().await.unwrap();
    }
}

/// The key of the ledger.
fn key() -> Verifier {
    signer().verifier().clone()
}

fn signer() -> Signer {
    Signer::new("gatewright/test", &[7; 32]).unwrap()
}

/// A server, and the folder for its copy of the repository.
async fn server(stage: &Stage, host: Bitbucket, live: Live, caps: Caps, source: &str) -> Server {
    let folder = stage.folder.path();
    let workspace_id = workspace_id();
    let store = Store::open(&folder.join("state"), key()).await.unwrap();
    let clock: Arc<dyn gw_model::clock::Clock> = Arc::new(stage.clock.clone());
    let address = format!("{}/acme/apis.git", stage.bitbucket.url());
    let client = ClientSettings::here();
    let repository = Repository::open(RepositorySettings {
        address: Address::parse(&address).unwrap(),
        folder: folder.join(source),
        caps,
        client,
        ssh: PathBuf::from("ssh"),
    });
    let registry = Registry {
        workspace_id: workspace_id.clone(),
        state: folder.join("state"),
        key: Arc::new(SigningKey::from_seed(&[3; 32]).unwrap()),
        clock: Arc::clone(&clock),
        overseer: Overseer::Server,
    };
    let owner = OwnerIs::Subject { identity: operators(), subject: "owner".to_owned() };
    let at = Origin { file: "gatewright.toml".to_owned(), line: 3 };
    Server {
        store,
        clock,
        repository: repository.unwrap(),
        host: Arc::new(host),
        targets: Arc::new(Gateways { registry, live }),
        ledger: Ledger::new(&folder.join("ledger"), signer()),
        workspace_id,
        source: Source::Bitbucket {
            repository: "acme/apis".to_owned(),
            repository_uuid: stage.repository.to_string(),
            workspace_uuid: stage.workspace.to_string(),
        },
        owners: Arc::new([Owner { who: owner, at }]),
        address: Url::parse("https://gatewright.example.com").unwrap(),
        holder: "test".to_owned(),
        notifier: Arc::new(Webhooks::new(
            Client::new(&ClientSettings::here()),
            Arc::new(stage.clock.clone()),
            stage.secrets(),
            BTreeMap::new(),
        )),
        shared: Shared::watching(Watch { pause: Duration::ZERO, most: 3, enough: 2 }),
    }
}

fn files(stage: &Stage) -> Vec<(&'static str, String)> {
    let identities = format!(
        "    staff: {{ oidc: {{ issuer: {ISSUER}, audiences: [api://orders] }} }}
    operators: {{ oidc: {{ issuer: {ISSUER}, audiences: [https://gatewright] }} }}
"
    );
    let environment = "apiVersion: gatewright.io/v1alpha1
kind: Environment
metadata: { name: prod }
spec:
  targets:
    default: { builtin: { listen: \"127.0.0.1:8080\" } }
  changes:
    - { actions: [view, plan, approve], identities: [operators] }
    - { actions: [apply], identities: [server, operators], commit: { branch: main, approvals: 1 } }
    - { actions: [rollback], identities: [operators] }
  on:
    - { event: pullRequest, do: plan }
    - { event: merge, branch: main, do: apply }
  egress: [\"127.0.0.1\"]
  drift: { every: 5m, then: revert }
";
    stage.files(&identities, environment.to_owned())
}

/// Asks for a commit by hand.
fn order(asker: Asker, sha: &str) -> Order {
    let aim = Aim::Commit { sha: sha.to_owned(), only: BTreeSet::new(), plan: None };
    Order { environment: prod(), asker, aim }
}
