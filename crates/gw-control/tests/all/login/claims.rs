//! What a token of a pipeline may say, and what it may not: two hundred claim sets, one of them good.

use gw_control::login::Proof;
use gw_emulators::bitbucket::Audience;
use serde_json::{Value, json};

use super::{AUDIENCE, Scene};

/// A claim set that is the good one but for one thing, and why it is refused.
struct Row {
    name: String,
    claims: Value,
    reason: &'static str,
}

/// What stands in the place of a UUID.
fn no_uuids(own: &str, other: &str) -> Vec<Value> {
    let bare = own.trim_matches(['{', '}']);
    vec![
        json!(null),
        json!(""),
        json!("*"),
        json!("{*}"),
        json!("{}"),
        json!(bare),
        json!(own.to_uppercase()),
        json!(own.replace('-', "")),
        json!(own.replace(['{', '}'], "\"")),
        json!(format!("{own} ")),
        json!(format!("{own}\n")),
        json!(format!("{own}{other}")),
        json!(format!("%7B{bare}%7D")),
        json!([own, other]),
        json!([]),
        json!({ "uuid": own }),
        json!(7),
        json!(true),
        json!(own.replace('-', "\u{2010}")),
    ]
}

impl Scene {
    fn good(&self) -> Value {
        self.claims(&self.step())
    }

    /// The good claims of now, with one in the place of another.
    fn with(&self, claim: &str, value: &Value) -> Value {
        let mut claims = self.good();
        claims[claim] = value.clone();
        claims
    }

    fn without(&self, claim: &str) -> Value {
        let mut claims = self.good();
        claims.as_object_mut().unwrap().remove(claim);
        claims
    }

    fn text(&self, claim: &str) -> String {
        self.good()[claim].as_str().unwrap().to_owned()
    }

    /// Names of the issuer that are not its name, and what others are called.
    fn issuers(&self) -> Vec<Value> {
        let own = self.text("iss");
        let url = self.bitbucket.url();
        vec![
            json!(format!("{own}/")),
            json!(format!("{own}?a=b")),
            json!(format!("{own}#a")),
            json!(format!(" {own}")),
            json!(own.to_uppercase()),
            json!(own.replace("http://", "https://")),
            json!(own.replace("localhost", "127.0.0.1")),
            json!(own.replace("localhost", "localhost.evil.example")),
            json!(own.replace("http://", "http://evil.example@")),
            json!(own.replace("/acme/", "/evil/")),
            json!(own.replace("/acme/", "/ACME/")),
            json!(own.replace("/acme/", "/acme/../acme/")),
            json!(own.replace("/acme/", "//")),
            json!(own.replace("/acme/", "/%61cme/")),
            json!(own.replace("/acme/", "/acm\u{435}/")),
            json!(own.replace("acme", self.workspace.as_str())),
            json!(own.replace("/2.0/", "/1.0/")),
            json!(url),
            json!("https://api.bitbucket.org/2.0/workspaces/acme/pipelines-config/identity/oidc"),
            json!("https://token.actions.githubusercontent.com"),
            json!("https://gitlab.com"),
            json!("https://oidc.circleci.com/org/acme"),
            json!(own.replace("/oidc", "/oidc/keys.json")),
            json!(own.replace("/acme/", "/acme%2f/")),
            json!(format!("{own}\u{0}")),
        ]
    }

