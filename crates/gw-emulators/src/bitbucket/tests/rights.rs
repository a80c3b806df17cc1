use super::*;

async fn status(stage: &Stage, header: &str, method: &'static str, path: &str) -> u16 {
    stage.call(header, method, path, json!(null)).await.status
}

fn access(stage: &Stage, reach: Reach, scopes: &[&str]) -> String {
    bearer(&stage.bitbucket.add_access_token(reach, "ci", scopes).expect("a token"))
}

#[tokio::test]
async fn credentials_are_good_at_their_own_door_only() {
    let stage = Stage::new().await;
    let reach = Reach::Repository(stage.repository.clone());
    let token = stage.bitbucket.add_access_token(reach, "ci", &["repository"]).expect("a token");
    let password = stage.bitbucket.add_app_password(&stage.ann.uuid).expect("a password");
    let api = &stage.ann.token;
    let rows = [
        (stage.ann.header.clone(), 200, ""),
        (bearer(&token), 200, ""),
        (bearer(api), 401, "Token is invalid, expired, or not supported for this endpoint."),
        (basic("x-token-auth", &token), 401, "Token is invalid"),
        (basic("ann", api), 401, "Token is invalid"),
        (basic("bob@example.com", api), 401, "Token is invalid"),
        (
            basic("ann@example.com", &password),
            401,
            "App passwords are deprecated and must be replaced with API tokens.",
        ),
        ("Digest x".to_owned(), 401, "Token is invalid"),
        ("Basic".to_owned(), 401, "Token is invalid"),
    ];
    for (header, status, says) in rows {
        let reply = stage.call(&header, "GET", REPOSITORY, json!(null)).await;
        assert_eq!(reply.status, status, "{header}");
        if status == 401 {
            assert!(message(&reply).starts_with(says), "{}", reply.text());
            assert!(reply.header("www-authenticate").is_some());
        }
    }
    let nobody = stage.send(&[], "GET", &format!("/2.0{REPOSITORY}"), b"").await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn a_token_ends_and_is_revoked() {
    let stage = Stage::new().await;
    let reach = Reach::Repository(stage.repository.clone());
    let token = stage.bitbucket.add_access_token(reach, "ci", &["repository"]).expect("a token");
    stage.clock.advance(time::Duration::days(364));
    assert_eq!(status(&stage, &stage.ann.header, "GET", REPOSITORY).await, 200);
    stage.clock.advance(time::Duration::days(1));
    assert_eq!(status(&stage, &stage.ann.header, "GET", REPOSITORY).await, 401);
    assert_eq!(status(&stage, &bearer(&token), "GET", REPOSITORY).await, 200);
    stage.bitbucket.revoke(&token);
    assert_eq!(status(&stage, &bearer(&token), "GET", REPOSITORY).await, 401);
}

#[tokio::test]
async fn scopes_of_access_tokens_include_others_and_those_of_api_tokens_do_not() {
    let stage = Stage::new().await;
    let pulls = format!("{REPOSITORY}/pullrequests");
    let reach = || Reach::Repository(stage.repository.clone());
    let wide = access(&stage, reach(), &["pullrequest:write"]);
    assert_eq!(status(&stage, &wide, "GET", &pulls).await, 200);
    assert_eq!(status(&stage, &wide, "GET", REPOSITORY).await, 200);
    let narrow = access(&stage, reach(), &["repository:write"]);
    assert_eq!(status(&stage, &narrow, "GET", &pulls).await, 403);
    let rules = access(&stage, reach(), &["repository:admin"]);
    assert_eq!(status(&stage, &rules, "GET", REPOSITORY).await, 403);
    let scopes = ["write:pullrequest:bitbucket"];
    let api = stage.bitbucket.add_api_token(&stage.ann.uuid, &scopes).expect("a token");
    let reply = stage.call(&basic("ann@example.com", &api), "GET", &pulls, json!(null)).await;
    assert_eq!(reply.status, 403);
    let error = &reply.json()["error"];
    let says = "Your credentials lack one or more required privilege scopes.";
    assert_eq!(error["message"], says);
    assert_eq!(
        error["detail"],
        json!({ "required": ["read:pullrequest:bitbucket"], "granted": scopes })
    );
}

#[tokio::test]
async fn a_token_reaches_as_far_as_it_was_made_for() {
    let stage = Stage::new().await;
    let other = stage.bitbucket.add_workspace("other").expect("a workspace");
    let near = stage.bitbucket.add_repository(&stage.workspace, "near").expect("a repository");
    let far = stage.bitbucket.add_repository(&other, "far").expect("a repository");
    let project = stage.bitbucket.add_project(&stage.workspace, "NEAR").expect("a project");
    stage.bitbucket.move_repository(&near, &project).expect("it is of the same workspace");
    let rows = [
        (Reach::Repository(stage.repository.clone()), [200, 404, 404]),
        (Reach::Repository(near.clone()), [404, 200, 404]),
        (Reach::Workspace(stage.workspace.clone()), [200, 200, 404]),
        (Reach::Project(project), [404, 200, 404]),
        (Reach::Repository(far), [404, 404, 200]),
    ];
    for (reach, expected) in rows {
        let token = access(&stage, reach.clone(), &["repository"]);
        let mut found = Vec::new();
        for path in ["acme/apis", "acme/near", "other/far"] {
            found.push(status(&stage, &token, "GET", &format!("/repositories/{path}")).await);
        }
        assert_eq!(found, expected, "{reach:?}");
    }
}

#[tokio::test]
async fn who_may_not_read_learns_nothing() {
    let stage = Stage::new().await;
    let Person { uuid, email, .. } = stage.bitbucket.add_person("zoe").expect("a person");
    let token = stage.bitbucket.add_api_token(&uuid, ALL).expect("a token");
    let zoe = basic(&email, &token);
    let hidden = stage.call(&zoe, "GET", REPOSITORY, json!(null)).await;
    let missing = stage.call(&zoe, "GET", "/repositories/acme/none", json!(null)).await;
    assert_eq!((hidden.status, hidden.text()), (404, missing.text()));
    stage.bitbucket.add_group(&stage.workspace, "readers", &[uuid]).expect("a group");
    stage
        .bitbucket
        .permit_group(&stage.repository, "readers", Some(Permission::Read))
        .expect("a permission");
    assert_eq!(status(&stage, &zoe, "GET", REPOSITORY).await, 200);
    assert_eq!(status(&stage, &zoe, "GET", &format!("{REPOSITORY}/hooks")).await, 403);
}

#[tokio::test]
async fn permissions_are_told_to_administrators_who_are_people() {
    let stage = Stage::new().await;
    let (bitbucket, repository) = (&stage.bitbucket, &stage.repository);
    let eve = std::slice::from_ref(&stage.eve.uuid);
    bitbucket.add_group(&stage.workspace, "writers", eve).expect("a group");
    bitbucket.permit_group(repository, "writers", Some(Permission::Write)).expect("it is one");
    let effective = "/workspaces/acme/permissions/repositories/apis";
    let ask = |query: &str| format!("{effective}{query}");
    let names = |list: &Value| {
        let shown = list["values"].as_array().expect("a list").iter().map(|it| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            format!("{} {}", text(&it["user"]["nickname"]), text(&it["permission"]))
        });
        shown.collect::<Vec<_>>()
    };
    let all = stage.call(&stage.ann.header, "GET", effective, json!(null)).await.json();
    assert_eq!(names(&all), ["ann admin", "bob write", "eve write"]);
    let some = ask("?q=permission%3E%22write%22");
    let some = stage.call(&stage.ann.header, "GET", &some, json!(null)).await.json();
    assert_eq!(names(&some), ["ann admin"]);
    let explicit = stage.get(&stage.ann, "/permissions-config/users").await;
    assert!(names(&explicit).contains(&"eve read".to_owned()), "{explicit}");
    let groups = stage.get(&stage.ann, "/permissions-config/groups").await;
    assert_eq!(groups["values"][0]["group"]["slug"], "writers");
    assert_eq!(status(&stage, &stage.bob.header, "GET", effective).await, 403);
    let reach = Reach::Repository(repository.clone());
    let token = access(&stage, reach, &["repository", "repository:admin"]);
    assert_eq!(status(&stage, &token, "GET", effective).await, 403);
    let own = "/user/workspaces/acme/permissions/repositories";
    let own = stage.call(&stage.eve.header, "GET", own, json!(null)).await.json();
    assert_eq!(own["values"][0]["permission"], "write");
}

