//! The step of a pipeline, as its script: by the token that Bitbucket gives a step.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use gw_emulators::bitbucket::Fault;

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
/// Shows S1.1: part (a refusal ends the step; TIMEOUT bounds the watching)
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

/// Shows S0.25: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_takes_longer_than_a_token_lives_is_brought_to_its_end() {
    let stage = Stage::new().await;
    let proof = stage.folder.path().join("proof.jwt");
    let watch = |commit: &str| {
        let asked = ["--server", &stage.server, "--env", "prod", "apply", "--commit", commit];
        let mut program = stage.program(&asked);
        program.env("GATEWRIGHT_TOKEN_FILE", &proof);
        program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let slow = || stage.bitbucket.fail_next("git-upload-pack", Fault::Slow(Duration::from_secs(6)));
    // The commit arrives when every token, and one answer that was waited for, has ended. Nobody who asked is let in any more by then.
    slow();
    let commit = stage.publish(&[], "Asked for by one who cannot stay").await;
    fs::write(&proof, stage.brief_token("ann")).unwrap();
    let (told, code) = said(watch(&commit).wait_with_output().unwrap());
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("goes on at the server"), "{told}");
    stage.status(&commit, "gatewright-apply-prod", "applied and verified").await;

    // Whoever has another proof by then watches to the end.
    slow();
    let commit = stage.publish(&[], "Asked for by one who stays").await;
    fs::remove_file(&proof).unwrap();
    assert!(Command::new("mkfifo").arg(&proof).status().unwrap().success());
    let watching = watch(&commit);
    // The first is read once; who looks again finds another.
    fs::write(&proof, stage.brief_token("ann")).unwrap();
    let next = proof.with_extension("next");
    fs::write(&next, stage.token("ann", "https://gatewright.test", &[])).unwrap();
    fs::rename(&next, &proof).unwrap();
    let (told, code) = said(watching.wait_with_output().unwrap());
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("everything is as declared"), "{told}");
}
