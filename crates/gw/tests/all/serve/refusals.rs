//! The same change, refused for every reason there is: in one table what is said, in Bitbucket and by the
//! command line, and how it ends. Each time the gateway serves what it served, and the ledger has one
//! refusal more.

use std::fmt::Write as _;

use gw_emulators::bitbucket::Permission;
use gw_testkit::{
    forge::{Forge, Somebody, api, signature},
    signer::Signer,
    wire::{Reply, request},
};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::stage::{File, Stage};

const AUDIENCE: &str = "https://gatewright.test";
/// So many more APIs there are that a change can delete.
const MORE: [&str; 6] = ["apples", "bread", "cheese", "dates", "eggs", "figs"];

struct Trial {
    stage: Stage,
    /// The table.
    told: String,
    /// The last pull request, and its head.
    number: u64,
    head: String,
}

impl Drop for Trial {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.told);
        }
    }
}

/// Where a pipeline deploys to; only its steps may apply.
const PRODUCTION: &str = "production";

fn declared(forge: &Forge, files: Vec<File>) -> Vec<File> {
    let production = forge.bitbucket.add_environment(&forge.repository, PRODUCTION).unwrap();
    let mut files: Vec<File> = files
        .into_iter()
        .map(|(path, text)| {
            let apply = "identities: [server, pipeline, operators], \
                         commit: { branch: main, approvals: 1 } }";
            let by_step = format!(
                "identities: [server, operators], commit: {{ branch: main, approvals: 1 }}, \
                 deletes: true }}\n    - {{ actions: [apply], identities: [pipeline], \
                 claims: {{ deploymentEnvironmentUuid: [\"{production}\"] }}, \
                 commit: {{ branch: main }} }}"
            );
            let text = text.replace(apply, &by_step).replace("every: 1s", "every: 1h");
            (path, text)
        })
        .collect();
    for name in MORE {
        let (api, openapi) = paths(name);
        files.push((api, another(name, openapi)));
        files.push((openapi, gw_testkit::forge::OPENAPI.replace("orders", name)));
    }
    files
}

fn paths(name: &str) -> (&'static str, &'static str) {
    // A test ends before that matters.
    let leak = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    (leak(format!("apis/{name}/api.yaml")), leak(format!("apis/{name}/openapi.yaml")))
}

fn another(name: &str, openapi: &str) -> String {
    format!(
        "apiVersion: gatewright.io/v1alpha1\nkind: Api\nmetadata: {{ name: {name} }}\nspec:\n  \
         openapi: {{ file: {openapi} }}\n  upstream: {{ url: http://127.0.0.1:9 }}\n  \
         access: [{{ methods: [GET], identities: [staff] }}]\n"
    )
}

impl Trial {
    fn title(&mut self, why: &str) {
        let _ = writeln!(self.told, "{}# {why}", if self.told.is_empty() { "" } else { "\n" });
    }