#[tokio::test]
async fn a_consumer_gets_a_token_for_an_hour() {
    let stage = Stage::new().await;
    let consumer =
        stage.bitbucket.add_consumer(&stage.workspace, &["repository:admin", "repository"]);
    let Consumer { key, secret } = consumer.expect("a consumer");
    let ask = async |key: &str, secret: &str, grant: &str| {
        let form = format!("grant_type={grant}");
        let header = basic(key, secret);
        let headers = [
            ("authorization", header.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        stage.send(&headers, "POST", "/site/oauth2/access_token", form.as_bytes()).await
    };
    assert_eq!(ask(&key, "guess", "client_credentials").await.status, 400);
    assert_eq!(ask(&key, &secret, "password").await.json()["error"], "unsupported_grant_type");
    let got = ask(&key, &secret, "client_credentials").await.json();
    assert_eq!((&got["expires_in"], &got["token_type"]), (&json!(3600), &json!("bearer")));
    let token = bearer(got["access_token"].as_str().expect("a token"));
    let effective = "/workspaces/acme/permissions/repositories/apis";
    assert_eq!(status(&stage, &token, "GET", effective).await, 200);
    assert_eq!(status(&stage, &bearer(&secret), "GET", effective).await, 401);
    stage.clock.advance(time::Duration::hours(1));
    assert_eq!(status(&stage, &token, "GET", effective).await, 401);
}

#[tokio::test]
async fn names_change_and_uuids_stay() {
    let stage = Stage::new().await;
    stage.bitbucket.rename_workspace(&stage.workspace, "acme-corp").expect("it is free");
    assert_eq!(status(&stage, &stage.ann.header, "GET", REPOSITORY).await, 404);
    let by_uuid =
        format!("/repositories/%7B{}%7D/%7B{}%7D", stage.workspace.bare(), stage.repository.bare());
    let found = stage.call(&stage.ann.header, "GET", &by_uuid, json!(null)).await.json();
    assert_eq!(found["full_name"], "acme-corp/apis");
    let renamed =
        stage.call(&stage.ann.header, "PUT", &by_uuid, json!({ "name": "Our APIs" })).await.json();
    assert_eq!(
        (&renamed["full_name"], &renamed["uuid"]),
        (&json!("acme-corp/our-apis"), &json!(stage.repository.as_str()))
    );
}

#[tokio::test]
async fn faults_come_once_and_in_their_order() {
    let stage = Stage::new().await;
    stage.bitbucket.fail_next("/hooks", Fault::Status(503));
    stage.bitbucket.fail_next("GET", Fault::TooMany { retry_after_s: 7 });
    stage.bitbucket.fail_next("GET", Fault::Garbage);
    stage.bitbucket.fail_next("GET", Fault::Slow(Duration::from_millis(1)));
    let limited = stage.call(&stage.ann.header, "GET", REPOSITORY, json!(null)).await;
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("7")));
    assert_eq!(limited.header("x-ratelimit-nearlimit"), Some("true"));
    assert_eq!(message(&limited), "Rate limit for this resource has been exceeded");
    let garbage = stage.call(&stage.ann.header, "GET", REPOSITORY, json!(null)).await;
    assert!(serde_json::from_slice::<Value>(&garbage.body).is_err());
    let hooks = format!("{REPOSITORY}/hooks");
    for expected in [503, 200, 200] {
        assert_eq!(status(&stage, &stage.ann.header, "GET", &hooks).await, expected);
    }
}

