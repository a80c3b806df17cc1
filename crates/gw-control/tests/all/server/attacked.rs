//! Changes that must not be made, each through the one helper.

use gw_control::{
    drift,
    reconcile::{ground, plan},
    stop::Stop,
};
use gw_testkit::attack::change::{Attack, Bench, Said, attack};
use tokio::{runtime::Handle, task::block_in_place};

use super::*;

/// Waits for something where nobody can.
fn wait<T>(work: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(work))
}

fn said(answer: Result<Answer, Stop>) -> Said {
    let answer = answer.unwrap_or_else(|stop| Answer::from(&stop));
    let done = answer.end == End::Done && answer.change.is_some();
    Said { done, code: answer.code, words: answer.text }
}

impl House {
    /// Asks for a commit, as somebody whom a rule lets apply.
    fn asks(&self, sha: &str) -> Said {
        said(wait(reconcile(&self.server, &order(somebody("ann"), sha))))
    }

    /// Asks for it, sees it refused, and goes on.
    fn refuses(&self, name: &str, code: &str, ask: &dyn Fn() -> Said) -> Said {
        self.refuses_until(name, code, ask, &|| ())
    }

    /// The same, where something has to be mended before anything can go on.
    fn refuses_until(
        &self,
        name: &str,
        code: &str,
        ask: &dyn Fn() -> Said,
        mend: &dyn Fn(),
    ) -> Said {
        let good = || {
            mend();
            // Each time another hand, and nobody's fight.
            let other = format!("{}/1m", 900 + self.live.switches());
            self.live.tamper("100/1m", &other);
            let aim = Aim::InForce;
            let order = Order { environment: prod(), asker: Asker::server(), aim };
            said(wait(reconcile(&self.server, &order)))
        };
        let state = self.stage.folder.path().join("state");
        let bench = Bench {
            written: vec![state, self.stage.folder.path().join("ledger")],
            writes: &|| self.live.switches(),
            entries: &|| {
                let count = wait(self.server.store.entry_count()).unwrap();
                wait(self.server.store.entries(0, u32::try_from(count).unwrap())).unwrap()
            },
            good: &good,
        };
        let token = self.stage.ann.token.reveal().clone();
        attack(&bench, &Attack { name, ask, code, secrets: &[&token] })
    }

    /// Somebody who may pushes straight to `main`. The commit.
    fn push_to_main(&self, edit: impl FnOnce(&std::path::Path)) -> String {
        self.stage.advance();
        edit(&self.desk);
        wait(self.stage.publish(&[], "x"))
    }
}

fn replace(desk: &std::path::Path, path: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(desk.join(path)).unwrap();
    assert!(text.contains(from), "{path} has no `{from}`");
    std::fs::write(desk.join(path), text.replace(from, to)).unwrap();
}

/// Shows G2: holds
#[tokio::test(flavor = "multi_thread")]
async fn history_that_was_rewritten_and_an_older_commit_are_not_followed() {
    let house = House::new().await;
    let first = house.stage.git(&house.desk, &["rev-parse", "HEAD~1"]).await;
    let in_force = house.stage.git(&house.desk, &["rev-parse", "HEAD"]).await;
    let orphan = wait(async {
        let (stage, desk) = (&house.stage, &house.desk);
        stage.git(desk, &["checkout", "--quiet", "--orphan", "other"]).await;
        stage.git(desk, &["commit", "--quiet", "--message", "All new"]).await;
        stage.push(&stage.ann, desk, &["--force", "HEAD:refs/heads/main"]).await;
        stage.git(desk, &["rev-parse", "HEAD"]).await
    });
    let restored = format!("{in_force}:refs/heads/main");
    let mend = || {
        wait(house.stage.push(&house.stage.ann, &house.desk, &["--force", &restored]));
        wait(house.server.fetch()).unwrap();
    };
    let ask = || house.asks(&orphan);
    house.refuses_until("history without the commit in force", "GW3110", &ask, &mend);
    // The first commit declares nothing: what cannot be read is refused before it is compared.
    assert!(!house.asks(&first).done);
    house.end().await;
}

