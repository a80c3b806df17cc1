use super::*;

async fn merge(stage: &Stage, who: &Somebody, strategy: &str) -> Reply {
    let body = json!({ "type": "pullrequest_merge_parameters", "merge_strategy": strategy });
    stage.post(who, "/pullrequests/1/merge", body).await
}

fn rule<'a>(kind: &'a str, value: Option<u64>) -> Rule<'a> {
    Rule { kind, pattern: "main", value, exempt: Exempt::default() }
}

#[tokio::test]
async fn each_strategy_leaves_its_own_history() {
    for (strategy, parents) in [("merge_commit", 2), ("squash", 1), ("fast_forward", 1)] {
        let stage = Stage::new().await;
        let before = stage.get(&stage.ann, "/refs/branches/main").await;
        let (work, pull) = stage.open(&stage.bob, "orders").await;
        let head = stage.git_ok(&work, &["rev-parse", "HEAD"]).await;
        assert_eq!(pull["source"]["commit"]["hash"], render::short(&head));
        let merged = merge(&stage, &stage.ann, strategy).await.json();
        assert_eq!(
            (&merged["state"], &merged["closed_by"]["nickname"]),
            (&json!("MERGED"), &json!("ann"))
        );
        let after = stage.get(&stage.ann, "/refs/branches/main").await;
        let target = &after["target"];
        let hash = target["hash"].as_str().expect("a hash");
        assert_eq!(merged["merge_commit"]["hash"], render::short(hash), "{strategy}");
        assert_eq!(target["parents"].as_array().map(Vec::len), Some(parents), "{strategy}");
        assert_eq!(target["parents"][0]["hash"], before["target"]["hash"], "{strategy}");
        assert_eq!(hash == head, strategy == "fast_forward");
        let files = stage.get(&stage.ann, &format!("/diffstat/{hash}")).await;
        assert_eq!(files["values"][0]["new"]["path"], "orders.yaml", "{strategy}");
        let of = stage.get(&stage.ann, &format!("/commit/{hash}/pullrequests")).await;
        assert_eq!(of["values"][0]["id"], 1, "{strategy}");
    }
}

#[tokio::test]
async fn a_merge_says_what_it_merged() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "orders").await;
    stage.post(&stage.ann, "/pullrequests/1/approve", json!(null)).await;
    merge(&stage, &stage.bob, "merge_commit").await;
    let main = stage.get(&stage.ann, "/refs/branches/main").await;
    let message = "Merged in orders (pull request #1)\n\nAdd orders\n\nApproved-by: ann\n";
    assert_eq!(main["target"]["message"], message);
}

#[tokio::test]
async fn what_conflicts_or_cannot_be_forwarded_is_not_merged() {
    let stage = Stage::new().await;
    let (work, _) = stage.open(&stage.bob, "orders").await;
    stage.commit(&work, "api.yaml", "kind: Other\n").await;
    stage.push(&work, &["HEAD"]).await;
    let other = stage.clone_as(&stage.ann, "ann").await;
    stage.commit(&other, "api.yaml", "kind: Third\n").await;
    stage.push(&other, &["HEAD:main"]).await;
    let before = stage.get(&stage.ann, "/refs/branches/main").await;
    let rows = [
        ("merge_commit", "You can't merge until you resolve all merge conflicts."),
        ("squash", "You can't merge until you resolve all merge conflicts."),
        ("fast_forward", "The source branch cannot be fast-forwarded."),
    ];
    for (strategy, says) in rows {
        let reply = merge(&stage, &stage.ann, strategy).await;
        assert_eq!((reply.status, message(&reply).as_str()), (400, says));
    }
    assert_eq!(stage.get(&stage.ann, "/refs/branches/main").await, before);
    assert_eq!(stage.get(&stage.ann, "/pullrequests/1").await["state"], "OPEN");
}

