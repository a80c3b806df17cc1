//! People sign in at a certified provider, and what they do then is theirs until they sign out.

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::Stdio,
};

use gw_testkit::{
    absent::not_run,
    oidc_provider::{Decision, OidcProvider, TOOL},
};
use serde_json::Value;

use super::stage::{Stage, said};

const RESOURCE: &str = "https://gatewright.test";

/// A server whose people sign in at the provider; bob of the provider is an owner.
async fn stage(provider: &OidcProvider, scope: &str) -> Stage {
    let mut stage = Stage::new().await;
    stage.kill();
    let path = stage.folder.path().join("gatewright.toml");
    let settings = fs::read_to_string(&path).unwrap();
    let settings = settings.replace("login = \"operators\"", "login = \"people\"");
    let more = format!(
        "
[identities.people]
issuer = \"{}\"
audiences = [\"{RESOURCE}\"]

[identities.people.device]
clientId = \"{TOOL}\"
scope = \"{scope}\"
resource = \"{RESOURCE}\"

[[owners]]
identity = \"people\"
subject = \"bob\"
",
        provider.issuer()
    );
    fs::write(path, settings + &more).unwrap();
    stage.start().await;
    stage
}

fn asks(stage: &Stage, arguments: &[&str]) -> (String, i32) {
    let server = ["--server", stage.server.as_str(), "--env", "prod"];
    said(stage.program(&[arguments, &server].concat()).output().unwrap())
}

/// What `login --json` says first, what it says once the person has decided, and how it ends.
fn sign_in(stage: &Stage, provider: &OidcProvider, decision: Decision) -> (Value, String, i32) {
    let mut login = stage
        .program(&["login", "--json", "--server", &stage.server])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(login.stdout.take().unwrap());
    let mut line = String::new();
    lines.read_line(&mut line).unwrap();
    let waiting: Value = serde_json::from_str(&line).unwrap();
    provider.decide(waiting["code"].as_str().unwrap(), decision);
    let mut rest = String::new();
    lines.read_to_string(&mut rest).unwrap();
    let (told, code) = said(login.wait_with_output().unwrap());
    (waiting, rest + &told, code)
}

fn kept(stage: &Stage) -> PathBuf {
    let folder = stage.folder.path().join(".local/state/gatewright/sign-ins");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files = files.filter(|path| path.extension().is_some_and(|it| it == "json"));
    let file = files.next().unwrap();
    assert!(files.next().is_none(), "one file for one server");
    file
}

/// Changes what is kept, as time or somebody else would.
fn alter(path: &PathBuf, change: impl FnOnce(&mut Value)) -> Value {
    let mut document: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut document);
    fs::write(path, document.to_string()).unwrap();
    document
}

/// Shows S1.15: holds
/// Shows S4.24: holds
#[tokio::test(flavor = "multi_thread")]
async fn somebody_signs_in_works_and_signs_out() {
    if !OidcProvider::is_installed() {
        return not_run("there is no provider to test against: run `make counterparts`");
    }
    let provider = OidcProvider::start();
    let stage = stage(&provider, "openid read offline_access").await;
    let head = stage.head("main").await;
    let (told, code) = asks(&stage, &["whoami"]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("error[GW4007]: nobody is signed in for"), "{told}");
    let (told, code) = asks(&stage, &["login", "--no-input"]);
    assert_eq!(code, 2, "{told}");

    let (waiting, told, code) = sign_in(&stage, &provider, Decision::Confirm);
    assert_eq!(code, 0, "{told}{}", stage.said());
    assert!(waiting["address"].as_str().unwrap().starts_with(provider.issuer()), "{waiting}");
    assert!(
        told.contains("\"identity\":\"people\"") && told.contains("\"isRenewed\":true"),
        "{told}"
    );
    let file = kept(&stage);
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let (told, code) = asks(&stage, &["whoami"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("people  bob of {}", provider.issuer())), "{told}");
    assert!(told.contains("signed in until 2"), "{told}");
    let (told, code) = asks(&stage, &["plan", "--commit", &head]);
    assert_eq!(code, 0, "{told}");

    // Its access token ends: the issuer gives another one.
    let before = alter(&file, |kept| kept["expiresAt"] = "2020-01-01T00:00:00Z".into());
    let (told, code) = asks(&stage, &["plan", "--commit", &head]);
    assert_eq!(code, 0, "{told}");
    let after = alter(&file, |_| {});
    assert_ne!(before["accessToken"], after["accessToken"]);

    let (told, code) = asks(&stage, &["logout"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("signed out for"), "{told}");
    assert!(!file.exists());
    // The file as somebody copied it opens nothing new: the issuer took back what renews it.
    fs::write(&file, after.to_string()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    alter(&file, |kept| kept["expiresAt"] = "2020-01-01T00:00:00Z".into());
    let (told, code) = asks(&stage, &["plan", "--commit", &head]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("error[GW4007]: you are not signed in any more"), "{told}");
    assert!(told.contains(&format!("help: gatewright --server {} login", stage.server)), "{told}");
    assert!(!file.exists(), "what is over is not kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_does_not_sign_in_stays_outside() {
    if !OidcProvider::is_installed() {
        return not_run("there is no provider to test against: run `make counterparts`");
    }
    let provider = OidcProvider::start();
    let stage = stage(&provider, "openid read").await;
    let (_, told, code) = sign_in(&stage, &provider, Decision::Abort);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("the sign-in was denied"), "{told}");

    // Without a refresh token a sign-in ends with its access token.
    let (_, told, code) = sign_in(&stage, &provider, Decision::Confirm);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\"isRenewed\":false"), "{told}");
    let file = kept(&stage);
    alter(&file, |kept| kept["expiresAt"] = "2020-01-01T00:00:00Z".into());
    let (told, code) = asks(&stage, &["history", "--json"]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("\"code\":\"GW4007\""), "{told}");
    let (told, code) = asks(&stage, &["logout", "--json"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("\"wasSignedIn\":false"), "{told}");
}
