use gw_control::host::{
    Account, AccountKind, Allowed, Force, Permission, PullRequestState,
    approvals::{Discounted, counted, judge},
};
use gw_emulators::bitbucket::{Exempt, Fault, Permission as Right, Rule};

use super::*;

#[tokio::test]
async fn a_repository_is_found_by_its_ids_and_its_new_name_is_noticed() {
    let stage = Stage::new().await;
    let host = stage.host();
    let found = host.repository().await.unwrap();
    assert_eq!((found.full_name.as_str(), found.renamed_from), ("acme/apis", None));
    assert_eq!(
        (found.id, found.main_branch.as_deref()),
        (stage.repository.to_string(), Some("main"))
    );
    stage.bitbucket.rename_repository(&stage.repository, "our-apis").unwrap();
    stage.bitbucket.rename_workspace(&stage.workspace, "acme-corp").unwrap();
    let found = host.repository().await.unwrap();
    assert_eq!(found.full_name, "acme-corp/our-apis");
    assert_eq!(found.renamed_from.as_deref(), Some("acme/apis"));
    // Everything else is found as before.
    assert_eq!(host.open_pull_requests().await, Ok(vec![]));
}

#[tokio::test]
async fn a_repository_of_another_workspace_is_none() {
    let stage = Stage::new().await;
    let other = stage.bitbucket.add_workspace("other").unwrap();
    let declared = Declared { workspace_uuid: other.to_string(), ..stage.declared() };
    let settings = (declared, stage.api_token(&stage.ann));
    let host = stage.host_at(stage.bitbucket.url(), settings, client());
    let refused = host.repository().await.unwrap_err();
    assert_eq!(refused, HostError::Missing { what: "repository acme/apis".to_owned() });
    assert!(refused.help().unwrap().contains("hides"));
}

#[tokio::test]
async fn a_pull_request_tells_who_made_it_and_who_approved_which_head() {
    let stage = Stage::new().await;
    let (work, head) = stage.propose().await;
    let opened = stage.clock.clone();
    let host = stage.host();
    let found = host.pull_request(1).await.unwrap();
    assert_eq!((found.number, found.title.as_str()), (1, "Add orders"));
    assert_eq!((found.state, found.merge_commit), (PullRequestState::Open, None));
    assert_eq!((found.source.branch.as_str(), found.source.commit), ("orders", Some(head)));
    assert_eq!(found.destination.branch, "main");
    assert_eq!(found.destination.commit.map(|it| it.len()), Some(40));
    assert_eq!(found.opened_by.id, stage.bob.uuid.to_string());
    assert_eq!((found.opened_by.name.as_str(), found.opened_by.kind), ("bob", AccountKind::Person));
    assert_eq!((found.pushed_by, found.approvals), (vec![], vec![]));
    assert_eq!(found.head_since, gw_model::clock::Clock::now(&opened));
    assert_eq!(host.open_pull_requests().await, Ok(vec![1]));

    stage.advance();
    stage.approve(&stage.ann, 1).await;
    stage.approve(&stage.bob, 1).await;
    stage.approve(&stage.eve, 1).await;
    assert_eq!(
        verdicts(&stage).await,
        [
            ("ann".to_owned(), None),
            ("bob".to_owned(), Some(Discounted::Author)),
            ("eve".to_owned(), Some(Discounted::MayNotWrite)),
        ]
    );

    // Another pushes: what was approved is not what is there, and she approves nothing here.
    stage.advance();
    let head = stage.add(&work, "more.yaml").await;
    stage.push(&stage.carol, &work, &["HEAD:orders"]).await;
    stage.advance();
    stage.approve(&stage.carol, 1).await;
    // A new title, or a word in the discussion, renews no approval.
    let title = json!({ "title": "Add more orders" });
    stage.ask(&stage.bob, "PUT", "/pullrequests/1", title).await;
    let remark = json!({ "content": { "raw": "gatewright plan" } });
    let remark = stage.post(&stage.ann, "/pullrequests/1/comments", remark).await;
    let found = host.pull_request(1).await.unwrap();
    assert_eq!(found.source.commit, Some(head));
    let pushed: Vec<_> = found.pushed_by.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(pushed, ["carol"]);
    assert_eq!(
        verdicts(&stage).await,
        [
            ("ann".to_owned(), Some(Discounted::FormerHead)),
            ("bob".to_owned(), Some(Discounted::Author)),
            ("eve".to_owned(), Some(Discounted::FormerHead)),
            ("carol".to_owned(), Some(Discounted::Author)),
        ]
    );
    let remark = host.remark(1, remark["id"].as_u64().unwrap()).await.unwrap();
    assert_eq!((remark.by.name.as_str(), remark.text.as_str()), ("ann", "gatewright plan"));
}

