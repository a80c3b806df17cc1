//! What is said to people who make a slip, or ask at the wrong place.

use std::fs;

use gw_testkit::{
    backend::{Answer, Backend},
    forge::api,
};

use super::stage::{Stage, said};

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_is_told_with_what_helps() {
    let stage = Stage::new().await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    let commit = first.as_str();
    let whole = "`git rev-parse HEAD` tells the whole hash";
    let slips: &[(&[&str], i32, &[&str])] = &[
        (&["plan"], 2, &["no commit is named", whole]),
        (&["plan", "--commit", "HEAD"], 2, &["`HEAD` is not the whole hash of a commit", whole]),
        (&["apply", "--commit", "0cdd9d5"], 2, &["`0cdd9d5` is not the whole hash", whole]),
        (
            &["apply", "--commit", commit, "--only", "nosuch"],
            2,
            &["error[GW1110]: no API is called `nosuch`", "declared are: orders"],
        ),
        (&["plan", "--commit", commit, "--only", "nosuch"], 2, &["no API is called `nosuch`"]),
        (&["check"], 2, &["its work on this machine", "who is signed in: login, logout, whoami"]),
    ];
    for (arguments, exit, words) in slips {
        let (told, code) = stage.asks("ann", arguments);
        assert_eq!(code, *exit, "{arguments:?}: {told}");
        for words in *words {
            assert!(told.contains(words), "{arguments:?}: {told}");
        }
    }
    let at = |server: &str, arguments: &[&str]| {
        let named = ["--server", server, "--env", "nosuch"];
        let mut program = stage.program(&[arguments, &named].concat());
        program.env("GATEWRIGHT_TOKEN_FILE", stage.folder.path().join("proof.jwt"));
        said(program.output().unwrap())
    };
    for arguments in [
        &["drift", "--exit-code"][..],
        &["history"],
        &["status"],
        &["doctor"],
        &["show", "secrets"],
        &["can", "--who-can", "apply"],
    ] {
        let (told, code) = at(&stage.server, arguments);
        assert_eq!(code, 2, "{arguments:?}: {told}");
        assert!(told.contains("error[GW3113]: there is no environment `nosuch`"), "{told}");
        assert!(told.contains("declared are: prod"), "{arguments:?}: {told}");
    }
    let (told, code) = at("http://10.0.0.1", &["status"]);
    assert!(code == 2 && told.contains("name the server as `--server https://HOST`"), "{told}");
    let stranger = Backend::start();
    stranger.set_answer(Answer {
        status: 404,
        body: b"nothing here".to_vec(),
        ..Answer::default()
    });
    let (told, code) = at(&stranger.url(), &["status"]);
    assert!(code == 1 && told.contains("is that a Gatewright server"), "{told}");

    fs::write(stage.folder.path().join("proof.jwt"), "\n").unwrap();
    let (told, code) = at(&stage.server, &["status"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("is empty") && told.contains("GATEWRIGHT_TOKEN_FILE"), "{told}");
}

/// The environment need not be named where the folder declares one, or the server has one.
#[tokio::test(flavor = "multi_thread")]
async fn the_only_environment_of_a_folder_or_a_server_is_meant() {
    let stage = Stage::new().await;
    let token = stage.folder.path().join("proof.jwt");
    fs::write(&token, stage.token("ann", "https://gatewright.test", &[])).unwrap();
    let desk = stage.desk();
    let at = |folder: &str, command: &[&str]| {
        let folder = stage.folder.path().join(folder);
        let named = ["--server", &stage.server, "-w", folder.to_str().unwrap()];
        let mut program = stage.program(&[command, &named].concat());
        said(program.env("GATEWRIGHT_TOKEN_FILE", &token).output().unwrap())
    };
    let desk_name = desk.to_str().unwrap();
    let (told, code) = at(desk_name, &["whoami"]);
    assert!(code == 0 && told.contains("operators  ann of"), "{told}");
    let (told, code) = at("", &["whoami"]);
    assert!(code == 2 && told.contains("no environment is named"), "{told}");

    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    // The files are broken, which is when people want to go back.
    let declared = fs::read_to_string(desk.join("gatewright.yaml")).unwrap();
    fs::write(desk.join("gatewright.yaml"), declared.replace("spec:", "spek:")).unwrap();
    for folder in [desk_name, ""] {
        for command in [
            &["status"][..],
            &["history"],
            &["can", "--who-can", "rollback"],
            &["rollback", "--to", "1"],
        ] {
            let (told, code) = at(folder, command);
            assert_eq!(code, 0, "{folder} {command:?}: {told}");
        }
        let (told, _) = at(folder, &["doctor"]);
        assert!(told.contains("target default"), "{told}");
    }
}

/// What is done here is not mistaken for what a server does.
#[tokio::test(flavor = "multi_thread")]
async fn the_state_of_a_server_is_not_that_of_a_clone() {
    let stage = Stage::new().await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    let desk = stage.desk();
    let here = |arguments: &[&str]| {
        let place = ["-w", desk.to_str().unwrap()];
        said(stage.program(&[arguments, &place].concat()).output().unwrap())
    };
    for (command, exit) in [("plan", 0), ("status", 0), ("doctor", 1)] {
        let (told, code) = here(&[command]);
        assert_eq!(code, exit, "{command}: {told}");
        assert!(told.contains("this folder follows acme/apis"), "{command}: {told}");
        assert!(told.contains("its server knows (`--server URL`)"), "{command}: {told}");
    }
    // Whoever looks back is told where it is known; whoever names a state knows whose it is.
    let elsewhere = "its server knows and its ledger tells";
    for command in [&["history"][..], &["audit", "list"], &["explain", "--last"]] {
        let (told, _) = here(command);
        assert!(told.contains(elsewhere), "{command:?}: {told}");
        let (told, _) = here(&[command, &["--state", "state"]].concat());
        assert!(!told.contains(elsewhere), "{command:?}: {told}");
    }
    let before = stage.generation();
    for command in [&["apply"][..], &["rollback", "--to", "1", "--no-input"]] {
        let (told, code) = here(&[command, &["--state", "state"]].concat());
        assert_eq!(code, 3, "{command:?}: {told}");
        assert!(told.contains("error[GW6203]: the state here is of a server"), "{told}");
        assert!(told.contains("`--server URL`, or GATEWRIGHT_SERVER"), "{told}");
    }
    assert_eq!(stage.generation(), before);
}

/// A name that nobody has is told with those that are meant, and calls are judged by the files here.
#[tokio::test(flavor = "multi_thread")]
async fn a_misspelt_name_is_told_with_the_one_that_is_meant() {
    let stage = Stage::new().await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    let slips: &[(&[&str], &str)] = &[
        (&["can", "person/carl", "apply"], "help: did you mean `person/carol`?"),
        (&["can", "carol", "apply"], "help: did you mean `person/carol`?"),
        (
            &["can", "person/alexandra", "apply"],
            "help: known are: anyone, branch/NAME, operators, ",
        ),
        (&["--env", "prd", "status"], "help: declared are: prod; did you mean `prod`?"),
    ];
    let desk = stage.desk();
    let place = ["-w", desk.to_str().unwrap()];
    let ask = |arguments: &[&str]| {
        let mut program = stage.program(&[arguments, &place].concat());
        program.env("GATEWRIGHT_SERVER", &stage.server);
        said(
            program
                .env("GATEWRIGHT_TOKEN_FILE", stage.folder.path().join("proof.jwt"))
                .output()
                .unwrap(),
        )
    };
    for (arguments, words) in slips {
        let (told, code) = ask(arguments);
        assert!(code == 2 && told.contains(words), "{arguments:?}: {told}");
    }
    let (told, code) = ask(&["can", "operators", "APPLY"]);
    assert!(code == 2 && told.contains("did you mean `gatewright can operators apply`?"), "{told}");
    let (told, code) = ask(&["can", "--who-can", "apply", "changes"]);
    assert!(code == 2 && told.contains("`gatewright can --who-can apply`"), "{told}");

    let (told, code) = ask(&["can", "staff", "GET", "/orders"]);
    assert!(code == 0 && told.contains("by the files here"), "{told}");
    let (told, _) = ask(&["can", "staff", "GET", "/orders", "--json"]);
    assert!(told.contains("\"by\":\"files\""), "{told}");
}

/// Without the secret of its webhooks a server does not start, and says where it is named and where it
/// belongs.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_secret_is_told_with_its_line_and_its_place() {
    let mut stage = Stage::new().await;
    stage.kill();
    let secret = stage.folder.path().join("secrets/bitbucket-webhook");
    for (text, words) in [(None, "holds no `bitbucket-webhook`"), (Some(""), "is empty")] {
        match text {
            None => fs::remove_file(&secret).unwrap(),
            Some(text) => fs::write(&secret, text).unwrap(),
        }
        let (told, code) = stage.says(&["serve", "--config", "gatewright.toml"]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("error[GW7201]") && told.contains(words), "{told}");
        assert!(told.contains("gatewright.toml:14: `bitbucket.webhookSecrets` names it"), "{told}");
        assert!(
            told.contains("help: put it there: ") && told.contains("bitbucket-webhook"),
            "{told}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_that_was_left_is_told_as_held() {
    let stage = Stage::new().await;
    let first = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &first]).1, 0);
    let proposed = stage.propose(&stage.bob, "more", &api("orders-team", "200/1m")).await;
    let merged = stage.bring(&proposed).await;

    let (told, code) = stage.asks("bob", &["rollback", "--to", "1", "--reason", "too many calls"]);
    assert_eq!(code, 0, "{told}");
    let (told, code) = stage.asks("bob", &["plan", "--commit", &merged, "--exit-code"]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("change 2 did this and was rolled back: it is held"), "{told}");
    assert_eq!(stage.asks("bob", &["plan", "--commit", &merged]).1, 0);
    let (told, code) = stage.asks("bob", &["apply", "--commit", &merged]);
    assert!(code == 3 && told.contains("error[GW3103]"), "{told}");
    let again = format!(
        "to have just that state again: `gatewright --server {} --env prod rollback --to 2`",
        stage.server
    );
    assert!(told.contains(&again), "{told}");
    let (told, _) = stage.asks("bob", &["explain", "--last"]);
    assert!(told.contains("--env prod rollback --to 2`"), "{told}");
    let (told, code) = stage.asks("bob", &["history"]);
    assert_eq!(code, 0, "{told}");
    let newest: Vec<&str> = told.lines().next().unwrap().split("  ").collect();
    assert!(newest.contains(&"rollback (= 1)"), "{told}");
    assert!(told.contains("operators (bob)   \"too many calls\""), "{told}");
    let left = || stage.asks("bob", &["status"]).0;
    assert!(left().contains("the state of change 2 is held"), "{}", left());
    // What is in force is held by nobody.
    let (told, code) = stage.asks("bob", &["rollback", "--to", "2", "--reason", "calls are few"]);
    assert_eq!(code, 0, "{told}");
    assert!(!left().contains("the state of change 2 is held"), "{}", left());
}
