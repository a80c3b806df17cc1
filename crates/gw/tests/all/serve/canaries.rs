//! A thousand secrets lie where a server reads, and are shown to it where it listens. The whole story is
//! told, and then all that was written and said is searched for each of them in every form.

use std::{fs, path::PathBuf};

use gw_emulators::bitbucket::Fault;
use gw_testkit::{
    attack,
    backend::Backend,
    canary::{Canaries, varied},
    forge::api,
    wire::{self, Reply},
};
use serde_json::json;
use tokio::task::block_in_place;

use super::stage::Stage;

/// What was said to somebody, and by whom.
type Told = Vec<(String, Vec<u8>)>;

/// Where nothing was planted.
const WRITTEN: &[&str] =
    &["state/state.db", "state/state.db-wal", "state/ledger", "state/targets", "serve.log"];

/// Plants some in the store of secrets, and some in settings that are refused for it.
async fn plant(stage: &mut Stage, stored: &[String], set: &[String], channel: &str) -> Told {
    stage.kill();
    let folder = stage.folder.path().to_owned();
    // The server has one store, and its gateways have another one.
    fs::create_dir_all(folder.join("state/vault")).unwrap();
    for (number, secret) in stored.iter().enumerate() {
        let store = if number % 2 == 0 { "state/vault" } else { "secrets" };
        fs::write(folder.join(format!("{store}/canary-{number}")), secret).unwrap();
    }
    fs::write(folder.join("secrets/notify"), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let path = folder.join("gatewright.toml");
    let settings = fs::read_to_string(&path).unwrap();
    let beside: String = set.iter().map(|secret| format!("# {secret:?}\n")).collect();
    fs::write(folder.join("leaky.toml"), format!("{settings}{beside}")).unwrap();
    let (said, code) = stage.says(&["serve", "--config", "leaky.toml"]);
    assert_eq!(code, 2, "{said}");
    let notify = format!("\n[notify.platform]\nurl = \"{channel}\"\nsecrets = [\"notify\"]\n");
    fs::write(path, settings + &notify).unwrap();
    stage.start().await;
    vec![("what is said of settings".to_owned(), said.into_bytes())]
}

/// Shows some to everybody who listens, as proofs of who asks.
fn show(stage: &Stage, secrets: &[String], told: &mut Told) {
    let server = stage.server.trim_start_matches("http://").parse().unwrap();
    let one_line = secrets.iter().filter(|it| !it.contains('\n') && it.is_ascii());
    for (number, secret) in one_line.enumerate() {
        let bearer = format!("Bearer {secret}");
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
            .append_pair("subject_token", secret)
            .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
            .append_pair("scope", "apply")
            .append_pair("resource", "urn:gatewright:prod")
            .finish();
        let query = url::form_urlencoded::byte_serialize(secret.as_bytes());
        let query = format!("/orders?api_key={}", query.collect::<String>());
        let (address, method, target, headers, body) = match number % 5 {
            0 => (server, "GET", "/v1/whoami".to_owned(), ("authorization", bearer), String::new()),
            1 => {
                let kind = "application/x-www-form-urlencoded".to_owned();
                (server, "POST", "/v1/token".to_owned(), ("content-type", kind), form)
            }
            2 => {
                let signature = ("x-hub-signature", secret.clone());
                (server, "POST", "/v1/webhooks/bitbucket".to_owned(), signature, secret.clone())
            }
            3 => (
                stage.gateway,
                "GET",
                "/orders".to_owned(),
                ("authorization", bearer),
                String::new(),
            ),
            _ => (stage.gateway, "GET", query, ("cookie", secret.clone()), String::new()),
        };
        let headers = [(headers.0, headers.1.as_str())];
        let reply = wire::request(address, method, &target, &headers, body.as_bytes()).unwrap();
        assert!((400..500).contains(&reply.status), "{target}: {}", reply.text());
        told.push((format!("an answer to {method} {target}"), bytes(&reply)));
    }
}

fn bytes(reply: &Reply) -> Vec<u8> {
    let headers: String =
        reply.headers.iter().map(|(name, it)| format!("{name}: {it}\n")).collect();
    [headers.into_bytes(), reply.body.clone()].concat()
}

/// A change is proposed, refused, approved, merged, undone by hand, put back and taken back, while
/// Bitbucket repeats who asked it. The commits of the branch and of the merge.
async fn live(stage: &Stage, api: &str, told: &mut Told) -> (String, String) {
    stage.bitbucket.fail_next("%7D/pullrequests/1/comments", Fault::Echo(500));
    stage.bitbucket.fail_next("%7D/commit/", Fault::Echo(403));
    let proposed = stage.propose(&stage.bob, "sales", api).await;
    stage.comment(1, "waits for").await;
    let (said, code) = stage.asks("bob", &["apply", "--commit", &proposed]);
    assert_eq!(code, 3, "{said}");
    told.push(("a refusal".to_owned(), said.into_bytes()));
    stage.approve(&stage.carol, 1).await;
    stage.comment(1, "✔ yes").await;
    stage.bitbucket.fail_next(".git/", Fault::Echo(401));
    stage.merge(1, "merge_commit").await;
    // Not by git, which the fault is for.
    let main = stage.get("/refs/branches/main").await;
    let merged = main["target"]["hash"].as_str().unwrap().to_owned();
    let (said, _) = stage.asks("ann", &["apply", "--commit", &merged]);
    told.push(("apply".to_owned(), said.into_bytes()));
    stage.tamper("100/1m", "900/1m").await;
    block_in_place(|| stage.await_served("100/1m"));
    for arguments in [
        &["rollback", "--to", "1", "--reason", "sales is wrong"][..],
        &["plan", "--commit", &merged],
        &["apply", "--commit", "0000000000000000000000000000000000000000"],
        &["status"],
        &["history"],
        &["whoami"],
        &["drift"],
    ] {
        let (said, _) = stage.asks("bob", arguments);
        told.push((arguments.join(" "), said.into_bytes()));
    }
    (proposed, merged)
}

/// What stands in Bitbucket.
async fn look_up(stage: &Stage, [first, proposed, merged]: [&String; 3], told: &mut Told) {
    for page in ["/pullrequests/1/comments", "/pullrequests/2/comments"] {
        told.push((page.to_owned(), stage.get(page).await.to_string().into_bytes()));
    }
    for commit in [first, proposed, merged] {
        for page in ["statuses", "reports", "reports/gatewright-plan/annotations"] {
            let path = format!("/commit/{commit}/{page}");
            if commit == proposed || page == "statuses" {
                told.push((path.clone(), stage.get(&path).await.to_string().into_bytes()));
            }
        }
    }
}

/// Shows K1: part (with the faults of this story, not with every fault run; what is in memory is not looked at)
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_secrets_are_seen_nowhere() {
    let mut stage = Stage::new().await;
    assert_eq!(stage.limit("Max core file size"), "0 0 bytes", "no picture of its memory");
    let (channel, upstream) = (Backend::start(), Backend::start());
    let mut secrets = varied(1_000);
    let [stored, set, declared, shown] =
        [0..400, 400..500, 500..700, 700..1_000].map(|it| secrets[it].to_vec());
    let mut told = plant(&mut stage, &stored, &set, &channel.url()).await;

    // Where it declares something, nobody gets past with them.
    let key = format!(
        "upstream: {{ url: {}, auth: {{ header: {{ name: X-Key, secret: canary-0 }} }} }}",
        upstream.url()
    );
    let declare =
        |groups: &str| api(groups, "100/1m").replace("upstream: { url: http://127.0.0.1:9 }", &key);
    let environment = fs::read_to_string(stage.desk().join("environments/prod.yaml")).unwrap();
    let environment = environment
        + "  secrets:
    files: { directory: vault }
    allow: [{ names: [canary-0], apis: [orders], hosts: [\"127.0.0.1\"] }]
  notify: [{ webhook: platform, on: [denied, drift, failed, waiting] }]
";
    let files = [
        ("README.md", declared.concat()),
        ("apis/orders/api.yaml", declare("orders-team")),
        ("environments/prod.yaml", environment),
    ];
    let first = stage.publish(&files, "Declare what is needed").await;
    let (said, code) = stage.asks("ann", &["apply", "--commit", &first]);
    assert_eq!(code, 0, "{said}{}", stage.said());
    told.push(("apply".to_owned(), said.into_bytes()));
    assert_eq!(stage.call("GET", &[]).unwrap().status, 200);
    assert!(upstream.requests().iter().any(|it| it.header("x-key") == Some(&stored[0])));
    block_in_place(|| show(&stage, &shown, &mut told));

    let (proposed, merged) = live(&stage, &declare("orders-team, sales"), &mut told).await;

    // What a person pastes is refused, and told without it.
    let beside: String = declared.iter().map(|secret| format!("# {secret:?}\n")).collect();
    let wrong = declare("orders-team") + &beside;
    stage.propose(&stage.bob, "pasted", &wrong).await;
    let comment = stage.comment(2, "GW").await;
    told.push(("what is said of a pasted secret".to_owned(), comment.into_bytes()));

    look_up(&stage, [&first, &proposed, &merged], &mut told).await;
    for it in channel.requests() {
        let headers = it.headers.iter().map(|(name, value)| format!("{name}: {value}\n"));
        let heard = [headers.collect::<String>().into_bytes(), it.body].concat();
        told.push(("a notification".to_owned(), heard));
    }
    assert!(told.iter().any(|(name, _)| name == "a notification"), "{}", stage.said());
    stage.kill();

    for whose in [&stage.ann, &stage.bob, &stage.carol] {
        secrets.push(whose.token.reveal().clone());
    }
    secrets.push(gw_testkit::forge::HOOK_SECRET.to_owned());
    secrets.push(stage.token("bob", "x", &[]).split('.').nth(2).unwrap().to_owned());
    let folder = stage.folder.path();
    let written: Vec<PathBuf> = WRITTEN.iter().map(|it| folder.join(it)).collect();
    attack::unseen(&secrets, &told, &written);
    // The copy of the repository has what the repository has, and nothing else.
    let others = [&stored[..], &set, &shown].concat();
    attack::unseen(&others, &[], &[folder.join("state/source")]);

    // The search sees what there is to see.
    let canaries = Canaries::of(&secrets);
    let planted = canaries.find(&fs::read(folder.join("leaky.toml")).unwrap());
    assert!(planted.len() >= set.len(), "{}", planted.len());
    fs::write(folder.join("state/targets/one"), json!({ "key": stored[7] }).to_string()).unwrap();
    let leak = || attack::unseen(&secrets, &[], &written);
    assert!(std::panic::catch_unwind(leak).is_err(), "a leak is not found");
}