#[tokio::test]
async fn restrictions_refuse_merges() {
    let rows = [
        ("restrict_merges", None, 403, "You do not have permission to merge into this branch."),
        (
            "require_approvals_to_merge",
            Some(2),
            400,
            "This pull request needs at least 2 approvals.",
        ),
        ("require_no_changes_requested", None, 400, "Changes are requested."),
        (
            "require_passing_builds_to_merge",
            Some(1),
            400,
            "This pull request needs at least 1 successful builds.",
        ),
    ];
    for (kind, value, status, says) in rows {
        let stage = Stage::new().await;
        stage.open(&stage.bob, "orders").await;
        stage.post(&stage.ann, "/pullrequests/1/approve", json!(null)).await;
        // The author's own approval does not count.
        stage.post(&stage.bob, "/pullrequests/1/approve", json!(null)).await;
        stage.post(&stage.eve, "/pullrequests/1/request-changes", json!(null)).await;
        stage.bitbucket.restrict(&stage.repository, &rule(kind, value)).expect("a rule");
        let reply = merge(&stage, &stage.bob, "merge_commit").await;
        assert_eq!((reply.status, message(&reply).as_str()), (status, says), "{kind}");
    }
}

#[tokio::test]
async fn a_push_moves_the_head_and_says_who_pushed() {
    let stage = Stage::new().await;
    let (work, _) = stage.open(&stage.bob, "orders").await;
    stage.advance();
    stage.post(&stage.ann, "/pullrequests/1/approve", json!(null)).await;
    stage.advance();
    let head = stage.commit(&work, "more.yaml", "").await;
    stage.git_ok(&work, &["push", "--quiet", &stage.remote(&stage.ann), "HEAD:orders"]).await;
    let pull = stage.get(&stage.eve, "/pullrequests/1").await;
    assert_eq!(pull["source"]["commit"]["hash"], render::short(&head));
    assert_eq!(pull["updated_on"], "2026-01-01T00:02:00.000000+00:00");
    assert_eq!(pull["participants"][0]["approved"], true);
    assert_eq!(pull["participants"][0]["participated_on"], "2026-01-01T00:01:00.000000+00:00");
    let activity = stage.get(&stage.eve, "/pullrequests/1/activity").await;
    let happened: Vec<String> = activity["values"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| {
            let (update, approval) = (&it["update"], &it["approval"]);
            let (kind, who) = if update.is_null() {
                ("approval", &approval["user"])
            } else {
                ("update", &update["author"])
            };
            format!("{kind} {}", who["nickname"].as_str().unwrap_or_default())
        })
        .collect();
    assert_eq!(happened, ["update ann", "approval ann", "update bob"]);
}

#[tokio::test]
async fn a_push_may_void_approvals() {
    let stage = Stage::new().await;
    let kind = "reset_pullrequest_approvals_on_change";
    stage.bitbucket.restrict(&stage.repository, &rule(kind, None)).expect("a rule");
    let (work, _) = stage.open(&stage.bob, "orders").await;
    stage.post(&stage.ann, "/pullrequests/1/approve", json!(null)).await;
    stage.commit(&work, "more.yaml", "").await;
    stage.push(&work, &["HEAD"]).await;
    let pull = stage.get(&stage.eve, "/pullrequests/1").await;
    assert_eq!(pull["participants"][0]["approved"], false);
}

#[tokio::test]
async fn what_is_pushed_to_the_destination_is_merged() {
    let stage = Stage::new().await;
    let (work, _) = stage.open(&stage.bob, "orders").await;
    stage.push(&work, &["HEAD:main"]).await;
    assert_eq!(stage.get(&stage.eve, "/pullrequests/1").await["state"], "MERGED");
}

#[tokio::test]
async fn an_approval_is_taken_back_and_a_closed_one_judges_no_more() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "orders").await;
    let path = format!("{REPOSITORY}/pullrequests/1/approve");
    let steps = [("DELETE", 400), ("POST", 200), ("POST", 409), ("DELETE", 204), ("POST", 200)];
    for (method, status) in steps {
        let reply = stage.call(&stage.ann.header, method, &path, json!(null)).await;
        assert_eq!(reply.status, status, "{method}");
    }
    let declined = stage.post(&stage.bob, "/pullrequests/1/decline", json!(null)).await;
    assert_eq!(declined.json()["state"], "DECLINED");
    for path in ["approve", "decline", "request-changes"] {
        let reply = stage.post(&stage.ann, &format!("/pullrequests/1/{path}"), json!(null)).await;
        assert_eq!(reply.status, 400, "{path}");
    }
    assert_eq!(merge(&stage, &stage.ann, "squash").await.status, 400);
}