    fn rows_of_issuer(&self, rows: &mut Vec<Row>) {
        let mut add = |name: String, claims, reason| rows.push(Row { name, claims, reason });
        for issuer in self.issuers() {
            let name = format!("issuer {issuer}");
            add(name, self.with("iss", &issuer), "token-issuer-unknown");
        }
        add("no issuer".to_owned(), self.without("iss"), "token-issuer-missing");
        for issuer in [json!(null), json!(7), json!([self.text("iss")]), json!({})] {
            let name = format!("issuer {issuer}");
            add(name, self.with("iss", &issuer), "token-issuer-missing");
        }
        let usual = format!("ari:cloud:bitbucket::workspace/{}", self.workspace.bare());
        let audiences = [
            json!(null),
            json!(""),
            json!("*"),
            json!(usual),
            json!("sts.amazonaws.com"),
            json!(format!("{AUDIENCE}/")),
            json!(format!("{AUDIENCE}.evil.example")),
            json!(format!(" {AUDIENCE}")),
            json!(AUDIENCE.to_uppercase()),
            json!(AUDIENCE.replace("https", "http")),
            json!(AUDIENCE.get(..AUDIENCE.len() - 1)),
            json!([usual, "sts.amazonaws.com"]),
            json!([[AUDIENCE]]),
            json!([AUDIENCE, 7]),
            json!([AUDIENCE, null]),
            json!([]),
            json!({ "aud": AUDIENCE }),
            json!(format!("{AUDIENCE} {usual}")),
            json!(format!("{AUDIENCE},{usual}")),
        ];
        for audience in audiences {
            let name = format!("audience {audience}");
            add(name, self.with("aud", &audience), "token-audience");
        }
        add("no audience".to_owned(), self.without("aud"), "token-audience");
    }

    fn rows_of_ids(&self, rows: &mut Vec<Row>) {
        let mut add = |name: String, claims, reason| rows.push(Row { name, claims, reason });
        let other = self.bitbucket.add_repository(&self.workspace, "other").unwrap();
        for claim in ["workspaceUuid", "repositoryUuid", "pipelineUuid", "stepUuid"] {
            let own = self.text(claim);
            for value in no_uuids(&own, other.as_str()) {
                add(format!("{claim} {value}"), self.with(claim, &value), "step-claim");
            }
            add(format!("no {claim}"), self.without(claim), "step-claim");
        }
        let own = self.text("deploymentEnvironmentUuid");
        for value in no_uuids(&own, other.as_str()).into_iter().filter(|it| !it.is_null()) {
            let claims = self.with("deploymentEnvironmentUuid", &value);
            add(format!("deploymentEnvironmentUuid {value}"), claims, "step-claim");
        }
        // Of a repository in all but its own claim: a name that was used again, a fork, a rename.
        for (name, claim, reason) in [
            ("another workspace", "workspaceUuid", "step-workspace"),
            ("another repository", "repositoryUuid", "step-repository"),
        ] {
            let mut claims = self.with(claim, &json!(other.as_str()));
            let (step, repository) = (claims["stepUuid"].clone(), claims["repositoryUuid"].clone());
            let part = |value: Value| value.as_str().unwrap_or_default().to_owned();
            claims["sub"] = json!(format!("{}:{}", part(repository), part(step)));
            add(name.to_owned(), claims.clone(), reason);
            claims["repository"] = json!("acme/apis");
            claims["repository_owner"] = json!("acme");
            claims["repositoryName"] = json!("apis");
            claims["branchName"] = json!("main");
            add(format!("{name} with good names"), claims, reason);
        }
        let (repository, step) = (self.text("repositoryUuid"), other.as_str());
        let subjects = [
            json!("*"),
            json!(format!("{repository}:*")),
            json!(format!("{repository}:{step}")),
            json!(repository),
            json!(format!("{step}:{step}")),
            json!("repo:acme/apis:ref:refs/heads/main"),
            json!("repo:acme/apis:pull_request_target"),
            json!("project_path:acme/apis:ref_type:branch:ref:main"),
            json!(":"),
        ];
        for subject in subjects {
            add(format!("subject {subject}"), self.with("sub", &subject), "step-claim");
        }
        for subject in [json!(null), json!(""), json!([]), json!(7)] {
            add(format!("subject {subject}"), self.with("sub", &subject), "token-subject-missing");
        }
        add("no subject".to_owned(), self.without("sub"), "token-subject-missing");
    }