/// Each approval of pull request 1: by whom, and why it does not count.
async fn verdicts(stage: &Stage) -> Vec<(String, Option<Discounted>)> {
    let host = stage.host();
    let pull_request = host.pull_request(1).await.unwrap();
    let mut permissions = BTreeMap::new();
    for approval in &pull_request.approvals {
        let permission = host.permission(&approval.by).await.unwrap();
        permissions.insert(approval.by.id.clone(), permission);
    }
    let judged = judge(&pull_request, |account| permissions.get(&account.id).copied());
    let names = counted(&judged).count();
    assert_eq!(names, judged.iter().filter(|it| it.refusal.is_none()).count());
    judged.iter().map(|it| (it.approval.by.name.clone(), it.refusal)).collect()
}

/// Shows S2.3: holds
/// Shows S1.4: part (who may approve; what callers may is said by their issuer)
#[tokio::test]
async fn a_right_that_is_lost_takes_its_approval_along() {
    let stage = Stage::new().await;
    stage.propose().await;
    stage.advance();
    stage.approve(&stage.carol, 1).await;
    assert_eq!(verdicts(&stage).await, [("carol".to_owned(), None)]);
    stage.bitbucket.permit(&stage.repository, &stage.carol.uuid, Some(Right::Read)).unwrap();
    assert_eq!(verdicts(&stage).await, [("carol".to_owned(), Some(Discounted::MayNotWrite))]);
    // A group gives it back.
    let members = [stage.carol.uuid.clone()];
    stage.bitbucket.add_group(&stage.workspace, "developers", &members).unwrap();
    stage.bitbucket.permit_group(&stage.repository, "developers", Some(Right::Write)).unwrap();
    assert_eq!(verdicts(&stage).await, [("carol".to_owned(), None)]);
    // Approvals can be taken back.
    stage.ask(&stage.carol, "DELETE", "/pullrequests/1/approve", Value::Null).await;
    assert_eq!(verdicts(&stage).await, []);
}

#[tokio::test]
async fn what_is_merged_is_found_by_each_of_its_commits() {
    for strategy in ["merge_commit", "squash", "fast_forward"] {
        let stage = Stage::new().await;
        let (_, head) = stage.propose().await;
        let host = stage.host();
        let before = stage.get("/refs/branches/main").await;
        stage.advance();
        stage.merge(1, strategy).await;
        let main = stage.get("/refs/branches/main").await;
        let main = main["target"]["hash"].as_str().unwrap();
        let found = host.pull_request(1).await.unwrap();
        assert_eq!(found.state, PullRequestState::Merged, "{strategy}");
        assert_eq!(found.merge_commit.as_deref(), Some(main), "{strategy}");
        assert_eq!(found.pushed_by, vec![], "{strategy}");
        assert_eq!(host.pull_requests_of(main).await, Ok(vec![1]), "{strategy}");
        assert_eq!(host.pull_requests_of(&head).await, Ok(vec![1]), "{strategy}");
        assert_eq!(host.pull_requests_of(short(&head)).await, Ok(vec![1]), "{strategy}");
        let old = before["target"]["hash"].as_str().unwrap();
        assert_eq!(host.pull_requests_of(old).await, Ok(vec![]), "{strategy}");
        // Nothing links commits to pull requests: the merged ones are searched.
        stage.bitbucket.fail_next("/pullrequests", gw_emulators::bitbucket::Fault::Status(404));
        assert_eq!(host.pull_requests_of(main).await, Ok(vec![1]), "{strategy}");
        assert_eq!(host.open_pull_requests().await, Ok(vec![]));
    }
}