#[tokio::test]
async fn what_is_done_may_stay_unsaid() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "orders").await;
    stage.bitbucket.fail_next("POST", Fault::Unsaid(502));
    let comment = json!({ "content": { "raw": "waits" } });
    let reply = stage.post(&stage.ann, "/pullrequests/1/comments", comment).await;
    assert_eq!((reply.status, message(&reply).as_str()), (502, "Something went wrong"));
    assert_eq!(stage.get(&stage.eve, "/pullrequests/1/comments").await["size"], 1);
}

#[tokio::test]
async fn pages_lead_to_one_another_and_to_nothing_else() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.bob, "bob").await;
    let branches: Vec<String> = (0..5).map(|number| format!("HEAD:refs/heads/b{number}")).collect();
    stage.push(&work, &branches.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut path = format!("{REPOSITORY}/refs/branches?pagelen=2&q=name~%22b%22");
    let mut names = Vec::new();
    loop {
        let page = stage.call(&stage.eve.header, "GET", &path, json!(null)).await.json();
        let values = page["values"].as_array().expect("a list");
        assert!(values.len() <= 2);
        names.extend(values.iter().filter_map(|it| it["name"].as_str().map(str::to_owned)));
        let Some(next) = page["next"].as_str() else { break };
        let next = next.strip_prefix(stage.bitbucket.url()).expect("of this Bitbucket");
        path = next.strip_prefix("/2.0").expect("of its API").to_owned();
    }
    assert_eq!(names, ["b0", "b1", "b2", "b3", "b4"]);
    for wrong in ["pagelen=0", "pagelen=101", "pagelen=x", "page=2", "q=name"] {
        let path = format!("{REPOSITORY}/refs/branches?{wrong}");
        assert_eq!(status(&stage, &stage.eve.header, "GET", &path).await, 400, "{wrong}");
    }
    let many = format!("{REPOSITORY}/pullrequests?pagelen=51");
    assert_eq!(status(&stage, &stage.eve.header, "GET", &many).await, 400);
}