    fn rows_of_purpose(&self, rows: &mut Vec<Row>) {
        let mut add = |name: String, claims, reason| rows.push(Row { name, claims, reason });
        for claim in ["exp", "nbf", "iat"] {
            for value in [json!("1790000000"), json!(1.5), json!(-1), json!([]), json!(1e20)] {
                let name = format!("{claim} {value}");
                add(name, self.with(claim, &value), "token-date-malformed");
            }
        }
        let endless = self.with("nbf", &json!(i64::MAX));
        add("after the last year".to_owned(), endless, "token-date-malformed");
        add("no expiry".to_owned(), self.without("exp"), "token-expiry-missing");
        let now = self.good()["iat"].as_i64().unwrap();
        for seconds in [60, 61, 3_600, 86_400_000] {
            let claims = self.with("exp", &json!(now - seconds));
            add(format!("over since {seconds} s"), claims, "token-expired");
        }
        // Far enough ahead for all the time that this table takes.
        let later = json!(now + 10_000_000);
        add("not yet".to_owned(), self.with("nbf", &later), "token-not-yet-valid");
        add("of tomorrow".to_owned(), self.with("iat", &later), "token-issued-in-future");
        for (claim, value, reason) in [
            ("nonce", json!("n"), "token-purpose"),
            ("at_hash", json!("h"), "token-purpose"),
            ("c_hash", json!("h"), "token-purpose"),
            ("s_hash", json!("h"), "token-purpose"),
            ("typ", json!("ID"), "token-purpose"),
            ("typ", json!("Refresh"), "token-purpose"),
            ("typ", json!("Logout"), "token-purpose"),
            ("typ", json!("Offline"), "token-purpose"),
            ("events", json!({}), "token-purpose"),
            ("cnf", json!({ "jkt": "x" }), "token-bound"),
        ] {
            add(format!("{claim} {value}"), self.with(claim, &value), reason);
        }
    }
}

/// Shows J18: holds
#[test]
fn of_two_hundred_claim_sets_one_gets_a_token() {
    let scene = Scene::new(None);
    let mut rows = vec![];
    scene.rows_of_issuer(&mut rows);
    scene.rows_of_ids(&mut rows);
    scene.rows_of_purpose(&mut rows);
    assert_eq!(rows.len(), 199, "and the good one");

    let good = scene.step();
    assert!(scene.ask(&Proof::Token(&good)).given, "the good one");
    for Row { name, claims, reason } in &rows {
        // The clock of the table goes on, so what does not end is made to end later.
        let mut claims = claims.clone();
        let ends = claims.get("exp").and_then(Value::as_i64).filter(|ends| *ends > 0);
        if let Some(ends) = ends.filter(|_| *reason != "token-expired") {
            claims["exp"] = json!(ends + 1_000_000);
        }
        scene.attack(name, &scene.forge(&claims), reason);
    }
}

/// Shows J18: holds
#[test]
fn what_bitbucket_itself_gives_to_others_gets_no_token() {
    let scene = Scene::new(None);
    let own = Audience::One(AUDIENCE.to_owned());
    let bitbucket = &scene.bitbucket;

    let usual = scene.step_of(&scene.repository, None, &Audience::Usual);
    scene.attack("the audience of every step", &usual, "token-audience");
    let for_aws = Audience::Several(vec!["sts.amazonaws.com".to_owned()]);
    let for_aws = scene.step_of(&scene.repository, None, &for_aws);
    scene.attack("a step's token for somebody else", &for_aws, "token-audience");

    let sibling = bitbucket.add_repository(&scene.workspace, "sibling").unwrap();
    bitbucket.commit(&sibling, &scene.person, "main", "first", &[("a", "a")]).unwrap();
    let token = scene.step_of(&sibling, None, &own);
    scene.attack("another repository of the workspace", &token, "step-repository");

    let evil = bitbucket.add_workspace("evil").unwrap();
    bitbucket.enable_oidc(&evil).unwrap();
    let fork = bitbucket.add_fork(&scene.repository, &evil, "apis").unwrap();
    let token = scene.step_of(&fork, None, &own);
    scene.attack("a fork", &token, "token-issuer-unknown");
    let fork = bitbucket.add_fork(&scene.repository, &scene.workspace, "fork").unwrap();
    let token = scene.step_of(&fork, None, &own);
    scene.attack("a fork in the workspace", &token, "step-repository");

    // The name of the repository goes to another one.
    bitbucket.rename_repository(&scene.repository, "apis-old").unwrap();
    let again = bitbucket.add_repository(&scene.workspace, "apis").unwrap();
    bitbucket.commit(&again, &scene.person, "main", "first", &[("a", "a")]).unwrap();
    let token = scene.step_of(&again, None, &own);
    scene.attack("a repository that has the name now", &token, "step-repository");

    let good = scene.step();
    assert!(scene.ask(&Proof::Token(&good)).given);
    scene.attack("the same step again", &good, "step-used");
    let (signed, _) = good.rsplit_once('.').unwrap();
    scene.attack("no signature", &format!("{signed}."), "token-signature");
}

