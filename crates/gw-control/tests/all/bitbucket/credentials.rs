use gw_control::host::CredentialFault;
use gw_emulators::bitbucket::{Consumer, Fault};
use gw_testkit::{
    backend::{Answer, Backend},
    canary::Canaries,
};

use super::*;

/// Scopes of tokens that are no person's.
const SCOPES: &[&str] =
    &["repository", "repository:write", "repository:admin", "pullrequest", "pullrequest:write"];

fn fault(refused: HostError) -> CredentialFault {
    let HostError::Credential { secret, fault } = refused else { panic!("{refused:?}") };
    assert_eq!(secret.as_str(), "bitbucket");
    fault
}

#[tokio::test]
async fn every_kind_of_token_works() {
    let stage = Stage::new().await;
    stage.propose().await;
    let project = stage.bitbucket.add_project(&stage.workspace, "APIS").unwrap();
    stage.bitbucket.move_repository(&stage.repository, &project).unwrap();
    let mut hosts = vec![stage.host()];
    for (name, reach) in [
        ("repository", Reach::Repository(stage.repository.clone())),
        ("project", Reach::Project(project)),
        ("workspace", Reach::Workspace(stage.workspace.clone())),
    ] {
        let token = stage.bitbucket.add_access_token(reach, name, SCOPES).unwrap();
        let token = stage.vault.put(name, &token);
        hosts.push(stage.host_by(Credential::AccessToken { token }));
    }
    let Consumer { key, secret } = stage.bitbucket.add_consumer(&stage.workspace, SCOPES).unwrap();
    let secret = stage.vault.put("consumer", &format!("{secret}\n"));
    hosts.push(stage.host_by(Credential::Consumer { key, secret }));
    for host in hosts {
        assert_eq!(host.repository().await.unwrap().full_name, "acme/apis");
        assert_eq!(host.pull_request(1).await.unwrap().number, 1);
        assert!(host.protection("main").await.is_ok());
    }
}

#[tokio::test]
async fn a_credential_that_cannot_work_says_why() {
    let stage = Stage::new().await;
    let email = stage.ann.email.clone();
    let reach = Reach::Repository(stage.repository.clone());
    let access = stage.bitbucket.add_access_token(reach, "ci", SCOPES).unwrap();
    let password = stage.bitbucket.add_app_password(&stage.ann.uuid).unwrap();
    let api = stage.ann.token.reveal().clone();
    let by = |value: &str, email: Option<&str>| {
        let token = stage.vault.put("bitbucket", value);
        stage.host_by(match email {
            Some(email) => Credential::ApiToken { email: email.to_owned(), token },
            None => Credential::AccessToken { token },
        })
    };
    let rows = [
        (by(&password, Some(&email)), CredentialFault::AppPassword, "ended in 2026"),
        (by(&password, None), CredentialFault::AppPassword, "ended in 2026"),
        (by(&api, None), CredentialFault::NeedsEmail, "e-mail"),
        (by(&access, Some(&email)), CredentialFault::StandsAlone, "e-mail"),
        (by("two words", None), CredentialFault::Unsendable, "nothing else"),
    ];
    // Each host reads its secret when it is first asked.
    for (value, (host, expected, help)) in
        [&password, &password, &api, &access, "two words"].into_iter().zip(rows)
    {
        stage.vault.put("bitbucket", value);
        let refused = host.repository().await.unwrap_err();
        assert!(refused.help().unwrap().contains(help), "{refused:?}");
        assert!(!format!("{refused} {refused:?}").contains(value), "{refused:?}");
        assert_eq!(fault(refused), expected);
    }
    let host = by(&api, Some("bob@example.com"));
    let CredentialFault::Refused { said } = fault(host.repository().await.unwrap_err()) else {
        panic!("it is refused")
    };
    assert_eq!(said, "Token is invalid, expired, or not supported for this endpoint.");
    let missing = Credential::AccessToken { token: SecretName::parse("nowhere").unwrap() };
    let refused = stage.host_by(missing).repository().await.unwrap_err();
    assert!(matches!(refused, HostError::Secret(SecretRefusal::Missing { .. })));
}