#[tokio::test]
async fn access_tokens_are_told_their_allowance() {
    let stage = Stage::new().await;
    let token = access(&stage, Reach::Repository(stage.repository.clone()), &["repository"]);
    let reply = stage.call(&token, "GET", REPOSITORY, json!(null)).await;
    assert_eq!(reply.header("x-ratelimit-nearlimit"), Some("false"));
    let reply = stage.call(&stage.ann.header, "GET", REPOSITORY, json!(null)).await;
    assert_eq!(reply.header("x-ratelimit-limit"), None);
}

#[tokio::test]
async fn the_identity_of_steps_is_off_until_it_is_switched_on() {
    let stage = Stage::new().await;
    let (bitbucket, repository) = (&stage.bitbucket, &stage.repository);
    let pipeline = bitbucket.start_pipeline(repository, "main", &stage.bob.uuid);
    let step = bitbucket.start_step(&pipeline.expect("a pipeline"), "apply", None);
    let step = step.expect("a step");
    let issuer = |slug: &str| format!("/2.0/workspaces/{slug}/pipelines-config/identity/oidc");
    let keys = format!("{}/keys.json", issuer("acme"));
    assert_eq!(stage.send(&[], "GET", &keys, b"").await.status, 404);
    assert_eq!(bitbucket.step_token(&step, &Audience::Usual).expect("it is known"), None);
    bitbucket.enable_oidc(&stage.workspace).expect("a key");
    assert_eq!(stage.send(&[], "GET", &keys, b"").await.status, 200);
    assert!(bitbucket.step_token(&step, &Audience::Usual).expect("it is known").is_some());
    bitbucket.rename_workspace(&stage.workspace, "acme-corp").expect("it is free");
    assert_eq!(stage.send(&[], "GET", &keys, b"").await.status, 404);
    let found = format!("{}/.well-known/openid-configuration", issuer("acme-corp"));
    let found = stage.send(&[], "GET", &found, b"").await.json();
    assert_eq!(found["issuer"], format!("{}{}", bitbucket.url(), issuer("acme-corp")));
}

