//! What `benches/run.py --only merge` runs: from a push that Bitbucket has answered to the first call that
//! meets the new configuration, with the emulated Bitbucket. It prints one JSON document.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a measurement that cannot be made has to stop, and its result is read from its output"
)]

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use gw_model::clock::Clock;
use gw_testkit::{
    forge::{Forge, HOOK_SECRET, workspace_id},
    issuer::Issuer,
    signer::Signer,
    wire::{free_port, request},
};
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::task::spawn_blocking;

/// So many APIs, one after the other.
const COUNTS: [usize; 3] = [10, 1_000, 10_000];
/// So many pushes are measured with each.
const ROUNDS: usize = 5;
/// No push takes longer to be served.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a caller asks.
const PAUSE: Duration = Duration::from_millis(2);
const AUDIENCE: &str = "https://gatewright.test";

#[derive(Debug)]
struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// A repository of so many APIs, and who looks after it.
struct Bench {
    forge: Forge,
    issuer: Issuer,
    signer: Signer,
    server: SocketAddr,
    gateway: SocketAddr,
    count: usize,
}

struct Running(Child);

#[tokio::main]
async fn main() {
    // Cargo adds an argument of its own behind this one.
    let binary = env::args().nth(1).expect("the program to measure");
    let mut rows = vec![];
    for count in COUNTS {
        rows.push(Bench::new(count).await.measure(&binary).await);
    }
    println!("{}", json!(rows));
}

impl Bench {
    async fn new(count: usize) -> Self {
        let forge = Forge::start(Arc::new(SystemClock)).await;
        let signer = Signer::es256("key-1");
        let issuer = Issuer::start(&[&signer]);
        let [server, gateway] =
            [free_port(), free_port()].map(|port| ([127, 0, 0, 1], port).into());
        Self { forge, issuer, signer, server, gateway, count }
    }

    async fn measure(&self, binary: &str) -> Value {
        self.configure();
        let files = self.files();
        let files: Vec<(&str, String)> =
            files.iter().map(|(path, text)| (path.as_str(), text.clone())).collect();
        let head = self.forge.declare(&files).await;
        self.forge.hook(&format!("http://{}/v1/webhooks/bitbucket", self.server));
        let serving = self.serve(binary);
        self.bring_first(binary, &head).await;
        let middle = self.count / 2;
        let path = format!("apis/api-{middle}/api.yaml");
        let (mut walls, mut used) = (vec![], vec![]);
        for round in 0..ROUNDS {
            let group = format!("round-{round}");
            let before = serving.cpu_s();
            let mut written = self.forge.bitbucket.written();
            written.mark_unchanged();
            let answered = async {
                written.changed().await.expect("Bitbucket runs");
                Instant::now()
            };
            let files = [(path.as_str(), api(middle, &group))];
            let (_, began) = tokio::join!(self.forge.publish(&files, "Another group"), answered);
            self.until_served(middle, &group).await;
            walls.push(began.elapsed().as_secs_f64());
            used.push(serving.cpu_s() - before);
        }
        let row = json!({
            "apis": self.count, "wall_s": median(walls), "cpu_s": median(used),
            "memory_mib": serving.memory_mib(),
        });
        eprintln!("  {row}");
        row
    }

    /// A caller of this group is let in. The API has no backend: what comes then is not 403.
    async fn until_served(&self, number: usize, group: &str) {
        let token = format!("Bearer {}", self.token("bob", "bench", group));
        let (gateway, path) = (self.gateway, format!("/things-{number}"));
        let waiting = spawn_blocking(move || {
            let begun = Instant::now();
            loop {
                let headers = [("authorization", token.as_str())];
                let asked = request(gateway, "POST", &path, &headers, b"");
                if asked.is_ok_and(|reply| reply.status != 403) {
                    return;
                }
                assert!(begun.elapsed() < PATIENCE, "the push is never served");
                std::thread::sleep(PAUSE);
            }
        });
        waiting.await.expect("it is served");
    }

    fn token(&self, subject: &str, audience: &str, group: &str) -> String {
        let now = OffsetDateTime::now_utc().unix_timestamp();
        self.signer.token(&json!({
            "iss": self.issuer.url(), "sub": subject, "aud": audience, "groups": [group],
            "iat": now, "exp": now + 3600,
        }))
    }

    fn configure(&self) {
        let folder = self.forge.folder.path();
        fs::create_dir_all(folder.join("secrets")).expect("a folder");
        let token = self.forge.ann.token.reveal();
        for (name, value) in [("bitbucket-token", token.as_str()), ("hook", HOOK_SECRET)] {
            fs::write(folder.join("secrets").join(name), value).expect("a file");
        }
        let settings = format!(
            "listen = \"{server}\"\naddress = \"http://{server}\"\nworkspace = \"{id}\"\n\
             state = \"state\"\n\n[bitbucket]\nurl = \"{url}\"\nrepository = \"acme/apis\"\n\
             repositoryUuid = \"{repository}\"\nworkspaceUuid = \"{workspace}\"\n\
             email = \"{email}\"\ntoken = \"bitbucket-token\"\nwebhookSecrets = [\"hook\"]\n\
             poll = \"1h\"\n\n[secrets]\nfiles = \"secrets\"\n\n[identities.operators]\n\
             issuer = \"{issuer}\"\naudiences = [\"{AUDIENCE}\"]\nalgorithms = [\"ES256\"]\n\n\
             [[owners]]\nidentity = \"operators\"\nsubject = \"ann\"\n",
            server = self.server,
            id = workspace_id().as_str(),
            url = self.forge.bitbucket.url(),
            repository = self.forge.repository,
            workspace = self.forge.workspace,
            email = self.forge.ann.email,
            issuer = self.issuer.url(),
        );
        fs::write(folder.join("gatewright.toml"), settings).expect("a file");
    }

