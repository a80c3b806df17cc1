use aws_lc_rs::{rsa::PublicKeyComponents, signature::RSA_PKCS1_2048_8192_SHA256};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use time::macros::datetime;

use super::{super::state::Names, *};

fn decode(text: &str) -> Vec<u8> {
    BASE64_URL_SAFE_NO_PAD.decode(text).expect("base64url")
}

/// The claims of a token whose signature holds.
fn claims(issuer: &Issuer, token: &str) -> Value {
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let (header, payload) = signed.split_once('.').expect("three parts");
    let header: Value = serde_json::from_slice(&decode(header)).expect("JSON");
    let key = &issuer.keys()["keys"][0];
    assert_eq!((&header["alg"], &header["kid"]), (&json!("RS256"), &key["kid"]));
    let part = |name: &str| decode(key[name].as_str().expect("a text"));
    let public = PublicKeyComponents { n: part("n"), e: part("e") };
    let held = public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decode(signature));
    held.expect("the signature holds");
    serde_json::from_slice(&decode(payload)).expect("JSON")
}

#[test]
fn a_step_says_which_it_is() {
    let issuer = Issuer::generate().expect("a key");
    let mut names = Names::draw().expect("randomness");
    let mut uuid = || names.uuid();
    let (repository, pipeline, step, environment) = (uuid(), uuid(), uuid(), uuid());
    let now = datetime!(2026-01-01 00:00 UTC);
    let workspace = Workspace {
        uuid: uuid(),
        slug: "acme".to_owned(),
        projects: Vec::new(),
        groups: Vec::new(),
        created: now,
        issuer: None,
    };
    let plain = Step {
        repository: &repository,
        pipeline: &pipeline,
        step: &step,
        branch: Some("main"),
        environment: None,
    };
    let say = |step: &Step<'_>, audience: &Audience| {
        let token = issuer.token("http://localhost:1", &workspace, step, audience, now);
        token.map(|token| claims(&issuer, &token))
    };
    let usual = say(&plain, &Audience::Usual).expect("a token");
    let expected = json!({
        "iss": "http://localhost:1/2.0/workspaces/acme/pipelines-config/identity/oidc",
        "aud": format!("ari:cloud:bitbucket::workspace/{}", workspace.uuid.bare()),
        "sub": format!("{repository}:{step}"),
        "workspaceUuid": workspace.uuid.as_str(),
        "repositoryUuid": repository.as_str(),
        "pipelineUuid": pipeline.as_str(),
        "stepUuid": step.as_str(),
        "branchName": "main",
        "iat": 1_767_225_600,
        "exp": 1_767_229_200,
    });
    assert_eq!(usual, expected);
    assert!(repository.as_str().starts_with('{'), "{repository}");
    let deploys = Step { environment: Some(&environment), branch: None, ..plain.clone() };
    let several = ["https://gateway.example.test".to_owned(), "other".to_owned()];
    let said = say(&deploys, &Audience::Several(several.to_vec())).expect("a token");
    assert_eq!(said["aud"], json!(several));
    assert_eq!(said["sub"], format!("{repository}:{environment}:{step}"));
    assert_eq!(said["deploymentEnvironmentUuid"], environment.as_str());
    assert_eq!(said.get("branchName"), None);
    let one = say(&plain, &Audience::One("here".to_owned())).expect("a token");
    assert_eq!(one["aud"], "here");
    for audiences in [vec![], vec!["a".to_owned(); 11], vec!["a".repeat(151)]] {
        assert_eq!(say(&plain, &Audience::Several(audiences)), None);
    }
}

/// The claims are those that published samples have.
#[test]
fn the_claims_are_those_of_the_samples() {
    let Some(folder) = gw_testkit::shared::folder("contracts/bitbucket/cloud/oidc") else { return };
    let samples = std::fs::read(folder.join("claims-samples.json")).expect("the samples");
    let samples: Value = serde_json::from_slice(&samples).expect("JSON");
    let issuer = Issuer::generate().expect("a key");
    let mut names = Names::draw().expect("randomness");
    let (a, b, c, d) = (names.uuid(), names.uuid(), names.uuid(), names.uuid());
    let now = datetime!(2026-01-01 00:00 UTC);
    let workspace = Workspace {
        uuid: a.clone(),
        slug: "acme".to_owned(),
        projects: Vec::new(),
        groups: Vec::new(),
        created: now,
        issuer: None,
    };
    let rows = [
        ("synthetic_branch_step", None, Audience::Usual),
        (
            "synthetic_deployment_step_two_audiences",
            Some(&d),
            Audience::Several(vec!["x".to_owned(), "y".to_owned()]),
        ),
    ];
    for (name, environment, audience) in rows {
        let step =
            Step { repository: &a, pipeline: &b, step: &c, branch: Some("main"), environment };
        let token = issuer.token("http://localhost:1", &workspace, &step, &audience, now);
        let said = claims(&issuer, &token.expect("a token"));
        let kinds = |claims: &Value| {
            let members = claims.as_object().expect("an object").iter();
            let mut kinds: Vec<_> = members
                .map(|(name, value)| {
                    (name.clone(), value.is_string(), value.is_array(), value.is_number())
                })
                .collect();
            kinds.sort();
            kinds
        };
        assert_eq!(kinds(&said), kinds(&samples[name]["claims"]), "{name}");
    }
}
