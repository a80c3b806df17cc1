use super::*;

#[tokio::test]
async fn what_is_pushed_is_cloned_and_shown() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.eve, "eve").await;
    let head = stage.git_ok(&work, &["rev-parse", "HEAD"]).await;
    let branch = stage.get(&stage.eve, "/refs/branches/main").await;
    assert_eq!(branch["target"]["hash"], head);
    assert_eq!(branch["target"]["author"]["user"]["nickname"], "ann");
    let short = stage.get(&stage.eve, &format!("/commit/{}", render::short(&head))).await;
    assert_eq!(short["hash"], head);
    assert_eq!(short["message"], "change api.yaml\n");
}

#[tokio::test]
async fn a_branch_may_have_a_slash_and_a_tag_is_none() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.bob, "bob").await;
    stage.git_ok(&work, &["tag", "--annotate", "--message", "one", "v1"]).await;
    stage.push(&work, &["HEAD:refs/heads/feature/x", "v1"]).await;
    let head = stage.git_ok(&work, &["rev-parse", "HEAD"]).await;
    let branch = stage.get(&stage.bob, "/refs/branches/feature/x").await;
    assert_eq!((&branch["name"], &branch["target"]["hash"]), (&json!("feature/x"), &json!(head)));
    let tag = stage.get(&stage.bob, "/refs/tags/v1").await;
    assert_eq!((&tag["type"], &tag["target"]["hash"]), (&json!("tag"), &json!(head)));
    let gone = stage
        .call(&stage.bob.header, "GET", "/repositories/acme/apis/refs/branches/v1", json!(null))
        .await;
    assert_eq!((gone.status, message(&gone).as_str()), (404, "Branch \"v1\" not found"));
}

#[tokio::test]
async fn whoever_may_only_read_pushes_nothing() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.eve, "eve").await;
    stage.commit(&work, "mine.yaml", "").await;
    let output = stage.git(&work, &["push", "origin", "HEAD:refs/heads/mine"]).await;
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("403"), "{output:?}");
}

/// A push, as it is refused and as it is let through.
struct Push {
    kind: &'static str,
    pattern: &'static str,
    what: &'static [&'static str],
    says: &'static str,
}

#[tokio::test]
async fn restrictions_refuse_pushes() {
    let rows = [
        Push {
            kind: "push",
            pattern: "ma*",
            what: &["HEAD:main"],
            says: "Permission denied to update branch main.",
        },
        Push {
            kind: "force",
            pattern: "*",
            what: &["--force", "HEAD~1:side"],
            says: "Permission denied to rewrite branch side.",
        },
        Push {
            kind: "delete",
            pattern: "side",
            what: &["--delete", "side"],
            says: "Permission denied to delete branch side.",
        },
        Push {
            kind: "require_tasks_to_be_completed",
            pattern: "*",
            what: &["--delete", "main"],
            says: "Permission denied to delete branch main.",
        },
    ];
    for Push { kind, pattern, what, says } in rows {
        let stage = Stage::new().await;
        let work = stage.clone_as(&stage.bob, "bob").await;
        stage.commit(&work, "b.yaml", "").await;
        stage.push(&work, &["HEAD:refs/heads/side"]).await;
        let before = stage.get(&stage.bob, "/refs/branches").await;
        let rule = Rule { kind, pattern, value: None, exempt: Exempt::default() };
        stage.bitbucket.restrict(&stage.repository, &rule).expect("a rule");
        let arguments: Vec<&str> = ["push", "origin"].iter().chain(what).copied().collect();
        let output = stage.git(&work, &arguments).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(says), "{kind}: {said}");
        assert_eq!(stage.get(&stage.bob, "/refs/branches").await, before, "{kind}");
    }
}

#[tokio::test]
async fn a_pattern_means_nothing_but_its_star() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.bob, "bob").await;
    for pattern in ["[ab]", "?", "$(true)", "a b"] {
        let rule = Rule { kind: "push", pattern, value: None, exempt: Exempt::default() };
        stage.bitbucket.restrict(&stage.repository, &rule).expect("a rule");
    }
    stage.commit(&work, "b.yaml", "").await;
    stage.push(&work, &["HEAD:refs/heads/a"]).await;
}

