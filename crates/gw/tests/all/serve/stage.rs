//! The world round one server, and what a test asks of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use gw_drivers::registry::{Overseer, Registry};
use gw_emulators::bitbucket::{Audience, Uuid};
use gw_model::{
    clock::Clock,
    environment::{Builtin, Target},
};
use gw_plan::{
    digest::Digest,
    driver::{Condition, Driver, Object, Order, Stamp, Step},
};
use gw_policy::generation::SigningKey;
use gw_testkit::{
    forge::{Forge, HOOK_SECRET, workspace_id},
    issuer::Issuer,
    signer::Signer,
    wire::{Reply, free_port, request},
};
use notify::{Event, RecursiveMode, Watcher};
use serde_json::json;
use time::OffsetDateTime;
use tokio::{task::spawn_blocking, time::timeout};

/// Longer nobody waits for anything.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A path of the repository and its text.
pub(super) type File = (&'static str, String);

/// A step of a pipeline that runs.
pub(super) struct Run {
    pub(super) pipeline: Uuid,
    pub(super) step: Uuid,
    pub(super) token: String,
}

pub(super) struct Stage {
    forge: Forge,
    issuer: Issuer,
    signer: Signer,
    pub(super) server: String,
    pub(super) gateway: SocketAddr,
    process: Option<Child>,
    began: Instant,
}

impl Deref for Stage {
    type Target = Forge;

    fn deref(&self) -> &Forge {
        &self.forge
    }
}

impl Stage {
    /// A repository that declares one API; the server runs, and nothing is in force.
    pub(super) async fn new() -> Self {
        Self::declaring(|_, files| files).await
    }

    /// The same with other files.
    pub(super) async fn declaring(change: impl FnOnce(&Forge, Vec<File>) -> Vec<File>) -> Self {
        let forge = Forge::start(Arc::new(SystemClock)).await;
        forge.bitbucket.enable_oidc(&forge.workspace).unwrap();
        let signer = Signer::es256("key-1");
        let issuer = Issuer::start(&[&signer]);
        let (api, gateway) = (free_port(), free_port());
        let mut stage = Self {
            server: format!("http://127.0.0.1:{api}"),
            gateway: SocketAddr::from(([127, 0, 0, 1], gateway)),
            forge,
            issuer,
            signer,
            process: None,
            began: Instant::now(),
        };
        stage.declare(&change(&stage.forge, stage.files())).await;
        stage.configure(api);
        stage.hook(&format!("{}/v1/webhooks/bitbucket", stage.server));
        stage.start().await;
        stage
    }

    /// How long it took from one step of the story to the next.
    pub(super) fn step(&mut self, words: &str) {
        println!("{:>6} ms  {words}", self.began.elapsed().as_millis());
        self.began = Instant::now();
    }

    fn configure(&self, port: u16) {
        let folder = self.folder.path();
        fs::create_dir_all(folder.join("secrets")).unwrap();
        fs::write(folder.join("secrets/bitbucket-token"), self.ann.token.reveal()).unwrap();
        fs::write(folder.join("secrets/bitbucket-webhook"), HOOK_SECRET).unwrap();
        let settings = format!(
            "listen = \"127.0.0.1:{port}\"
address = \"{server}\"
workspace = \"{id}\"
state = \"state\"
login = \"operators\"

[bitbucket]
url = \"{url}\"
repository = \"acme/apis\"
repositoryUuid = \"{repository}\"
workspaceUuid = \"{workspace}\"
email = \"{email}\"
token = \"bitbucket-token\"
webhookSecrets = [\"bitbucket-webhook\"]
poll = \"1h\"

[secrets]
files = \"secrets\"

[identities.operators]
issuer = \"{issuer}\"
audiences = [\"https://gatewright.test\"]
algorithms = [\"ES256\"]

[[owners]]
identity = \"operators\"
subject = \"ann\"
",
            server = self.server,
            id = workspace_id().as_str(),
            url = self.bitbucket.url(),
            repository = self.repository,
            workspace = self.workspace,
            email = self.ann.email,
            issuer = self.issuer.url(),
        );
        fs::write(folder.join("gatewright.toml"), settings).unwrap();
    }

    pub(super) async fn start(&mut self) {
        let log = fs::File::create(self.folder.path().join("serve.log")).unwrap();
        let process = self
            .program(&["serve", "--config", "gatewright.toml"])
            .stdout(Stdio::piped())
            .stderr(Stdio::from(log))
            .spawn()
            .unwrap();
        let process = self.process.insert(process);
        // From its first line on, whoever connects is taken.
        let stdout = process.stdout.take().unwrap();
        let read = move || {
            let mut line = String::new();
            BufReader::new(stdout).read_line(&mut line).map(|_| line)
        };
        let line = timeout(PATIENCE, spawn_blocking(read)).await.unwrap().unwrap().unwrap();
        assert!(line.contains(&self.server), "{line}{}", self.said());
    }

    /// Ends the server as a power cut would.
    pub(super) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// A limit of the server's process, as the system knows it.
    pub(super) fn limit(&self, name: &str) -> String {
        let id = self.process.as_ref().unwrap().id();
        let limits = fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line.strip_prefix(name).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("serve.log")).unwrap_or_default()
    }

    /// The program with nothing of this machine's settings.
    pub(super) fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
        command
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .stdin(Stdio::null())
            .args(arguments);
        command
    }

    /// What a command of somebody says to the server, and how it ends.
    pub(super) fn asks(&self, who: &str, arguments: &[&str]) -> (String, i32) {
        self.shows(&self.token(who, "https://gatewright.test", &[]), arguments)
    }

    /// The same by any proof.
    pub(super) fn shows(&self, proof: &str, arguments: &[&str]) -> (String, i32) {
        let token = self.folder.path().join("proof.jwt");
        fs::write(&token, proof).unwrap();
        let server = ["--server", self.server.as_str(), "--env", "prod"];
        let output = self
            .program(&[arguments, &server].concat())
            .env("GATEWRIGHT_TOKEN_FILE", token)
            .output()
            .unwrap();
        said(output)
    }

    /// A token of the issuer.
    pub(super) fn token(&self, subject: &str, audience: &str, groups: &[&str]) -> String {
        self.signed(&self.signer, subject, audience, groups, 3600)
    }

    /// The same for people, good for three more seconds: as many as clocks may differ are over.
    pub(super) fn brief_token(&self, subject: &str) -> String {
        self.signed(&self.signer, subject, "https://gatewright.test", &[], 3 - 60)
    }

    /// The same by any key, good for so long from now on.
    pub(super) fn signed(
        &self,
        signer: &Signer,
        subject: &str,
        audience: &str,
        groups: &[&str],
        lasts_s: i64,
    ) -> String {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        signer.token(&json!({
            "iss": self.issuer.url(), "sub": subject, "aud": audience, "groups": groups,
            "iat": now - 7200, "exp": now + lasts_s,
        }))
    }

    /// A token of the issuer that ended an hour ago.
    pub(super) fn old_token(&self, subject: &str) -> String {
        self.signed(&self.signer, subject, "https://gatewright.test", &[], -3600)
    }

    /// The token of a new step of a pipeline.
    pub(super) fn step_token(&self, audience: &str) -> String {
        self.deploying(audience, None)
    }

    /// The same of a step that deploys to an environment of Bitbucket.
    pub(super) fn deploying(&self, audience: &str, environment: Option<&Uuid>) -> String {
        self.run(audience, environment).token
    }

    /// A new pipeline of `main` with one step.
    pub(super) fn run(&self, audience: &str, environment: Option<&Uuid>) -> Run {
        let main = "main";
        let pipeline =
            self.bitbucket.start_pipeline(&self.repository, main, &self.bob.uuid).unwrap();
        let step = self.bitbucket.start_step(&pipeline, "Gatewright", environment).unwrap();
        let audience = Audience::One(audience.to_owned());
        let token = self.bitbucket.step_token(&step, &audience).unwrap().unwrap();
        Run { pipeline, step, token }
    }

    /// What callers of the gateway get.
    pub(super) fn call(&self, method: &str, groups: &[&str]) -> Option<Reply> {
        self.call_at(method, "/orders", groups)
    }

    pub(super) fn call_at(&self, method: &str, path: &str, groups: &[&str]) -> Option<Reply> {
        let token = format!("Bearer {}", self.token("bob", "api://orders", groups));
        let headers = [("authorization", token.as_str())];
        request(self.gateway, method, path, &headers, b"").ok()
    }

    /// What a command says that asks nobody.
    pub(super) fn says(&self, arguments: &[&str]) -> (String, i32) {
        said(self.program(arguments).output().unwrap())
    }

    /// Somebody with the key of the gateway changes a text of what it serves, and asks nobody.
    pub(super) async fn tamper(&self, from: &str, to: &str) {
        let driver = self.driver();
        let observed = driver.observe().await.unwrap();
        let text = serde_json::to_string(&observed.objects).unwrap();
        assert!(text.contains(from), "{text}");
        let objects: Vec<Object> = serde_json::from_str(&text.replace(from, to)).unwrap();
        let effect = Digest::of_json(&json!(objects));
        let stamp = Stamp { change: 1, effect, at: OffsetDateTime::now_utc() };
        let condition = Condition { version: observed.version };
        for step in [Step::Stage, Step::Switch] {
            let order =
                Order { step: &step, wanted: &objects, stamp: &stamp, condition: &condition };
            driver.step(order).await.unwrap();
        }
    }

    /// Waits until a text stands in what is stored for the gateway.
    pub(super) fn await_served(&self, text: &str) {
        self.await_moved(&self.target(), text, || self.serves(text));
    }

    /// Waits until it stands there no more.
    pub(super) fn await_gone(&self, text: &str) {
        self.await_moved(&self.target(), text, || !self.serves(text));
    }

    /// Waits until a command of somebody says a text, and looks each time that the server wrote.
    pub(super) fn await_asked(&self, who: &str, arguments: &[&str], text: &str) -> String {
        let ask = || self.asks(who, arguments).0;
        self.await_moved(&self.folder.path().join("state"), text, || ask().contains(text));
        ask()
    }

    /// Waits until the server has said a text.
    pub(super) fn await_said(&self, text: &str) {
        self.await_moved(self.folder.path(), text, || self.said().contains(text));
    }

    /// Waits until it is so, and looks each time that something moved in a folder.
    fn await_moved(&self, folder: &Path, text: &str, is_there: impl Fn() -> bool) {
        let (sender, moves) = mpsc::channel();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // Looking at it is no event.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                // Whoever waited may have seen enough.
                sender.send(()).ok();
            }
        })
        .unwrap();
        watcher.watch(folder, RecursiveMode::NonRecursive).unwrap();
        let until = Instant::now() + PATIENCE;
        while !is_there() {
            let left = until.saturating_duration_since(Instant::now());
            assert!(moves.recv_timeout(left).is_ok(), "`{text}` never\n{}", self.said());
            // However much moved, one look sees it all.
            while moves.try_recv().is_ok() {}
        }
    }

    /// How much is stored for the gateway, in force or not.
    pub(super) fn generations(&self) -> usize {
        fs::read_dir(self.target().join("generations")).unwrap().count()
    }

    /// Waits until more is.
    pub(super) fn await_generation(&self, known: usize) {
        let folder = self.target().join("generations");
        self.await_moved(&folder, "another generation", || self.generations() > known);
    }

    /// The number of what is stored for the gateway.
    pub(super) fn generation(&self) -> u64 {
        let current = fs::read_to_string(self.target().join("current")).unwrap();
        current.trim().parse().unwrap()
    }

    /// Whether a text stands in what is stored for the gateway.
    pub(super) fn serves(&self, text: &str) -> bool {
        let (target, number) = (self.target(), self.generation());
        let generation = fs::read_to_string(target.join(format!("generations/{number:012}.json")));
        generation.unwrap().contains(text)
    }

    /// Where the server keeps what the gateway serves.
    fn target(&self) -> PathBuf {
        self.folder.path().join("state/targets/prod/default")
    }

    fn driver(&self) -> Box<dyn Driver> {
        let state = self.folder.path().join("state");
        let key = SigningKey::parse(&fs::read(state.join("signing.key")).unwrap()).unwrap();
        let registry = Registry {
            workspace_id: workspace_id(),
            state,
            key: Arc::new(key),
            clock: Arc::new(SystemClock),
            overseer: Overseer::User,
        };
        let listen = Builtin { listen: Some(self.gateway.to_string()), replicas: None };
        let (environment, target) = ("prod".parse().unwrap(), "default".parse().unwrap());
        registry.open(&environment, &target, &Target::Builtin(listen)).unwrap()
    }

    /// The one comment below a pull request, once it says this.
    pub(super) async fn comment(&self, number: u64, says: &str) -> String {
        self.until(says, || async {
            let texts = self.comments(number).await;
            assert!(texts.len() < 2, "one comment: {texts:?}");
            texts.into_iter().find(|text| text.contains(says))
        })
        .await
    }

    /// The build status of a commit under this key, once it says this.
    pub(super) async fn status(&self, commit: &str, key: &str, says: &str) -> String {
        self.until(says, || async {
            let page = self.get(&format!("/commit/{commit}/statuses")).await;
            let values = page["values"].as_array().unwrap().clone();
            let found = values.iter().find(|it| it["key"] == key)?;
            let text = found["description"].as_str()?.to_owned();
            text.contains(says).then_some(text)
        })
        .await
    }

    /// Carol approves the first pull request once its plan can be read, and it is merged and in force. The
    /// commit that it became.
    pub(super) async fn bring(&self, proposed: &str) -> String {
        self.status(proposed, "gatewright-plan", "waits for").await;
        self.approve(&self.carol, 1).await;
        self.comment(1, "✔ yes").await;
        self.merge(1, "squash").await;
        let merged = self.head("main").await;
        self.status(&merged, "gatewright-apply-prod", "applied and verified").await;
        merged
    }

    fn files(&self) -> Vec<File> {
        let issuer = self.issuer.url();
        let identities = format!(
            "    staff: {{ oidc: {{ issuer: \"{issuer}\", audiences: [api://orders], algorithms: [ES256] }} }}
    pipeline: {{ bitbucketPipelines: {{ audience: https://gatewright.test }} }}
    operators:
      oidc: {{ issuer: \"{issuer}\", audiences: [https://gatewright.test], algorithms: [ES256] }}
"
        );
        let environment = format!(
            "apiVersion: gatewright.io/v1alpha1
kind: Environment
metadata: {{ name: prod }}
spec:
  targets:
    default: {{ builtin: {{ listen: \"{}\" }} }}
  changes:
    - {{ actions: [view, plan, approve], identities: [operators] }}
    - {{ actions: [view, plan], identities: [pipeline] }}
    - {{ actions: [apply], identities: [server, pipeline, operators], commit: {{ branch: main, approvals: 1 }} }}
    - {{ actions: [rollback], identities: [operators] }}
  on:
    - {{ event: pullRequest, do: plan }}
    - {{ event: merge, branch: main, do: apply }}
  egress: [\"127.0.0.1\"]
  drift: {{ every: 1s, then: revert }}
",
            self.gateway
        );
        self.forge.files(&identities, environment)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.said());
        }
        if let Some(process) = &mut self.process {
            // It may have ended by itself; then there is nothing to stop.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

pub(super) fn said(output: Output) -> (String, i32) {
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}