    fn line(&mut self, text: &str) {
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let line = self.steady(line);
            let _ = writeln!(self.told, "  {line}");
        }
    }

    /// A line without what differs from run to run.
    fn steady(&self, line: &str) -> String {
        let named = [
            (self.stage.repository.to_string(), "{REPOSITORY}"),
            (self.stage.workspace.to_string(), "{WORKSPACE}"),
            (self.stage.server.clone(), "SERVER"),
            (self.stage.bitbucket.url().to_owned(), "BITBUCKET"),
        ];
        let line = named.iter().fold(line.to_owned(), |line, (from, to)| line.replace(from, to));
        let is_part = |sign: char| sign.is_ascii_alphanumeric() || sign == '-';
        let (mut text, mut word) = (String::new(), String::new());
        for sign in line.chars().chain(['\n']) {
            if is_part(sign) {
                word.push(sign);
            } else {
                text.push_str(&kept(&std::mem::take(&mut word)));
                text.push(sign);
            }
        }
        text.trim_end().to_owned()
    }

    fn refusals(&self) -> usize {
        let ledger = ["--ledger", "state/ledger", "--key", "state/ledger.pub"];
        let acts = ["audit", "list", "--act", "change.decided"];
        let (told, code) = self.stage.says(&[&acts[..], &ledger].concat());
        assert_eq!(code, 0, "{told}");
        told.lines().filter(|line| line.contains(" refused ")).count()
    }

    /// Asks for a change that must not be made.
    fn refused(&mut self, ask: impl FnOnce(&Stage) -> (String, i32)) {
        let (before, generation) = (self.refusals(), self.stage.generation());
        let (told, code) = ask(&self.stage);
        assert_ne!(code, 0, "{told}");
        self.line(&told);
        self.line(&format!("exit {code}"));
        assert_eq!(self.refusals(), before + 1, "one entry: {told}");
        self.untouched(generation);
    }

    /// Asks by a proof that must not be taken. That is no decision on a change.
    fn turned_away(&mut self, why: &str, proof: &str, arguments: &[&str]) {
        let (before, generation) = (self.refusals(), self.stage.generation());
        self.title(why);
        let (told, code) = self.stage.shows(proof, arguments);
        assert_eq!(code, 3, "{told}");
        self.line(&told);
        self.line(&format!("exit {code}"));
        assert_eq!(self.refusals(), before, "{told}");
        self.untouched(generation);
    }

    fn untouched(&self, generation: u64) {
        assert_eq!(self.stage.generation(), generation, "nothing was written");
        assert_eq!(self.stage.call("POST", &["sales"]).unwrap().status, 403, "it serves the old");
    }

    /// The first line of the one comment.
    async fn comment(&mut self, says: &str) {
        let comment = self.stage.comment(self.number, says).await;
        let head = comment.lines().next().unwrap_or_default().to_owned();
        self.line(&format!("below the pull request: {head}"));
        let refused =
            comment.lines().filter(|line| line.starts_with("Approvals")).map(str::to_owned);
        refused.collect::<Vec<_>>().iter().for_each(|line| self.line(line));
    }

    async fn propose(&mut self, who: Who, branch: &str, text: &str) {
        self.number += 1;
        self.head = self.stage.propose(who.of(&self.stage), branch, text).await;
    }

    /// Somebody approves what stands below the pull request and beside its head.
    async fn approve(&self, who: Who) {
        self.stage.status(&self.head, "gatewright-plan", "").await;
        self.stage.approve(who.of(&self.stage), self.number).await;
    }

    /// Merges the last pull request: it is refused beside the commit, and once more to whoever asks.
    async fn merge_in_vain(&mut self, says: &str) {
        let (before, generation) = (self.refusals(), self.stage.generation());
        self.stage.merge(self.number, "squash").await;
        let merged = self.stage.head("main").await;
        let told = self.stage.status(&merged, "gatewright-apply-prod", says).await;
        self.line(&format!("beside the commit: {told}"));
        assert_eq!(self.refusals(), before + 1, "one entry: {told}");
        self.untouched(generation);
        self.refused(|stage| stage.asks("ann", &["apply", "--commit", &merged]));
        self.take_back().await;
    }

    /// Ann takes back what was merged last.
    async fn take_back(&self) {
        let (stage, desk) = (&self.stage, self.stage.desk());
        stage.git(&desk, &["fetch", "--quiet", "origin", "main"]).await;
        stage.git(&desk, &["reset", "--quiet", "--hard", "FETCH_HEAD"]).await;
        stage.git(&desk, &["revert", "--no-edit", "HEAD"]).await;
        stage.push(&stage.ann, &desk, &["HEAD:refs/heads/main"]).await;
    }

    fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let address = self.stage.server.trim_start_matches("http://").parse().unwrap();
        request(address, "POST", path, headers, body.as_bytes()).unwrap()
    }
}

#[derive(Clone, Copy)]
enum Who {
    Ann,
    Bob,
    Carol,
}

impl Who {
    fn of(self, stage: &Stage) -> &Somebody {
        match self {
            Self::Ann => &stage.ann,
            Self::Bob => &stage.bob,
            Self::Carol => &stage.carol,
        }
    }
}

/// Ids and hashes are those of every run.
fn kept(word: &str) -> String {
    let is_hash = |text: &str| {
        [7, 12, 40].contains(&text.len())
            && text.chars().all(|sign| sign.is_ascii_hexdigit() && !sign.is_ascii_uppercase())
    };
    for sign in ["d-", "p-", "r-", "t-"] {
        if word.strip_prefix(sign).is_some_and(|rest| rest.len() > 5) {
            return format!("{sign}ID");
        }
    }
    let is_uuid = word.len() == 36 && word.matches('-').count() == 4;
    let is_day = word.len() == 10 && word.starts_with("20") && word.matches('-').count() == 2;
    match word {
        _ if is_hash(word) => "COMMIT".to_owned(),
        _ if is_uuid => "UUID".to_owned(),
        _ if is_day => "DAY".to_owned(),
        _ => word.to_owned(),
    }
}

fn widened() -> String {
    api("orders-team, sales", "100/1m")
}