#[tokio::test]
async fn exceptions_of_a_restriction_may_push() {
    let stage = Stage::new().await;
    let bob = std::slice::from_ref(&stage.bob.uuid);
    stage.bitbucket.add_group(&stage.workspace, "release", bob).expect("a group");
    let exempt = Exempt { people: &[], groups: &["release"] };
    let rule = Rule { kind: "push", pattern: "main", value: None, exempt };
    stage.bitbucket.restrict(&stage.repository, &rule).expect("a rule");
    let work = stage.clone_as(&stage.bob, "bob").await;
    stage.commit(&work, "b.yaml", "").await;
    stage.push(&work, &["HEAD:main"]).await;
    let other = stage.clone_as(&stage.ann, "ann").await;
    stage.commit(&other, "c.yaml", "").await;
    let output = stage.git(&other, &["push", "origin", "HEAD:main"]).await;
    assert!(!output.status.success(), "ann is not in the group");
}

#[tokio::test]
async fn every_kind_of_token_has_its_name_over_git() {
    let stage = Stage::new().await;
    let reach = || Reach::Repository(stage.repository.clone());
    let access = |scope| {
        let token = stage.bitbucket.add_access_token(reach(), "ci", &[scope]);
        token.expect("a token")
    };
    let (reads, hooks) = (access("repository"), access("webhook"));
    let password = stage.bitbucket.add_app_password(&stage.ann.uuid).expect("a password");
    let api = stage.ann.token.as_str();
    let rows = [
        ("x-token-auth", reads.as_str(), 200),
        ("x-token-auth", hooks.as_str(), 403),
        ("x-token-auth", api, 401),
        ("x-bitbucket-api-token-auth", api, 200),
        ("ann", api, 200),
        ("bob", api, 401),
        ("ann@example.com", api, 401),
        ("x-bitbucket-api-token-auth", reads.as_str(), 401),
        ("ann", password.as_str(), 410),
        ("ann", "guess", 401),
    ];
    for (name, secret, status) in rows {
        let header = basic(name, secret);
        let target = "/acme/apis.git/info/refs?service=git-upload-pack";
        let reply = stage.send(&[("authorization", &header)], "GET", target, b"").await;
        assert_eq!(reply.status, status, "{name}: {}", reply.text());
        if status == 410 {
            let gone = "App passwords are deprecated and must be replaced with API tokens.\n";
            assert_eq!(reply.text(), gone);
        }
    }
    let nobody = stage.send(&[], "GET", "/acme/apis.git/info/refs?service=git-upload-pack", b"");
    let nobody = nobody.await;
    assert_eq!(nobody.status, 401);
    assert!(nobody.header("www-authenticate").is_some_and(|asked| asked.starts_with("Basic")));
}

#[tokio::test]
async fn nothing_but_git_s_three_services_is_reached() {
    let stage = Stage::new().await;
    for target in
        ["/acme/apis.git/config", "/acme/apis.git/objects/info/packs", "/acme/../x.git/HEAD"]
    {
        let headers = [("authorization", stage.ann.header.as_str())];
        let reply = stage.send(&headers, "GET", target, b"").await;
        assert_eq!(reply.status, 404, "{target}");
    }
}

#[tokio::test]
async fn git_meets_faults_as_the_api_does() {
    let stage = Stage::new().await;
    stage.bitbucket.fail_next("GET /acme/apis.git/info/refs", Fault::Status(503));
    let remote = stage.remote(&stage.eve);
    let output = stage.git(stage.folder.path(), &["clone", &remote, "eve"]).await;
    assert!(String::from_utf8_lossy(&output.stderr).contains("503"), "{output:?}");
    stage.clone_as(&stage.eve, "again").await;
}

#[tokio::test]
async fn a_tag_of_no_commit_spoils_no_list() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.bob, "bob").await;
    stage.git_ok(&work, &["tag", "text", "HEAD:api.yaml"]).await;
    stage.git_ok(&work, &["tag", "--annotate", "--message", "one", "v1"]).await;
    stage.git_ok(&work, &["tag", "v2"]).await;
    stage.push(&work, &["--tags"]).await;
    let tags = stage.get(&stage.eve, "/refs/tags").await;
    let names: Vec<_> = tags["values"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|tag| (&tag["name"], &tag["target"]["type"]))
        .collect();
    let commit = json!("commit");
    assert_eq!(names, [(&json!("v1"), &commit), (&json!("v2"), &commit)]);
}