/// What was merged stays so: only what was touched since is asked for again.
#[tokio::test]
async fn what_was_merged_is_asked_for_once() {
    let stage = Stage::new().await;
    let work = stage.clone_as(&stage.bob, "many").await;
    // One more than a page.
    let branches: Vec<String> = (1..=51).map(|number| format!("b{number}")).collect();
    for branch in &branches {
        stage.git(&work, &["checkout", "--quiet", "-b", branch, "main"]).await;
        stage.add(&work, branch).await;
    }
    stage.push(&stage.bob, &work, &["--all"]).await;
    for (number, branch) in (1..).zip(&branches) {
        stage.open(&stage.bob, branch, branch).await;
        stage.merge(number, "squash").await;
    }
    for _ in 0..10 {
        stage.advance();
    }
    stage.propose().await;
    stage.merge(52, "squash").await;
    let host = stage.host();
    let commits = [stage.head("main").await];
    assert_eq!(host.merged_as(&commits).await, Ok(vec![52]));
    // One question is answered; the next one would not be.
    for fault in [Fault::Slow(Duration::ZERO), Fault::Status(404)] {
        stage.bitbucket.fail_next("/pullrequests", fault);
    }
    assert_eq!(host.merged_as(&commits).await, Ok(vec![52]));
    host.open_pull_requests().await.unwrap_err();
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_never_asked_for_by_a_strange_name() {
    let stage = Stage::new().await;
    let host = stage.host();
    let refused = host.pull_request(7).await.unwrap_err();
    assert_eq!(refused, HostError::Missing { what: "pull request 7".to_owned() });
    for commit in ["main", "../hooks", "", "abc", "ABCDEF0"] {
        let refused = host.pull_requests_of(commit).await.unwrap_err();
        assert_eq!(refused, HostError::Missing { what: format!("commit {commit}") });
    }
    assert_eq!(host.pull_requests_of(&"0123456789".repeat(4)).await, Ok(vec![]));
}

#[tokio::test]
async fn a_declined_pull_request_is_over() {
    let stage = Stage::new().await;
    stage.propose().await;
    stage.advance();
    stage.post(&stage.bob, "/pullrequests/1/decline", Value::Null).await;
    let found = stage.host().pull_request(1).await.unwrap();
    assert_eq!((found.state, found.merge_commit), (PullRequestState::Declined, None));
}

#[tokio::test]
async fn a_branch_is_protected_as_far_as_its_rules_say() {
    let stage = Stage::new().await;
    let host = stage.host();
    let free = host.protection("main").await.unwrap();
    assert_eq!((free.pushes, free.approvals, free.force), (Allowed::Writers, 0, Force::Warned));
    let exempt = Exempt { people: std::slice::from_ref(&stage.ann.uuid), groups: &["release"] };
    let rule = |kind, value, exempt| Rule { kind, pattern: "main", value, exempt };
    for rule in [
        rule("push", None, exempt),
        rule("require_approvals_to_merge", Some(2), Exempt::default()),
        rule("enforce_merge_checks", None, Exempt::default()),
    ] {
        stage.bitbucket.restrict(&stage.repository, &rule).unwrap();
    }
    let found = host.protection("main").await.unwrap();
    let Allowed::Only { accounts, groups } = &found.pushes else { panic!("{found:?}") };
    assert_eq!(accounts.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["ann"]);
    assert_eq!(groups, &["release"]);
    assert_eq!((found.merges, found.approvals, found.force), (Allowed::Writers, 2, Force::Refused));
    assert_eq!(host.protection("other").await.unwrap().pushes, Allowed::Writers);
}

#[tokio::test]
async fn permissions_are_those_of_now() {
    let stage = Stage::new().await;
    let host = stage.host();
    let account = |somebody: &Somebody| Account {
        host: "bitbucket",
        id: somebody.uuid.to_string(),
        name: "somebody".to_owned(),
        kind: AccountKind::Person,
    };
    for (somebody, expected) in [
        (&stage.ann, Permission::Admin),
        (&stage.bob, Permission::Write),
        (&stage.eve, Permission::Read),
    ] {
        assert_eq!(host.permission(&account(somebody)).await, Ok(expected));
    }
    stage.bitbucket.permit(&stage.repository, &stage.bob.uuid, None).unwrap();
    assert_eq!(host.permission(&account(&stage.bob)).await, Ok(Permission::None));
    // An id that would be a query of its own, and an account of another host, are nobody.
    let query = Account { id: "{x\" OR permission=\"admin}".to_owned(), ..account(&stage.ann) };
    assert_eq!(host.permission(&query).await, Ok(Permission::None));
    let elsewhere = Account { host: "github", ..account(&stage.ann) };
    assert_eq!(host.permission(&elsewhere).await, Ok(Permission::None));
}