/// Shows G3: part (the whole matrix is the golden table of gw-control/src/approve/tests.rs)
/// Shows G6: holds
/// Shows S2.17: part (review and revert; diff and blame are those of Git)
#[tokio::test(flavor = "multi_thread")]
async fn nobody_loosens_the_gate_with_what_has_to_pass_it() {
    let house = House::new().await;
    let widened = house.push_to_main(|desk| {
        std::fs::write(desk.join("apis/orders/api.yaml"), api("orders-team, sales", "100/1m"))
            .unwrap();
    });
    house.refuses("nobody approved", "GW3107", &|| house.asks(&widened));
    let loosened = house.push_to_main(|desk| {
        replace(desk, "environments/prod.yaml", ", approvals: 1", "");
        std::fs::remove_file(desk.join("policies/changes.cedar")).unwrap();
    });
    house.refuses("its own rules would let it pass", "GW3107", &|| house.asks(&loosened));
    let permit = house.push_to_main(|desk| {
        let text = "permit (principal, action, resource);";
        std::fs::create_dir_all(desk.join("policies")).unwrap();
        std::fs::write(desk.join("policies/changes.cedar"), text).unwrap();
    });
    house.refuses("a policy that permits", "GW1304", &|| house.asks(&permit));
    house.end().await;
}

/// Shows G5: part (a foreign workspace and a foreign repository; targets are kept apart by their mark)
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_of_another_workspace_is_not_put_in_force() {
    let house = House::new().await;
    let other = WorkspaceId::from_random([9; 16]);
    let id = |id: &WorkspaceId| format!("{}\n", id.as_str());
    let foreign = house.push_to_main(|desk| {
        std::fs::write(desk.join(".gatewright/id"), id(&other)).unwrap();
    });
    house.refuses("another workspace's id", "GW6203", &|| house.asks(&foreign));
    let elsewhere = house.push_to_main(|desk| {
        std::fs::write(desk.join(".gatewright/id"), id(&house.server.workspace_id)).unwrap();
        let uuid = house.stage.repository.to_string();
        let (_, tail) = uuid.split_once('-').unwrap();
        let forged = format!("{{ffffffff-{tail}");
        replace(desk, "gatewright.yaml", &uuid, &forged);
    });
    house.refuses("another repository's id", "GW6203", &|| house.asks(&elsewhere));
    house.end().await;
}

/// Shows G9: holds
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_source_deletes_nothing_and_a_deletion_needs_a_rule() {
    let house = House::new().await;
    let without = house.push_to_main(|desk| {
        std::fs::remove_dir_all(desk.join("apis")).unwrap();
    });
    house.refuses("every API is gone", "GW3107", &|| house.asks(&without));
    let empty = house.push_to_main(|desk| {
        for path in ["gatewright.yaml", "environments", "policies", ".gatewright"] {
            let path = desk.join(path);
            if path.is_dir() {
                std::fs::remove_dir_all(path).unwrap();
            } else {
                std::fs::remove_file(path).unwrap();
            }
        }
    });
    house.refuses("the whole source is gone", "GW1602", &|| house.asks(&empty));
    house.end().await;
}

/// Shows G1: part (a secret that rotates in between is not tried)
/// Shows G7: part (the pages that show a plan are not tried)
/// Shows S0.9: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_was_shown_is_done_or_nothing_is() {
    let house = House::new().await;
    let head = house.stage.git(&house.desk, &["rev-parse", "HEAD"]).await;
    let narrow = order(somebody("owner"), &head);
    let ground = ground(&house.server, &narrow).await.unwrap();
    let action = gw_model::environment::ChangeAction::Apply;
    let shown = plan(&house.server, &narrow, &ground, action).await.unwrap();
    let id = shown.plan.id.clone();
    let by_plan = |sha: &str| {
        let (sha, plan) = (sha.to_owned(), Some(id.clone()));
        let aim = Aim::Commit { sha, only: BTreeSet::new(), plan };
        let order = Order { environment: prod(), asker: somebody("ann"), aim };
        said(wait(reconcile(&house.server, &order)))
    };
    let other = house.push_to_main(|desk| {
        std::fs::write(desk.join("apis/orders/api.yaml"), api("orders-team", "60/1m")).unwrap();
    });
    house.refuses("another commit than was shown", "GW3102", &|| by_plan(&other));
    // Only the target moved: what is done is still what was shown.
    house.live.tamper("100/1m", "700/1m");
    let done = by_plan(&head);
    assert!(done.done, "{}", done.words);
    house.end().await;
}