/// Shows S2.31: part (the emulated Bitbucket)
#[tokio::test(flavor = "multi_thread")]
async fn the_same_change_is_refused_for_each_reason_in_words() {
    let stage = Stage::declaring(declared).await;
    let old = stage.head("main").await;
    stage.publish(&[("README.md", "Orders.\n".to_owned())], "Say what it is").await;
    let head = stage.head("main").await;
    let (told, code) = stage.asks("ann", &["apply", "--commit", &head]);
    assert_eq!(code, 0, "{told}");
    let mut trial = Trial { stage, told: String::new(), number: 0, head };
    reviews(&mut trial).await;
    files(&mut trial, &old).await;
    proofs(&mut trial).await;
    webhooks(&mut trial);

    // What is right is done all the same.
    trial.propose(Who::Bob, "right", &widened()).await;
    trial.approve(Who::Carol).await;
    trial.stage.comment(trial.number, "✔ yes").await;
    trial.stage.merge(trial.number, "squash").await;
    let merged = trial.stage.head("main").await;
    trial.stage.status(&merged, "gatewright-apply-prod", "applied and verified").await;
    assert_ne!(trial.stage.call("POST", &["sales"]).unwrap().status, 403);
    insta::assert_snapshot!("refusals", trial.told);
}

async fn reviews(trial: &mut Trial) {
    trial.title("not on the declared branch");
    trial.propose(Who::Bob, "branch", &widened()).await;
    trial.comment("waits for").await;
    trial.approve(Who::Carol).await;
    trial.comment("✔ yes").await;
    let proposed = trial.head.clone();
    trial.refused(|stage| stage.asks("bob", &["apply", "--commit", &proposed]));

    trial.title("it widens, and security did not approve");
    trial.propose(Who::Bob, "widens", &widened()).await;
    trial.approve(Who::Ann).await;
    trial.comment("needs approval by team security").await;
    trial.merge_in_vain("refused").await;

    trial.title("approved by its author");
    trial.propose(Who::Carol, "author", &widened()).await;
    trial.approve(Who::Carol).await;
    trial.comment("do not count").await;
    trial.merge_in_vain("refused").await;

    trial.title("approved before the last push");
    trial.propose(Who::Bob, "later", &widened()).await;
    trial.approve(Who::Carol).await;
    trial.stage.comment(trial.number, "✔ yes").await;
    let desk = trial.stage.desk();
    trial.stage.git(&desk, &["checkout", "--quiet", "later"]).await;
    let more = trial.stage.commit(&desk, "One more").await;
    trial.stage.push(&trial.stage.bob, &desk, &["HEAD:refs/heads/later"]).await;
    trial.stage.git(&desk, &["checkout", "--quiet", "main"]).await;
    let short: String = more.chars().take(7).collect();
    trial.comment(&format!("for commit {short}")).await;
    trial.merge_in_vain("refused").await;

    trial.title("approved by somebody who lost their rights since");
    trial.propose(Who::Bob, "rights", &widened()).await;
    trial.approve(Who::Carol).await;
    trial.stage.comment(trial.number, "✔ yes").await;
    let (repository, carol) = (&trial.stage.repository, &trial.stage.carol.uuid);
    trial.stage.bitbucket.permit(repository, carol, Some(Permission::Read)).unwrap();
    trial.merge_in_vain("refused").await;
    let (repository, carol) = (&trial.stage.repository, &trial.stage.carol.uuid);
    trial.stage.bitbucket.permit(repository, carol, Some(Permission::Write)).unwrap();
}

async fn files(trial: &mut Trial, old: &str) {
    trial.title("older than what is in force");
    trial.refused(|stage| stage.asks("ann", &["apply", "--commit", old]));

    trial.title("it deletes more than the ceiling");
    trial.number += 1;
    let (stage, desk) = (&trial.stage, trial.stage.desk());
    stage.git(&desk, &["checkout", "--quiet", "-b", "fewer", "main"]).await;
    let folders = MORE.map(|name| format!("apis/{name}"));
    let folders: Vec<&str> = folders.iter().map(String::as_str).collect();
    stage.git(&desk, &[&["rm", "-r", "--quiet"], &folders[..]].concat()).await;
    trial.head = stage.commit(&desk, "Fewer").await;
    stage.push(&stage.bob, &desk, &["HEAD:refs/heads/fewer"]).await;
    stage.open(&stage.bob, "fewer", "Fewer").await;
    stage.git(&desk, &["checkout", "--quiet", "main"]).await;
    trial.approve(Who::Carol).await;
    trial.comment("waits for").await;
    trial.merge_in_vain("refused").await;

    trial.title("nothing is declared any more");
    let (stage, desk) = (&trial.stage, trial.stage.desk());
    stage.git(&desk, &["rm", "-r", "--quiet", "gatewright.yaml", "environments", "apis"]).await;
    let empty = stage.commit(&desk, "Nothing").await;
    stage.push(&stage.ann, &desk, &["HEAD:refs/heads/main"]).await;
    trial.refused(|stage| stage.asks("ann", &["apply", "--commit", &empty]));
    trial.take_back().await;

    trial.title("what is declared does not compile");
    let wrong = widened().replace("limits:", "limitz:");
    trial.propose(Who::Bob, "wrong", &wrong).await;
    trial.comment("✘").await;
    let proposed = trial.head.clone();
    trial.refused(|stage| stage.asks("ann", &["apply", "--commit", &proposed]));
}