    fn files(&self) -> Vec<(String, String)> {
        let (issuer, gateway) = (self.issuer.url(), self.gateway);
        let oidc = |name: &str, audience: &str| {
            format!(
                "    {name}: {{ oidc: {{ issuer: \"{issuer}\", audiences: [\"{audience}\"], \
                 algorithms: [ES256] }} }}\n"
            )
        };
        let identities = oidc("staff", "bench") + &oidc("operators", AUDIENCE);
        let environment = format!(
            "apiVersion: gatewright.io/v1alpha1\nkind: Environment\nmetadata: {{ name: prod }}\nspec:\n  \
             targets: {{ default: {{ builtin: {{ listen: \"{gateway}\" }} }} }}\n  \
             changes:\n    - {{ actions: [view, plan], identities: [operators] }}\n    \
             - {{ actions: [apply], identities: [server, operators], commit: {{ branch: main }} }}\n  \
             on:\n    - {{ event: push, branch: main, do: apply }}\n  \
             egress: [\"127.0.0.1\"]\n  drift: {{ every: 1h, then: report }}\n"
        );
        let declared = self.forge.files(&identities, environment).into_iter();
        let is_ours = |path: &str| !path.starts_with("apis/") && !path.starts_with("policies/");
        let mut files: Vec<(String, String)> = declared
            .filter(|(path, _)| is_ours(path))
            .map(|(path, text)| (path.to_owned(), text))
            .collect();
        for number in 0..self.count {
            files.push((format!("apis/api-{number}/api.yaml"), api(number, "nobody")));
            files.push((format!("apis/api-{number}/openapi.yaml"), openapi(number)));
        }
        files
    }

    fn serve(&self, binary: &str) -> Running {
        let mut serving = self
            .program(binary, &["serve", "--config", "gatewright.toml"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        let stdout = serving.stdout.take().expect("a pipe");
        BufReader::new(stdout).read_line(&mut line).expect("its first line");
        assert!(line.contains("listens at"), "{line}");
        Running(serving)
    }

    async fn bring_first(&self, binary: &str, head: &str) {
        let proof = self.forge.folder.path().join("ann.jwt");
        fs::write(&proof, self.token("ann", AUDIENCE, "owners")).expect("a file");
        let server = format!("http://{}", self.server);
        let asked = ["--server", &server, "--env", "prod", "apply", "--commit", head];
        let mut program = self.program(binary, &asked);
        program.env("GATEWRIGHT_TOKEN_FILE", proof);
        // Bitbucket and the issuer answer meanwhile, in this process.
        let output = spawn_blocking(move || program.output()).await;
        let output = output.expect("nothing panics").expect("it can be asked");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "the first state is not brought: {told}");
    }

    fn program(&self, binary: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary);
        command.current_dir(self.forge.folder.path()).env_clear().args(arguments);
        command.env("HOME", self.forge.folder.path()).stdin(Stdio::null());
        command
    }
}

impl Running {
    /// User and system time that it has used.
    fn cpu_s(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it runs");
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let ticks: u32 =
            fields.split_whitespace().skip(11).take(2).flat_map(str::parse::<u32>).sum();
        let per_s = u32::try_from(rustix::param::clock_ticks_per_second()).expect("a few");
        f64::from(ticks) / f64::from(per_s)
    }

    fn memory_mib(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()));
        let status = status.expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        kib.expect("Linux tells it") / 1024
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2).copied().expect("something was measured");
    (middle * 1000.0).round() / 1000.0
}

fn api(number: usize, group: &str) -> String {
    format!(
        "apiVersion: gatewright.io/v1alpha1\nkind: Api\nmetadata: {{ name: api-{number} }}\nspec:\n  \
         owner: team-{team}\n  openapi: {{ file: apis/api-{number}/openapi.yaml }}\n  \
         upstream: {{ url: \"http://127.0.0.1:9\" }}\n  access:\n    \
         - {{ methods: [GET], identities: [staff] }}\n    \
         - {{ methods: [POST], identities: [staff], claims: {{ groups: [{group}] }} }}\n",
        team = number % 50
    )
}

fn openapi(number: usize) -> String {
    format!(
        "openapi: 3.0.3\ninfo: {{ title: Api {number}, version: 1.0.0 }}\npaths:\n  /things-{number}:\n    \
         get: {{ operationId: list, responses: {{ \"200\": {{ description: A page }} }} }}\n    \
         post: {{ operationId: create, responses: {{ \"201\": {{ description: Created }} }} }}\n"
    )
}
