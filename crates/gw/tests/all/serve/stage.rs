//! The world round one server, and what a test asks of it.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gw_drivers::registry::{Overseer, Registry};
use gw_emulators::bitbucket::{Audience, Bitbucket, Permission, Person, Uuid};
use gw_model::{
    clock::Clock,
    environment::{Builtin, Target},
    id::WorkspaceId,
    secret::Redacted,
};
use gw_net::client::{Ask, Authorization, Client, ClientSettings, Method};
use gw_plan::{
    digest::Digest,
    driver::{Condition, Driver, Object, Order, Stamp, Step},
};
use gw_policy::generation::SigningKey;
use gw_testkit::{
    issuer::Issuer,
    signer::Signer,
    wire::{Reply, free_port, request},
};
use serde_json::{Value, json};
use tempfile::TempDir;
use time::OffsetDateTime;
use tokio::{task::spawn_blocking, time::timeout};
use url::Url;

/// Longer nobody waits for anything.
const PATIENCE: Duration = Duration::from_secs(90);
const SECRET: &str = "a-webhook-secret-of-this-test";

/// Scopes of an API token that the server needs, and those that people here need.
const ALL: &[&str] = &[
    "read:repository:bitbucket",
    "write:repository:bitbucket",
    "admin:repository:bitbucket",
    "read:pullrequest:bitbucket",
    "write:pullrequest:bitbucket",
    "read:workspace:bitbucket",
    "read:user:bitbucket",
];

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

pub(super) struct Somebody {
    pub(super) uuid: Uuid,
    email: String,
    token: Redacted<String>,
}

pub(super) struct Stage {
    pub(super) bitbucket: Bitbucket,
    pub(super) folder: TempDir,
    issuer: Issuer,
    signer: Signer,
    workspace: Uuid,
    repository: Uuid,
    pub(super) ann: Somebody,
    pub(super) bob: Somebody,
    pub(super) carol: Somebody,
    pub(super) server: String,
    pub(super) gateway: SocketAddr,
    process: Option<Child>,
    began: Instant,
}