#[tokio::test]
async fn lists_show_the_open_ones_unless_asked() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "one").await;
    stage.open(&stage.ann, "two").await;
    stage.post(&stage.bob, "/pullrequests/1/decline", json!(null)).await;
    let rows: [(&str, &[u64]); 7] = [
        ("", &[2]),
        ("?state=DECLINED", &[1]),
        ("?state=OPEN&state=DECLINED", &[2, 1]),
        ("?q=state%3D%22DECLINED%22", &[1]),
        ("?q=author.nickname%3D%22ann%22", &[2]),
        ("?q=source.branch.name%3D%22two%22%20AND%20destination.branch.name%3D%22side%22", &[]),
        ("?state=DECLINED&state=OPEN&sort=title", &[1, 2]),
    ];
    for (query, ids) in rows {
        let list = stage.get(&stage.eve, &format!("/pullrequests{query}")).await;
        let found: Vec<u64> = list["values"]
            .as_array()
            .expect("a list")
            .iter()
            .filter_map(|pull| pull["id"].as_u64())
            .collect();
        assert_eq!(found, ids, "{query}");
    }
    let unknown = format!("{REPOSITORY}/pullrequests?state=CLOSED");
    let reply = stage.call(&stage.eve.header, "GET", &unknown, json!(null)).await;
    assert_eq!(reply.status, 400);
}

#[tokio::test]
async fn a_pull_request_needs_a_title_two_branches_and_a_change() {
    let stage = Stage::new().await;
    let branch = |name: &str| json!({ "branch": { "name": name } });
    let rows = [
        (json!({ "source": branch("main") }), "title"),
        (json!({ "title": "It", "source": {} }), "source.branch.name"),
        (json!({ "title": "It", "source": branch("none") }), "source"),
        (json!({ "title": 7, "source": branch("main") }), "title"),
    ];
    for (body, field) in rows {
        let reply = stage.post(&stage.bob, "/pullrequests", body).await;
        assert_eq!(reply.status, 400);
        assert!(reply.json()["error"]["fields"].get(field).is_some(), "{}", reply.text());
    }
    let body = json!({ "title": "It", "source": branch("main") });
    let reply = stage.post(&stage.bob, "/pullrequests", body).await;
    assert_eq!(message(&reply), "There are no changes to be pulled");
}

#[tokio::test]
async fn a_comment_is_changed_in_place_by_its_author_only() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "orders").await;
    let text = |raw: &str| json!({ "content": { "raw": raw } });
    let made = stage.post(&stage.ann, "/pullrequests/1/comments", text("one")).await;
    assert_eq!(made.status, 201);
    let id = made.json()["id"].as_u64().expect("a number");
    let path = format!("{REPOSITORY}/pullrequests/1/comments/{id}");
    let by_bob = stage.call(&stage.bob.header, "PUT", &path, text("two")).await;
    assert_eq!(by_bob.status, 403);
    stage.advance();
    let by_ann = stage.call(&stage.ann.header, "PUT", &path, text("two <b>")).await.json();
    assert_eq!(by_ann["content"]["raw"], "two <b>");
    assert_eq!(by_ann["content"]["html"], "<p>two &lt;b&gt;</p>");
    assert_ne!(by_ann["updated_on"], by_ann["created_on"]);
    let empty = stage.post(&stage.ann, "/pullrequests/1/comments", text(" ")).await;
    assert_eq!(empty.status, 400);
    assert_eq!(stage.get(&stage.eve, "/pullrequests/1").await["comment_count"], 1);
    assert_eq!(stage.call(&stage.ann.header, "DELETE", &path, json!(null)).await.status, 204);
    let list = stage.get(&stage.eve, "/pullrequests/1/comments").await;
    assert_eq!((&list["values"][0]["deleted"], &list["size"]), (&json!(true), &json!(1)));
    assert_eq!(stage.get(&stage.eve, "/pullrequests/1").await["comment_count"], 0);
}