#[tokio::test]
async fn no_secret_is_shown_by_accident() {
    let stage = Stage::new().await;
    let url = "http://localhost:9/";
    let hook = stage.bitbucket.add_hook(&stage.repository, url, &["repo:push"], Some("geheim"));
    hook.expect("a hook");
    let shown = format!("{:?}", stage.bitbucket);
    assert!(shown.contains("acme"), "{shown}");
    for secret in [&stage.ann.token, "geheim"] {
        assert!(!shown.contains(secret));
    }
}

#[tokio::test]
async fn what_is_made_is_found_at_the_address_that_was_told() {
    let stage = Stage::new().await;
    let of =
        format!("/repositories/%7B{}%7D/%7B{}%7D", stage.workspace.bare(), stage.repository.bare());
    let main = stage.get(&stage.ann, "/refs/branches/main").await;
    let branch = json!({ "name": "a b/ü", "target": { "hash": main["target"]["hash"] } });
    let named = stage.call(&stage.ann.header, "POST", &format!("{of}/refs/branches"), branch).await;
    assert_eq!(named.status, 400, "no branch has a space in its name");
    let branch = json!({ "name": "a/ü", "target": { "hash": main["target"]["hash"] } });
    let hook = json!({ "url": "http://localhost:9/", "events": ["repo:push"] });
    let rule = json!({ "kind": "force", "branch_match_kind": "glob", "pattern": "main" });
    let rows = [("refs/branches", branch), ("hooks", hook), ("branch-restrictions", rule)];
    for (list, body) in rows {
        let made = stage.call(&stage.ann.header, "POST", &format!("{of}/{list}"), body).await;
        assert_eq!(made.status, 201, "{list}: {}", made.text());
        let address = made.header("location").expect("an address");
        let path = address.strip_prefix(stage.bitbucket.url()).expect("of this Bitbucket");
        let path = path.strip_prefix("/2.0").expect("of its API");
        let found = stage.call(&stage.ann.header, "GET", path, json!(null)).await;
        assert_eq!((found.status, found.json()), (200, made.json()), "{list}");
    }
}

#[tokio::test]
async fn a_restriction_that_is_none_is_refused() {
    let stage = Stage::new().await;
    let reach = Reach::Repository(stage.repository.clone());
    access(&stage, reach, &["repository"]);
    let token = stage.bitbucket.host.world.lock().accounts.last().map(|it| it.uuid.to_string());
    let rule = json!({
        "kind": "push", "branch_match_kind": "glob", "pattern": "main", "users": [], "groups": [],
    });
    let with = |name: &str, value: Value| {
        let mut rule = rule.clone();
        rule[name] = value;
        rule
    };
    let rows = [
        (with("users", json!(null)), 400),
        (with("groups", json!(null)), 400),
        (with("kind", json!("guess")), 400),
        (with("branch_match_kind", json!("regex")), 400),
        (with("pattern", json!(null)), 400),
        (with("users", json!([{ "uuid": "{none}" }])), 400),
        (with("users", json!([{ "uuid": token }])), 400),
        (with("groups", json!([{ "name": "no slug" }])), 400),
        (rule.clone(), 201),
        (rule.clone(), 409),
    ];
    for (body, status) in rows {
        let reply = stage.post(&stage.ann, "/branch-restrictions", body.clone()).await;
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
    }
    let others = json!({
        "kind": "force", "branch_match_kind": "glob", "pattern": "main",
        "users": [{ "uuid": stage.ann.uuid.as_str() }],
    });
    let reply = stage.post(&stage.ann, "/branch-restrictions", others).await;
    assert_eq!(reply.status, 400, "only two kinds have exceptions");
    let kind = format!("{REPOSITORY}/branch-restrictions?kind=push&pattern=main");
    let list = stage.call(&stage.ann.header, "GET", &kind, json!(null)).await.json();
    assert_eq!(list["size"], 1);
}