impl Stage {
    /// A repository that declares one API; the server runs, and nothing is in force.
    pub(super) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repositories = folder.path().join("repositories");
        let bitbucket = Bitbucket::start(0, &repositories, Arc::new(SystemClock)).await.unwrap();
        let workspace = bitbucket.add_workspace("acme").unwrap();
        let repository = bitbucket.add_repository(&workspace, "apis").unwrap();
        let somebody = |name: &str, right| {
            let Person { uuid, email, .. } = bitbucket.add_person(name).unwrap();
            bitbucket.permit(&repository, &uuid, Some(right)).unwrap();
            let token = Redacted::new(bitbucket.add_api_token(&uuid, ALL).unwrap());
            Somebody { uuid, email, token }
        };
        let ann = somebody("ann", Permission::Admin);
        let (bob, carol) =
            (somebody("bob", Permission::Write), somebody("carol", Permission::Write));
        bitbucket.enable_oidc(&workspace).unwrap();
        let signer = Signer::es256("key-1");
        let issuer = Issuer::start(&[&signer]);
        let (api, gateway) = (free_port(), free_port());
        let mut stage = Self {
            server: format!("http://127.0.0.1:{api}"),
            gateway: SocketAddr::from(([127, 0, 0, 1], gateway)),
            bitbucket,
            folder,
            issuer,
            signer,
            workspace,
            repository,
            ann,
            bob,
            carol,
            process: None,
            began: Instant::now(),
        };
        stage.declare().await;
        stage.configure(api);
        let hook = format!("{}/v1/webhooks/bitbucket", stage.server);
        let events = [
            "repo:push",
            "pullrequest:created",
            "pullrequest:updated",
            "pullrequest:approved",
            "pullrequest:fulfilled",
            "pullrequest:comment_created",
        ];
        stage.bitbucket.add_hook(&stage.repository, &hook, &events, Some(SECRET)).unwrap();
        stage.start().await;
        stage
    }

    /// How long it took from one step of the story to the next.
    pub(super) fn step(&mut self, words: &str) {
        println!("{:>6} ms  {words}", self.began.elapsed().as_millis());
        self.began = Instant::now();
    }

    fn desk(&self) -> PathBuf {
        self.folder.path().join("desk")
    }

    async fn declare(&self) {
        let root = self.folder.path();
        self.git(root, &["init", "--quiet", "--initial-branch", "main", "desk"]);
        for (path, text) in self.files() {
            let path = self.desk().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&self.desk(), &["add", "--all"]);
        self.git(&self.desk(), &["commit", "--quiet", "--message", "Declare orders"]);
        self.push(&self.ann, "HEAD:refs/heads/main");
    }

    fn configure(&self, port: u16) {
        let folder = self.folder.path();
        fs::create_dir_all(folder.join("secrets")).unwrap();
        fs::write(folder.join("secrets/bitbucket-token"), self.ann.token.reveal()).unwrap();
        fs::write(folder.join("secrets/bitbucket-webhook"), SECRET).unwrap();
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
            id = WorkspaceId::from_random([7; 16]).as_str(),
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
        let token = self.folder.path().join(format!("{who}.jwt"));
        fs::write(&token, self.token(who, "https://gatewright.test", &[])).unwrap();
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
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.signer.token(&json!({
            "iss": self.issuer.url(), "sub": subject, "aud": audience, "groups": groups,
            "iat": now, "exp": now + 3600,
        }))
    }

    /// The token of a new step of a pipeline.
    pub(super) fn step_token(&self, audience: &str) -> String {
        let main = "main";
        let pipeline =
            self.bitbucket.start_pipeline(&self.repository, main, &self.bob.uuid).unwrap();
        let step = self.bitbucket.start_step(&pipeline, "Gatewright", None).unwrap();
        let audience = Audience::One(audience.to_owned());
        self.bitbucket.step_token(&step, &audience).unwrap().unwrap()
    }

    /// What callers of the gateway get.
    pub(super) fn call(&self, method: &str, groups: &[&str]) -> Option<Reply> {
        let token = format!("Bearer {}", self.token("bob", "api://orders", groups));
        let headers = [("authorization", token.as_str())];
        request(self.gateway, method, "/orders", &headers, b"").ok()
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

    /// Whether a text stands in what is stored for the gateway.
    pub(super) fn serves(&self, text: &str) -> bool {
        let target = self.folder.path().join("state/targets/prod/default");
        let current = fs::read_to_string(target.join("current")).unwrap();
        let number: u64 = current.trim().parse().unwrap();
        let generation = fs::read_to_string(target.join(format!("generations/{number:012}.json")));
        generation.unwrap().contains(text)
    }

    fn driver(&self) -> Box<dyn Driver> {
        let state = self.folder.path().join("state");
        let key = SigningKey::parse(&fs::read(state.join("signing.key")).unwrap()).unwrap();
        let registry = Registry {
            workspace_id: WorkspaceId::from_random([7; 16]),
            state,
            key: Arc::new(key),
            clock: Arc::new(SystemClock),
            overseer: Overseer::User,
        };
        let listen = Builtin { listen: Some(self.gateway.to_string()), replicas: None };
        let (environment, target) = ("prod".parse().unwrap(), "default".parse().unwrap());
        registry.open(&environment, &target, &Target::Builtin(listen)).unwrap()
    }

    pub(super) fn git(&self, folder: &Path, arguments: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(folder)
            .args(arguments)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .envs(["AUTHOR", "COMMITTER"].iter().flat_map(|who| {
                [
                    (format!("GIT_{who}_NAME"), "Somebody"),
                    (format!("GIT_{who}_EMAIL"), "s@example.com"),
                ]
            }))
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {told}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub(super) fn push(&self, who: &Somebody, what: &str) {
        let host = self.bitbucket.url().trim_start_matches("http://");
        let token = who.token.reveal();
        let remote = format!("http://x-bitbucket-api-token-auth:{token}@{host}/acme/apis.git");
        self.git(&self.desk(), &["push", "--quiet", &remote, what]);
    }

    /// Somebody pushes a branch with another declaration of the API, and opens a pull request. Its head.
    pub(super) async fn propose(&self, who: &Somebody, branch: &str, api: &str) -> String {
        let desk = self.desk();
        self.git(&desk, &["checkout", "--quiet", "-b", branch, "main"]);
        fs::write(desk.join("apis/orders/api.yaml"), api).unwrap();
        self.git(&desk, &["commit", "--quiet", "--all", "--message", branch]);
        self.push(who, &format!("HEAD:refs/heads/{branch}"));
        let source = json!({ "branch": { "name": branch } });
        self.post(who, "/pullrequests", json!({ "title": branch, "source": source })).await;
        let head = self.git(&desk, &["rev-parse", "HEAD"]);
        self.git(&desk, &["checkout", "--quiet", "main"]);
        head
    }

    async fn ask(&self, who: &Somebody, method: Method, path: &str, body: Value) -> Value {
        let url = format!("{}/2.0/repositories/acme/apis{path}", self.bitbucket.url());
        let ask = Ask {
            method,
            authorization: Some(Authorization::Basic { user: &who.email, password: &who.token }),
            headers: &[("content-type", "application/json")],
            body: (!body.is_null()).then(|| body.to_string().into_bytes()),
        };
        let answer = client().ask(&Url::parse(&url).unwrap(), ask).await.unwrap();
        let status = answer.status();
        let body = answer.body(1 << 20).await.unwrap();
        assert!((200..300).contains(&status), "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap_or_default()
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.ask(&self.ann, Method::Get, path, Value::Null).await
    }

    pub(super) async fn post(&self, who: &Somebody, path: &str, body: Value) -> Value {
        self.ask(who, Method::Post, path, body).await
    }

    pub(super) async fn merge(&self, number: u64, strategy: &str) {
        let body = json!({ "type": "pullrequest_merge_parameters", "merge_strategy": strategy });
        self.post(&self.ann, &format!("/pullrequests/{number}/merge"), body).await;
    }

    /// The one comment below a pull request, once it says this.
    pub(super) async fn comment(&self, number: u64, says: &str) -> String {
        self.until(says, || async {
            let page = self.get(&format!("/pullrequests/{number}/comments")).await;
            let values = page["values"].as_array().unwrap().clone();
            assert!(values.len() < 2, "one comment: {values:?}");
            let text = values.first()?["content"]["raw"].as_str()?.to_owned();
            text.contains(says).then_some(text)
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

    /// The commit that a branch holds now.
    pub(super) fn head(&self) -> String {
        let remote = self.folder.path().join("repositories");
        let mut bare = vec![];
        find_bare(&remote, &mut bare);
        self.git(&bare[0], &["rev-parse", "refs/heads/main"])
    }

    /// Waits for an event, with a bound.
    pub(super) async fn until<T, F: Future<Output = Option<T>>>(
        &self,
        what: &str,
        look: impl Fn() -> F,
    ) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(begun.elapsed() < PATIENCE, "never: {what}\n{}", self.said());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn files(&self) -> Vec<(&'static str, String)> {
        let issuer = self.issuer.url();
        let workspace = format!(
            "apiVersion: gatewright.io/v1alpha1
kind: Workspace
metadata: {{ name: acme }}
spec:
  source:
    bitbucket:
      repository: acme/apis
      repositoryUuid: \"{}\"
      workspaceUuid: \"{}\"
  identities:
    staff: {{ oidc: {{ issuer: \"{issuer}\", audiences: [api://orders], algorithms: [ES256] }} }}
    pipeline: {{ bitbucketPipelines: {{ audience: https://gatewright.test }} }}
    operators:
      oidc: {{ issuer: \"{issuer}\", audiences: [https://gatewright.test], algorithms: [ES256] }}
  people:
    ann: {{ bitbucket: \"{}\", subjects: {{ operators: ann }} }}
    bob: {{ bitbucket: \"{}\", subjects: {{ operators: bob }} }}
    carol: {{ bitbucket: \"{}\", subjects: {{ operators: carol }} }}
  teams:
    security: {{ people: [carol] }}
",
            self.repository, self.workspace, self.ann.uuid, self.bob.uuid, self.carol.uuid
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
        vec![
            (".gatewright/id", format!("{}\n", WorkspaceId::from_random([7; 16]).as_str())),
            ("gatewright.yaml", workspace),
            ("environments/prod.yaml", environment),
            ("policies/changes.cedar", POLICY.to_owned()),
            ("apis/orders/api.yaml", api("orders-team", "100/1m")),
            ("apis/orders/openapi.yaml", OPENAPI.to_owned()),
        ]
    }
}

const OPENAPI: &str = r#"openapi: 3.0.3
info: { title: orders, version: "1" }
paths:
  /orders:
    get: { operationId: listOrders, responses: { "200": { description: ok } } }
    post: { operationId: createOrder, responses: { "201": { description: made } } }
"#;

const POLICY: &str = r#"@id("widening-needs-security")
@reason("giving anyone new access needs a review by security")
forbid (principal, action == Gatewright::Action::"apply", resource)
when { context.plan.widensAccess }
unless { context.approverTeams.contains("security") };
"#;

pub(super) fn api(groups: &str, limit: &str) -> String {
    format!(
        "apiVersion: gatewright.io/v1alpha1
kind: Api
metadata: {{ name: orders }}
spec:
  owner: orders-team
  openapi: {{ file: apis/orders/openapi.yaml }}
  upstream: {{ url: http://127.0.0.1:9 }}
  access:
    - {{ methods: [GET], identities: [staff] }}
    - {{ methods: [POST], identities: [staff], claims: {{ groups: [{groups}] }} }}
  limits:
    - {{ rate: {limit}, per: caller }}
"
    )
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            // It may have ended by itself; then there is nothing to stop.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

fn client() -> Client {
    Client::new(&ClientSettings { timeout: Duration::from_secs(20), ..ClientSettings::default() })
}

pub(super) fn said(output: Output) -> (String, i32) {
    let text = [output.stdout, output.stderr].concat();
    (String::from_utf8(text).unwrap(), output.status.code().unwrap())
}

fn find_bare(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.join("HEAD").is_file() {
            found.push(path);
        } else if path.is_dir() {
            find_bare(&path, found);
        }
    }
}
