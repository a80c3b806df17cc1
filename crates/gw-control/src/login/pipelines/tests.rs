use std::collections::BTreeMap;

use gw_model::{
    id::IdentityName,
    workspace::{Identity, Source},
};
use gw_policy::principal::Principal;
use url::Url;

use super::{Pipelines, StepRefusal};
use crate::host::bitbucket::Place;

const ACME: &str = "{11111111-1111-4111-8111-111111111111}";
const APIS: &str = "{22222222-2222-4222-8222-222222222222}";
const SHARED: &str = "{66666666-6666-4666-8666-666666666666}";
const RUN: &str = "{33333333-3333-4333-8333-333333333333}";
const STEP: &str = "{44444444-4444-4444-8444-444444444444}";
const PROD: &str = "{55555555-5555-4555-8555-555555555555}";

fn name() -> IdentityName {
    IdentityName::parse("deploy").unwrap()
}

fn pipelines(repositories: &[&str]) -> Pipelines {
    let identity = Identity::BitbucketPipelines {
        audience: "gatewright".to_owned(),
        repositories: repositories.iter().map(|it| (*it).to_owned()).collect(),
    };
    let source = Source::Bitbucket {
        repository: "acme/apis".to_owned(),
        workspace_uuid: ACME.to_owned(),
        repository_uuid: APIS.to_owned(),
    };
    let place = Place::at(&Url::parse("https://bitbucket.org").unwrap());
    Pipelines::of(&BTreeMap::from([(name(), identity)]), &source, &place).unwrap()
}

fn principal(claims: &[(&str, &[&str])]) -> Principal {
    let claims = claims.iter().map(|(name, values)| {
        ((*name).to_owned(), values.iter().map(|value| (*value).to_owned()).collect())
    });
    Principal {
        identity: name(),
        issuer: "https://api.bitbucket.org".to_owned(),
        subject: format!("{APIS}:{STEP}"),
        claims: claims.collect(),
        expires_at: None,
    }
}

fn good() -> Vec<(&'static str, &'static [&'static str])> {
    vec![
        ("workspaceUuid", &[ACME]),
        ("repositoryUuid", &[APIS]),
        ("pipelineUuid", &[RUN]),
        ("stepUuid", &[STEP]),
        ("deploymentEnvironmentUuid", &[PROD]),
        ("branchName", &["main"]),
        ("aud", &["gatewright"]),
        ("groups", &["admins"]),
    ]
}

#[test]
fn the_issuer_follows_the_workspace() {
    let pipelines = pipelines(&[]);
    let named = "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc";
    assert_eq!(pipelines.declared, named);
    assert!(pipelines.could_be(&named.replace("acme", "acme-renamed")));
    for other in [
        "https://api.bitbucket.org.evil.example/2.0/workspaces/acme/pipelines-config/identity/oidc",
        "http://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc",
        "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc/",
        "https://api.bitbucket.org/2.0/workspaces/a%2Fb/pipelines-config/identity/oidc?x=1",
        "https://api.bitbucket.org/2.0/workspaces/../pipelines-config/identity/oidc",
        "https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity",
        "",
    ] {
        assert!(!pipelines.could_be(other), "{other}");
    }
    assert_eq!(
        pipelines.address(),
        "https://api.bitbucket.org/2.0/workspaces/%7B11111111-1111-4111-8111-111111111111%7D\
         /pipelines-config/identity/oidc/.well-known/openid-configuration"
    );
}

#[test]
fn only_ids_are_believed() {
    let step = pipelines(&[]).step(principal(&good())).unwrap();
    let kept: Vec<_> = step.claims.keys().map(String::as_str).collect();
    assert_eq!(
        kept,
        [
            "deploymentEnvironmentUuid",
            "pipelineUuid",
            "repositoryUuid",
            "stepUuid",
            "workspaceUuid"
        ]
    );
}

#[test]
fn both_ids_must_be_the_declared_ones() {
    let with = |claim: &str, values: &'static [&'static str]| {
        let mut claims = good();
        claims.retain(|(name, _)| *name != claim);
        claims.push(match claim {
            "workspaceUuid" => ("workspaceUuid", values),
            "repositoryUuid" => ("repositoryUuid", values),
            "stepUuid" => ("stepUuid", values),
            other => unreachable!("{other}"),
        });
        let mut principal = principal(&claims);
        if let ("repositoryUuid", [own]) = (claim, values) {
            principal.subject = format!("{own}:{STEP}");
        }
        pipelines(&[SHARED]).step(principal)
    };
    assert!(with("repositoryUuid", &[SHARED]).is_ok());
    let workspace = StepRefusal::Workspace { declared: ACME.to_owned() };
    assert_eq!(with("workspaceUuid", &[SHARED]), Err(workspace));
    let repository = StepRefusal::Repository { declared: vec![APIS.to_owned(), SHARED.to_owned()] };
    assert_eq!(with("repositoryUuid", &[RUN]), Err(repository));
    for claim in ["workspaceUuid", "repositoryUuid", "stepUuid"] {
        for values in [
            &[] as &[&str],
            &["22222222-2222-4222-8222-222222222222"],
            &[ACME, APIS],
            &["{22222222-2222-4222-8222-22222222222*}"],
            &["*"],
            &[""],
            &["acme"],
        ] {
            let refused = with(claim, values).unwrap_err();
            assert!(
                matches!(refused, StepRefusal::Claim { .. }),
                "{claim} {values:?}: {refused:?}"
            );
        }
    }
}

#[test]
fn a_subject_names_the_step_and_nothing_else() {
    let with = |subject: &str| {
        let step = Principal { subject: subject.to_owned(), ..principal(&good()) };
        pipelines(&[]).step(step).is_ok()
    };
    // The orders that were seen.
    assert!(with(&format!("{APIS}:{STEP}")));
    assert!(with(&format!("{APIS}:{PROD}:{STEP}")));
    assert!(with(&format!("{RUN}:{APIS}:{STEP}")));
    for other in [
        STEP,
        &format!("{STEP}:{APIS}"),
        &format!("{SHARED}:{STEP}"),
        &format!("{APIS}:{SHARED}:{STEP}"),
        &format!("{APIS}:{RUN}"),
        &format!(":{STEP}"),
        &format!("{APIS}::{STEP}"),
    ] {
        assert!(!with(other), "{other}");
    }
}

#[test]
fn a_source_elsewhere_has_no_pipelines() {
    let place = Place::at(&Url::parse("https://bitbucket.org").unwrap());
    let identity = Identity::BitbucketPipelines { audience: "a".to_owned(), repositories: vec![] };
    let identities = BTreeMap::from([(name(), identity)]);
    assert!(Pipelines::of(&identities, &Source::Local {}, &place).is_none());
}