/// Shows J18: holds
#[test]
fn a_name_of_a_workspace_that_changes_hands_opens_nothing() {
    let scene = Scene::new(None);
    let own = Audience::One(AUDIENCE.to_owned());
    assert!(scene.ask(&Proof::Token(&scene.step())).given);
    let before = scene.step();

    // Bitbucket says at the UUID how the workspace is called now.
    scene.bitbucket.rename_workspace(&scene.workspace, "acme-new").unwrap();
    assert!(scene.ask(&Proof::Token(&scene.step())).given, "the renamed workspace");
    scene.attack("a token by the former name", &before, "token-issuer-unknown");

    let evil = scene.bitbucket.add_workspace("acme").unwrap();
    scene.bitbucket.enable_oidc(&evil).unwrap();
    let theirs = scene.bitbucket.add_repository(&evil, "apis").unwrap();
    scene.bitbucket.commit(&theirs, &scene.person, "main", "first", &[("a", "a")]).unwrap();
    let token = scene.step_of(&theirs, None, &own);
    scene.attack("whoever took the former name", &token, "token-issuer-unknown");
}

/// Shows J18: holds
#[test]
fn a_server_that_knows_only_the_former_name_believes_the_ids() {
    let scene = Scene::new(None);
    scene.bitbucket.rename_workspace(&scene.workspace, "acme-new").unwrap();
    let evil = scene.bitbucket.add_workspace("acme").unwrap();
    scene.bitbucket.enable_oidc(&evil).unwrap();
    let theirs = scene.bitbucket.add_repository(&evil, "apis").unwrap();
    scene.bitbucket.commit(&theirs, &scene.person, "main", "first", &[("a", "a")]).unwrap();
    let token = scene.step_of(&theirs, None, &Audience::One(AUDIENCE.to_owned()));
    scene.attack("whoever has the declared name now", &token, "step-workspace");
}

/// Nobody learns from a refusal what is declared for others.
#[test]
fn refusals_are_the_same_for_a_foreign_workspace_and_a_foreign_repository() {
    let scene = Scene::new(None);
    let mut claims = scene.claims(&scene.step());
    let step = claims["stepUuid"].as_str().unwrap().to_owned();
    let other = scene.person.to_string();
    claims["workspaceUuid"] = json!(other);
    scene.ask(&Proof::Token(&scene.forge(&claims)));
    let mut claims = scene.claims(&scene.step());
    claims["repositoryUuid"] = json!(other);
    claims["sub"] = json!(format!("{other}:{}", claims["stepUuid"].as_str().unwrap()));
    scene.ask(&Proof::Token(&scene.forge(&claims)));
    let told = scene.told.borrow();
    let [one, two] = told.as_slice() else { unreachable!("{told:?}") };
    assert_eq!(one, two);
    for secret in [scene.workspace.as_str(), scene.repository.as_str(), &step] {
        assert!(!one.contains(secret), "{one}");
    }
}