/// Shows G10: holds
#[tokio::test(flavor = "multi_thread")]
async fn two_owners_do_not_take_turns_for_ever() {
    let house = House::new().await;
    for _ in 0..3 {
        house.live.tamper("100/1m", "555/1m");
        let put_back = said(drift::compare(&house.server, &prod()).await);
        assert!(put_back.done, "{}", put_back.words);
    }
    let ask = || {
        house.live.tamper("100/1m", "555/1m");
        let said = said(wait(drift::compare(&house.server, &prod())));
        house.live.tamper("555/1m", "100/1m");
        said
    };
    house.refuses("the fourth time", "GW3112", &ask);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remark_takes_no_arguments() {
    let house = House::new().await;
    let stage = &house.stage;
    house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    for (text, is_for_us) in [
        ("gatewright plan", true),
        ("gatewright check", true),
        (" gatewright plan\n", true),
        ("gatewright plan -- -var-file=/etc/passwd", false),
        ("gatewright apply", false),
        ("please: gatewright plan", false),
        ("gatewright  plan", false),
        ("`gatewright plan`", false),
    ] {
        let body = json!({ "content": { "raw": text } });
        let remark = stage.post(&stage.bob, "/pullrequests/1/comments", body).await;
        let id = remark["id"].as_u64().unwrap();
        let told = gw_control::pull_request::remark(&house.server, 1, id).await.unwrap();
        assert_eq!(told.text != "it is not for us", is_for_us, "{text}: {}", told.text);
    }
    assert_eq!(house.change().await, 1);
    house.end().await;
}

/// Shows R1: holds
/// Shows R3: holds
/// Shows R7: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_commit_is_refused_by_its_paths_and_on_the_record() {
    let house = House::new().await;
    let git = |arguments: &[&str]| {
        wait(house.stage.git(&house.desk, arguments));
    };
    let link = house.push_to_main(|desk| {
        std::os::unix::fs::symlink("/proc/self/environ", desk.join("apis/orders/keys.yaml"))
            .unwrap();
    });
    let told = house.refuses("a link", "GW6101", &|| house.asks(&link));
    assert!(told.words.contains("apis/orders/keys.yaml"), "{}", told.words);
    let head = wait(house.stage.git(&house.desk, &["rev-parse", "HEAD"]));
    let submodule = house.push_to_main(|desk| {
        std::fs::remove_file(desk.join("apis/orders/keys.yaml")).unwrap();
        std::fs::create_dir(desk.join("apis/other")).unwrap();
        git(&["init", "--quiet", "apis/other"]);
        let entry = format!("160000,{head},apis/other");
        git(&["update-index", "--add", "--cacheinfo", &entry]);
        std::fs::remove_dir_all(desk.join("apis/other/.git")).unwrap();
        std::fs::remove_dir(desk.join("apis/other")).unwrap();
        git(&["update-index", "--skip-worktree", "apis/other"]);
    });
    let told = house.refuses("a submodule", "GW6101", &|| house.asks(&submodule));
    assert!(told.words.contains("apis/other"), "{}", told.words);
    let turned = house.push_to_main(|desk| {
        git(&["update-index", "--no-skip-worktree", "apis/other"]);
        git(&["update-index", "--force-remove", "apis/other"]);
        std::fs::write(desk.join("apis/orders/\u{202e}lmay.api"), "x").unwrap();
    });
    house.refuses("a name that turns the text round", "GW6102", &|| house.asks(&turned));
    house.end().await;
}