#[tokio::test]
async fn changes_of_a_pull_request_have_another_address() {
    let stage = Stage::new().await;
    let (work, _) = stage.open(&stage.bob, "orders").await;
    let path = format!("{REPOSITORY}/pullrequests/1/diffstat");
    let reply = stage.call(&stage.eve.header, "GET", &path, json!(null)).await;
    assert_eq!(reply.status, 302);
    let address = reply.header("location").expect("an address");
    let path = address.strip_prefix(stage.bitbucket.url()).expect("of this Bitbucket");
    let path = path.strip_prefix("/2.0").expect("of its API");
    let changes = stage.call(&stage.eve.header, "GET", path, json!(null)).await.json();
    assert_eq!(changes["values"][0]["status"], "added");
    let head = stage.git_ok(&work, &["rev-parse", "HEAD"]).await;
    let commits = stage.get(&stage.eve, "/pullrequests/1/commits").await;
    assert_eq!((&commits["values"][0]["hash"], &commits["size"]), (&json!(head), &json!(1)));
    let base = stage.get(&stage.eve, &format!("/merge-base/{head}..main")).await;
    let main = stage.get(&stage.eve, "/refs/branches/main").await;
    assert_eq!(base["hash"], main["target"]["hash"]);
}

#[tokio::test]
async fn the_source_branch_goes_with_its_pull_request() {
    let stage = Stage::new().await;
    stage.open(&stage.bob, "orders").await;
    let body = json!({ "type": "pullrequest_merge_parameters", "close_source_branch": true });
    assert_eq!(stage.post(&stage.bob, "/pullrequests/1/merge", body).await.status, 200);
    let gone = format!("{REPOSITORY}/refs/branches/orders");
    assert_eq!(stage.call(&stage.bob.header, "GET", &gone, json!(null)).await.status, 404);
}

#[tokio::test]
async fn a_pull_request_may_come_from_a_fork() {
    let stage = Stage::new().await;
    let away = stage.bitbucket.add_workspace("away").expect("a workspace");
    let fork = stage.bitbucket.add_fork(&stage.repository, &away, "apis").expect("a fork");
    let eve = Some(Permission::Admin);
    stage.bitbucket.permit(&fork, &stage.eve.uuid, eve).expect("a permission");
    let work = stage.clone_as(&stage.eve, "eve").await;
    let remote = stage.remote(&stage.eve).replace("/acme/", "/away/");
    stage.commit(&work, "theirs.yaml", "").await;
    stage.git_ok(&work, &["push", "--quiet", &remote, "HEAD:refs/heads/theirs"]).await;
    let source = |repository: &str| {
        let repository = json!({ "full_name": repository });
        json!({ "branch": { "name": "theirs" }, "repository": repository })
    };
    let body = |repository| json!({ "title": "Ours", "source": source(repository) });
    for (who, repository) in [(&stage.eve, "away/none"), (&stage.bob, "away/apis")] {
        let reply = stage.post(who, "/pullrequests", body(repository)).await;
        assert_eq!(reply.status, 400, "{repository}");
    }
    let made = stage.post(&stage.eve, "/pullrequests", body("away/apis")).await.json();
    assert_eq!(made["source"]["repository"]["uuid"], fork.as_str());
    assert_eq!(made["destination"]["repository"]["uuid"], stage.repository.as_str());
    let head = stage.commit(&work, "more.yaml", "").await;
    stage.git_ok(&work, &["push", "--quiet", &remote, "HEAD:refs/heads/theirs"]).await;
    let pull = stage.get(&stage.bob, "/pullrequests/1").await;
    assert_eq!(pull["source"]["commit"]["hash"], render::short(&head));
    let listed = stage.git_ok(&work, &["ls-remote", "origin"]).await;
    assert!(!listed.contains("pull-requests"), "{listed}");
    let merged = merge(&stage, &stage.bob, "merge_commit").await;
    assert_eq!(merged.json()["state"], "MERGED", "{}", merged.text());
    let commits = stage.get(&stage.bob, "/commits/main?path=more.yaml").await;
    assert_eq!((&commits["size"], &commits["values"][0]["hash"]), (&json!(1), &json!(head)));
}