#[tokio::test]
async fn a_token_that_was_replaced_is_read_again() {
    let stage = Stage::new().await;
    let host = stage.host();
    host.repository().await.unwrap();
    stage.bitbucket.revoke(stage.ann.token.reveal());
    let refused = fault(host.repository().await.unwrap_err());
    assert!(matches!(refused, CredentialFault::Refused { .. }), "{refused:?}");
    let fresh = stage.bitbucket.add_api_token(&stage.ann.uuid, SERVER_SCOPES).unwrap();
    stage.vault.put("bitbucket", &fresh);
    assert!(host.repository().await.is_ok());
    // And also where the former one was good until now.
    stage.bitbucket.revoke(&fresh);
    let fresh = stage.bitbucket.add_api_token(&stage.ann.uuid, SERVER_SCOPES).unwrap();
    stage.vault.put("bitbucket", &fresh);
    assert!(host.repository().await.is_ok());
}

/// Shows S1.18: part (tokens of the Git host and our own; secrets of backends are rotated by nobody yet)
#[tokio::test]
async fn a_consumer_s_token_is_renewed_before_it_ends() {
    let stage = Stage::new().await;
    let Consumer { key, secret } = stage.bitbucket.add_consumer(&stage.workspace, SCOPES).unwrap();
    let secret_name = stage.vault.put("bitbucket", &secret);
    let host = stage.host_by(Credential::Consumer { key, secret: secret_name });
    host.repository().await.unwrap();
    // Without its secret the consumer gets no other token: what it has is used to its end.
    stage.bitbucket.revoke(&secret);
    for (minutes, works) in [(50, true), (9, true), (2, false)] {
        stage.clock.advance(time::Duration::minutes(minutes));
        assert_eq!(host.repository().await.is_ok(), works, "{minutes}");
    }
    let refused = fault(host.repository().await.unwrap_err());
    let said = "Invalid OAuth client credentials".to_owned();
    assert_eq!(refused, CredentialFault::Refused { said });
}

#[tokio::test]
async fn many_that_ask_at_once_get_one_token() {
    let stage = Stage::new().await;
    // It answers everything with a token and with the repository.
    let server = Backend::start();
    let body = json!({
        "access_token": "ATCOA", "expires_in": 3600, "full_name": "acme/apis",
        "uuid": stage.repository.as_str(), "workspace": { "uuid": stage.workspace.as_str() },
    });
    server.set_answer(Answer { body: body.to_string().into_bytes(), ..Answer::default() });
    let secret = stage.vault.put("bitbucket", "s3cr3t");
    let credential = Credential::Consumer { key: "key".to_owned(), secret };
    let host = stage.host_at(&server.url(), (stage.declared(), credential), client());
    for (minutes, tokens) in [(0, 1), (53, 1), (2, 2), (50, 2), (5, 3)] {
        stage.clock.advance(time::Duration::minutes(minutes));
        let all = tokio::join!(host.repository(), host.repository(), host.repository());
        assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok());
        let requests = server.requests();
        let asked: Vec<_> =
            requests.iter().filter(|it| it.target == "/site/oauth2/access_token").collect();
        assert_eq!(asked.len(), tokens, "after {minutes} more minutes");
        for it in asked {
            assert_eq!(
                (it.method.as_str(), it.body.as_slice()),
                ("POST", &b"grant_type=client_credentials"[..])
            );
            assert_eq!(it.header("authorization"), Some("Basic a2V5OnMzY3IzdA=="));
        }
    }
}

