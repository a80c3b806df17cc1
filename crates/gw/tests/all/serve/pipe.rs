//! The step of a pipeline, as its script: by the token that Bitbucket gives a step.

use std::{path::Path, process::Command};

use super::stage::{Stage, said};

fn script() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../pipe/pipe.sh"))
}

fn run(stage: &Stage, variables: &[(&str, &str)]) -> (String, i32) {
    let mut command = Command::new("sh");
    command
        .arg(script())
        .current_dir(stage.folder.path())
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", stage.folder.path())
        .env("GATEWRIGHT", env!("CARGO_BIN_EXE_gatewright"))
        .envs(variables.iter().copied());
    said(command.output().unwrap())
}

/// Shows S0.1: part (the script of the step; nobody built its image)
/// Shows S0.21: holds
/// Shows S1.9: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_step_brings_nothing_but_a_proof_of_who_it_is() {
    let stage = Stage::new().await;
    let head = stage.head("main").await;
    assert_eq!(stage.asks("ann", &["apply", "--commit", &head]).1, 0);
    let step = || stage.step_token("https://gatewright.test");
    let server = stage.server.clone();
    let all = |command, token: &str| {
        let named = [
            ("SERVER", server.as_str()),
            ("COMMAND", command),
            ("ENVIRONMENT", "prod"),
            ("BITBUCKET_COMMIT", head.as_str()),
            ("BITBUCKET_STEP_OIDC_TOKEN", token),
        ];
        run(&stage, &named)
    };
    let (told, code) = all("plan", &step());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("May it be applied?"), "{told}");
    let (told, code) = all("apply", &step());
    assert_eq!(code, 0, "{told}");
    // A step has its token for writing once.
    let token = step();
    assert_eq!(all("apply", &token).1, 0);
    let (told, code) = all("apply", &token);
    assert_eq!(code, 3, "{told}");
    let (told, code) = all("rotate", &step());
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("GW3114"), "{told}");
    let (told, code) = all("apply --force", &step());
    assert_eq!(code, 2, "no arguments are taken: {told}");
    let (told, code) = all("plan", &stage.step_token("https://elsewhere.test"));
    assert_eq!(code, 3, "{told}");
    // A variable that somebody keeps is weaker, and said to be.
    let kept = [
        ("SERVER", server.as_str()),
        ("COMMAND", "plan"),
        ("ENVIRONMENT", "prod"),
        ("BITBUCKET_COMMIT", head.as_str()),
        ("TOKEN", &stage.token("ann", "https://gatewright.test", &[])),
    ];
    let (told, code) = run(&stage, &kept);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("TOKEN is weaker"), "{told}");
    // Only what the rules let a pipeline do.
    let (told, code) = run(&stage, &kept[..4]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("oidc: true"), "{told}");
    let (told, code) = run(&stage, &[("SERVER", "http://127.0.0.1:1")]);
    assert_eq!(code, 2, "{told}");
}