async fn proofs(trial: &mut Trial) {
    let head = trial.stage.head("main").await;
    let apply = ["apply", "--commit", head.as_str()];
    let stage = &trial.stage;
    let bitbucket = &stage.bitbucket;
    let environment = |name: &str| bitbucket.add_environment(&stage.repository, name).unwrap();
    let (staging, elsewhere) =
        (environment("staging"), stage.token("bob", "https://else.test", &[]));
    let other_key = Signer::es256("key-2");
    let unknown = stage.signed(&other_key, "bob", AUDIENCE, &[], 3600);
    let over = stage.old_token("bob");
    let other = bitbucket.add_repository(&stage.workspace, "other").unwrap();
    let foreign = foreign(stage, &other.to_string());
    let wrong_stage = stage.deploying(AUDIENCE, Some(&staging));
    let twice = stage.step_token(AUDIENCE);
    trial.turned_away("a token for somebody else", &elsewhere, &apply);
    trial.turned_away("a token by an unknown key", &unknown, &apply);
    trial.turned_away("a token that is over", &over, &apply);
    trial.turned_away("a step of another repository", &foreign, &apply);
    trial.title("a step that deploys to another environment");
    trial.refused(|stage| stage.shows(&wrong_stage, &apply));
    trial.title("a step that deploys to none");
    trial.refused(|stage| stage.shows(&twice, &apply));
    trial.turned_away("a step that comes a second time", &twice, &apply);

    trial.title("a token of ours that was taken back");
    let proof = trial.stage.token("bob", AUDIENCE, &[]);
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let exchange = format!(
        "grant_type=urn:ietf:params:oauth:grant-type:token-exchange&subject_token={proof}\
         &subject_token_type=urn:ietf:params:oauth:token-type:jwt&scope=apply+view\
         &resource=urn:gatewright:prod"
    );
    let given = trial.post("/v1/token", &form, &exchange);
    assert_eq!(given.status, 200, "{}", given.text());
    let token = given.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(trial.post("/v1/token/revoke", &form, &format!("token={token}")).status, 200);
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let order = json!({ "action": "apply", "commit": head }).to_string();
    let reply = trial.post("/v1/environments/prod/changes", &headers, &order);
    let text = problem(&reply);
    trial.line(&text);
}

/// The token of a step of another repository of the workspace.
fn foreign(stage: &Stage, repository: &str) -> String {
    let (workspace, step) = (stage.workspace.to_string(), stage.bob.uuid.to_string());
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let issuer = "2.0/workspaces/acme/pipelines-config/identity/oidc";
    let claims = json!({
        "iss": format!("{}/{issuer}", stage.bitbucket.url()), "aud": AUDIENCE,
        "sub": format!("{repository}:{step}"), "workspaceUuid": workspace,
        "repositoryUuid": repository, "pipelineUuid": workspace, "stepUuid": step,
        "iat": now, "exp": now + 3600,
    });
    stage.bitbucket.forge_token(&stage.workspace, &claims).unwrap().unwrap()
}

fn webhooks(trial: &mut Trial) {
    let generation = trial.stage.generation();
    let body = json!({
        "actor": {}, "repository": { "uuid": trial.stage.repository.to_string() }, "push": { "changes": [] },
    })
    .to_string();
    let send = |trial: &Trial, signature: &str| {
        let headers = [
            ("content-type", "application/json"),
            ("x-event-key", "repo:push"),
            ("x-hub-signature", signature),
        ];
        trial.post("/v1/webhooks/bitbucket", &headers, &body)
    };
    trial.title("a webhook that nobody signed");
    let text = problem(&send(trial, &signature(b"another body")));
    trial.line(&text);
    trial.title("a webhook that comes a second time");
    assert_eq!(send(trial, &signature(body.as_bytes())).status, 202);
    let reply = send(trial, &signature(body.as_bytes()));
    let text = problem(&reply);
    trial.line(&text);
    trial.untouched(generation);
}

fn problem(reply: &Reply) -> String {
    let status = reply.status;
    let body: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let text = |name: &str| body[name].as_str().map(|text| format!("\n{name}: {text}"));
    let texts = ["title", "reason", "code", "help"].iter().filter_map(|name| text(name));
    format!("answer {status}{}", texts.collect::<String>())
}