#[tokio::test]
async fn a_scope_that_is_missing_is_named() {
    let stage = Stage::new().await;
    let scopes = ["read:repository:bitbucket"];
    let token = stage.bitbucket.add_api_token(&stage.ann.uuid, &scopes).unwrap();
    let token = stage.vault.put("bitbucket", &token);
    let email = stage.ann.email.clone();
    let host = stage.host_by(Credential::ApiToken { email, token });
    host.repository().await.unwrap();
    let refused = host.pull_request(1).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the credential `bitbucket` does not reach pull request 1: it needs \
         `read:pullrequest:bitbucket` and has `read:repository:bitbucket`"
    );
    let help = "make one that has `read:pullrequest:bitbucket` as well";
    assert_eq!(refused.help().as_deref(), Some(help));
}

#[tokio::test]
async fn an_access_token_tells_no_permissions() {
    let stage = Stage::new().await;
    stage.propose().await;
    let reach = Reach::Repository(stage.repository.clone());
    let token = stage.bitbucket.add_access_token(reach, "ci", SCOPES).unwrap();
    let token = stage.vault.put("bitbucket", &token);
    let host = stage.host_by(Credential::AccessToken { token });
    let bob = host.pull_request(1).await.unwrap().opened_by;
    let refused = host.permission(&bob).await.unwrap_err();
    assert!(refused.help().unwrap().contains("administrator"), "{refused:?}");
    assert_eq!(fault(refused), CredentialFault::TellsNoPermissions);
    // A consumer may ask.
    let Consumer { key, secret } = stage.bitbucket.add_consumer(&stage.workspace, SCOPES).unwrap();
    let secret = stage.vault.put("bitbucket", &secret);
    let host = stage.host_by(Credential::Consumer { key, secret });
    let found = host.permission(&bob).await;
    assert_eq!(found, Ok(gw_control::host::Permission::Write));
}

#[tokio::test]
async fn no_credential_is_ever_shown() {
    let stage = Stage::new().await;
    let reach = Reach::Repository(stage.repository.clone());
    let access = stage.bitbucket.add_access_token(reach, "ci", SCOPES).unwrap();
    let Consumer { key, secret } = stage.bitbucket.add_consumer(&stage.workspace, SCOPES).unwrap();
    let canaries = [stage.ann.token.reveal().clone(), access.clone(), secret.clone()];
    let token = stage.vault.put("access", &access);
    let secret = stage.vault.put("consumer", &secret);
    let hosts = [
        stage.host(),
        stage.host_by(Credential::AccessToken { token }),
        stage.host_by(Credential::Consumer { key, secret }),
    ];
    let mut shown = String::new();
    for host in &hosts {
        host.repository().await.unwrap();
        shown.push_str(&format!("{host:?}"));
    }
    for canary in &canaries {
        stage.bitbucket.revoke(canary);
    }
    // The token of the consumer outlives its secret, but not its hour.
    stage.clock.advance(time::Duration::hours(1));
    for host in &hosts {
        let refused = host.repository().await.unwrap_err();
        shown.push_str(&format!("{host:?} {refused:?} {refused} {:?}", refused.help()));
    }
    assert_eq!(shown.matches("wrong, expired or revoked").count(), hosts.len(), "{shown}");
    for canary in &canaries {
        assert!(!shown.contains(canary.as_str()));
    }
    assert!(!shown.contains("ATCOA"), "what a consumer got");
}

#[tokio::test]
async fn what_the_host_repeats_of_a_credential_is_not_told() {
    let stage = Stage::new().await;
    let reach = Reach::Repository(stage.repository.clone());
    let access = stage.bitbucket.add_access_token(reach, "ci", SCOPES).unwrap();
    let token = stage.vault.put("access", &access);
    let canaries = Canaries::of(&[stage.ann.token.reveal(), &access]);
    for host in [stage.host(), stage.host_by(Credential::AccessToken { token })] {
        for status in [400, 401, 403] {
            stage.bitbucket.fail_next("GET", Fault::Echo(status));
            let refused = host.repository().await.unwrap_err();
            let shown = format!("{refused} {refused:?}");
            assert!(shown.contains("it repeats our credential"), "{shown}");
            assert_eq!(canaries.find(shown.as_bytes()), [], "{status}");
        }
    }
}
