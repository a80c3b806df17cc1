//! Changes that must not be made and things that must lead to none, each through the one helper.

use gw_control::{
    drift,
    pull_request::remark,
    reconcile::{ground, plan},
};
use gw_emulators::bitbucket::{Fault, Permission};
use gw_testkit::{
    attack::change::{Attack, Bench, Lure, attack},
    git::{FILE, FOLDER, GitRepository},
};

use super::*;

/// What nobody may see again.
const CANARY: &str = "sales-9c1f7e22a4";

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
        let token = self.stage.ann.token.reveal().clone();
        self.on_bench(mend, |bench| attack(bench, &Attack { name, ask, code, secrets: &[&token] }))
    }

    /// Somebody puts there what leads to nothing, and what is in it is written nowhere.
    fn ignores(&self, name: &str, secret: &str, put: &dyn Fn()) {
        let token = self.stage.ann.token.reveal().clone();
        let lure = Lure { name, put, secrets: &[&token, secret] };
        self.on_bench(&|| (), |bench| gw_testkit::attack::change::ignore(bench, &lure));
    }

    fn on_bench<T>(&self, mend: &dyn Fn(), work: impl FnOnce(&Bench<'_>) -> T) -> T {
        let good = || {
            mend();
            // Each time another hand, and nobody's fight.
            let other = format!("{}/1m", 900 + self.live.switches());
            self.live.tamper("100/1m", &other);
            let aim = Aim::InForce;
            let order = Order { environment: prod(), asker: Asker::server(), aim };
            said(wait(reconcile(&self.server, &order)))
        };
        let folder = self.stage.folder.path();
        work(&Bench {
            written: ["state", "ledger", "source"].map(|it| folder.join(it)).to_vec(),
            writes: &|| self.live.switches(),
            entries: &|| {
                let count = wait(self.server.store.entry_count()).unwrap();
                wait(self.server.store.entries(0, u32::try_from(count).unwrap())).unwrap()
            },
            good: &good,
        })
    }

    /// Somebody who may pushes straight to `main`. The commit.
    fn push_to_main(&self, edit: impl FnOnce(&std::path::Path)) -> String {
        self.stage.advance();
        edit(&self.desk);
        wait(self.stage.publish(&[], "x"))
    }

    /// Somebody pushes to `main` what git itself would not make, on top of what is in force.
    fn push_hostile(&self, make: impl FnOnce(&GitRepository) -> String) -> String {
        self.stage.advance();
        let remote = self.stage.remote(&self.stage.ann);
        let in_force = wait(self.stage.git(&self.desk, &["rev-parse", "main"]));
        tokio::task::block_in_place(|| {
            let git = GitRepository::new();
            git.git(&["fetch", "--quiet", &remote, "refs/heads/*:refs/theirs/*"]);
            let commit = git.commit(&make(&git), &[&in_force], "hostile");
            git.git(&["push", "--quiet", "--force", &remote, &format!("{commit}:refs/heads/main")]);
            commit
        })
    }

    /// Where the host keeps the repository.
    fn at_the_host(&self) -> PathBuf {
        let name = self.stage.repository.to_string();
        let name = name.trim_matches(|sign| "{}".contains(sign));
        self.stage.folder.path().join(format!("repositories/{name}.git"))
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

/// Shows R2: holds
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_git_takes_for_its_own_is_refused() {
    let house = House::new().await;
    let names: [&[u8]; 5] =
        [b".git", b"GIT~1", b".g\xe2\x80\x8cit", b".git::$INDEX_ALLOCATION", b"..\\.git"];
    for name in names {
        let commit = house.push_hostile(|git| {
            let blob = git.object("blob", b"x");
            git.folder(&[(FOLDER, b"apis", &git.folder(&[(FILE, name, &blob)]))])
        });
        house.refuses("a name like that of git", "GW6102", &|| house.asks(&commit));
    }
    house.end().await;
}

/// Shows R4: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_would_have_to_be_filtered_is_read_as_it_is() {
    let house = House::new().await;
    let declared = std::fs::read_to_string(house.desk.join("apis/orders/api.yaml")).unwrap();
    let pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    let wide: Vec<u8> = declared.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let turned: Vec<u8> = declared.bytes().map(|byte| byte ^ 0x20).collect();
    let rows: [(&str, &str, &[u8]); 4] = [
        ("a pointer instead of a file", "apis/orders/api.yaml", pointer.as_bytes()),
        ("a pointer instead of a specification", "apis/orders/openapi.yaml", pointer.as_bytes()),
        ("a text in another encoding", "apis/orders/api.yaml", &wide),
        ("a text that a filter turns", "apis/orders/api.yaml", &turned),
    ];
    for (name, path, bytes) in rows {
        let path = path.rsplit_once('/').unwrap().1;
        let commit = house.push_hostile(|git| {
            let attributes = "* filter=lfs working-tree-encoding=UTF-16BE\n";
            let blob = git.object("blob", bytes);
            let orders = git.folder(&[(FILE, path.as_bytes(), &blob)]);
            let apis = git.folder(&[(FOLDER, b"orders", &orders)]);
            let root = git.git(&["rev-parse", "refs/theirs/main^{tree}"]);
            assert!(!root.is_empty());
            let attributes = git.object("blob", attributes.as_bytes());
            git.folder(&[(FILE, b".gitattributes", &attributes), (FOLDER, b"apis", &apis)])
        });
        let asked = house.asks(&commit);
        let code = asked.code.clone().unwrap();
        house.refuses(name, &code, &|| house.asks(&commit));
    }
    house.end().await;
}

/// Shows R6: part (full sizes are not tried)
/// Shows R8: holds
#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_cut_is_refused_by_what_it_is() {
    let caps = Caps { object_bytes: 1 << 20, files: 200, depth: 8, ..Caps::default() };
    let house = House::bare_with(Stage::host, caps).await.begun().await;
    let mend = || {
        let restored = "main:refs/heads/main";
        wait(house.stage.push(&house.stage.ann, &house.desk, &["--force", restored]));
        std::fs::remove_file(house.at_the_host().join("shallow")).ok();
        wait(house.server.fetch()).unwrap();
    };
    let many = house.push_hostile(|git| {
        let blob = git.object("blob", b"x");
        let names: Vec<_> = (0..201).map(|name| format!("{name:03}").into_bytes()).collect();
        let entries: Vec<_> = names.iter().map(|it| (FILE, it.as_slice(), blob.as_str())).collect();
        git.folder(&entries)
    });
    house.refuses_until("many files", "GW6004", &|| house.asks(&many), &mend);
    let deep = house.push_hostile(|git| {
        let folder = git.files(&[("x", "x")]);
        (0..9).fold(folder, |below, _| git.folder(&[(FOLDER, b"d", &below)]))
    });
    house.refuses_until("a folder without ground", "GW6004", &|| house.asks(&deep), &mend);
    let bomb = house.push_hostile(|git| git.files(&[("a.yaml", &"0".repeat(2 << 20))]));
    house.refuses_until("a bomb", "GW6004", &|| house.asks(&bomb), &mend);
    for name in ["the newest commit is cut", "and the next"] {
        let cut = house.push_to_main(|_| ());
        std::fs::write(house.at_the_host().join("shallow"), format!("{cut}\n")).unwrap();
        house.refuses_until(name, "GW6003", &|| house.asks(&cut), &mend);
    }
    house.end().await;
}

/// Shows R6: part (full sizes are not tried)
#[tokio::test(flavor = "multi_thread")]
async fn a_branch_that_is_too_much_is_told_below_its_pull_request_and_stops_nobody() {
    let caps = Caps { object_bytes: 1 << 20, branches_and_tags: 8, ..Caps::default() };
    let house = House::bare_with(Stage::host, caps).await.begun().await;
    let stage = &house.stage;
    let bomb = wait(async {
        stage.git(&house.desk, &["checkout", "--quiet", "-b", "bomb", "main"]).await;
        std::fs::write(house.desk.join("big.bin"), "0".repeat(2 << 20)).unwrap();
        stage.commit(&house.desk, "A film").await;
        std::fs::remove_file(house.desk.join("big.bin")).unwrap();
        let bomb = stage.commit(&house.desk, "No film").await;
        stage.push(&stage.ann, &house.desk, &["HEAD:refs/heads/bomb"]).await;
        stage.open(&stage.ann, "bomb", "A film").await;
        stage.git(&house.desk, &["checkout", "--quiet", "main"]).await;
        bomb
    });
    house.refuses("a bomb in the history of another branch", "GW6004", &|| house.asks(&bomb));
    house.look().await;
    let told = house.answer("pull-request/1").await;
    assert_eq!(told.code.as_deref(), Some("GW6004"), "{told:?}");
    let comments = stage.comments(1).await;
    for words in ["GW6004", "an object of more than 1 MiB", "take the large file out"] {
        assert!(comments[0].contains(words), "{words}: {comments:?}");
    }
    let statuses = stage.get(&format!("/commit/{bomb}/statuses")).await;
    assert_eq!(statuses["values"][0]["state"], "FAILED", "{statuses}");

    // More branches than are looked at, and a pull request whose branch would come after them.
    let crowd: Vec<String> = (0..20).map(|at| format!("main:refs/heads/a{at}")).collect();
    let crowd: Vec<&str> = crowd.iter().map(String::as_str).collect();
    stage.push(&stage.ann, &house.desk, &crowd).await;
    house.propose(&stage.bob, "work", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    let told = house.answer("pull-request/2").await;
    assert!(told.text.starts_with("pull request 2"), "{told:?}");
    assert_eq!(stage.comments(2).await.len(), 1);
    let looked = house.answer("look").await;
    for words in ["left out for what they hold: refs/heads/bomb", "too many branches and tags"] {
        assert!(looked.text.contains(words), "{words}: {looked:?}");
    }
    stage.advance();
    stage.approve(&stage.carol, 2).await;
    stage.advance();
    stage.merge(2, "squash").await;
    house.look().await;
    let applied = house.answer("release/prod/merge/refs/heads/main").await;
    assert!(applied.end == End::Done && house.live.has("sales"), "{applied:?}");
    house.end().await;
}

/// Shows G4: holds
#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_fork_is_read_shown_or_put_in_force() {
    let house = House::new().await;
    let stage = &house.stage;
    let fork = stage.bitbucket.add_fork(&stage.repository, &stage.workspace, "fork").unwrap();
    stage.bitbucket.permit(&fork, &stage.eve.uuid, Some(Permission::Write)).unwrap();
    let remote = stage.remote(&stage.eve).replace("apis.git", "fork.git");
    stage.git(stage.folder.path(), &["clone", "--quiet", &remote, "forked"]).await;
    let work = stage.folder.path().join("forked");
    let widened = api(&format!("orders-team, {CANARY}"), "100/1m");
    std::fs::write(work.join("apis/orders/api.yaml"), widened).unwrap();
    let head = stage.commit(&work, CANARY).await;
    stage.git(&work, &["push", "--quiet", &remote, "HEAD:refs/heads/sales"]).await;
    let source =
        json!({ "branch": { "name": "sales" }, "repository": { "full_name": "acme/fork" } });
    stage.post(&stage.eve, "/pullrequests", json!({ "title": CANARY, "source": source })).await;
    let body = json!({ "content": { "raw": "gatewright plan" } });
    let asked = stage.post(&stage.eve, "/pullrequests/1/comments", body).await;
    let id = asked["id"].as_u64().unwrap();

    house.ignores("a pull request of a fork", CANARY, &|| {
        wait(async {
            house.look().await;
            for task in [Task::PullRequest { number: 1 }, Task::Remark { pull_request: 1, id }] {
                house.server.ask(task).await.unwrap();
                house.settle().await;
            }
        });
    });
    let told = house.answer("pull-request/1").await;
    assert!(told.text.contains("lies in another repository"), "{told:?}");
    assert_eq!(stage.comments(1).await, ["gatewright plan"]);
    assert_eq!(stage.get(&format!("/commit/{head}/statuses")).await["size"], 0);
    assert_eq!(stage.get(&format!("/commit/{head}/reports")).await["size"], 0);

    stage.approve(&stage.carol, 1).await;
    let told = house.refuses("the head of a fork", "GW6005", &|| house.asks(&head));
    assert!(!told.words.contains(CANARY), "{}", told.words);
    house.ignores("what it says stands nowhere", CANARY, &|| ());
    house.end().await;
}

/// Shows G8: holds
/// Shows S2.26: part (`gatewright plan` and `gatewright check`; a token is looked at by `doctor --token-file`)
#[tokio::test(flavor = "multi_thread")]
async fn a_remark_takes_no_arguments() {
    let house = House::new().await;
    let stage = &house.stage;
    house.propose(&stage.bob, "sales", &api("orders-team, sales", "100/1m")).await;
    house.look().await;
    let remarks = async |texts: &[String]| {
        let mut told = vec![];
        for text in texts {
            let body = json!({ "content": { "raw": text } });
            let written = stage.post(&stage.bob, "/pullrequests/1/comments", body).await;
            let id = written["id"].as_u64().unwrap();
            told.push(remark(&house.server, 1, id).await.unwrap().text);
        }
        told
    };
    let known = ["gatewright plan", "gatewright check", " gatewright plan\n"];
    let told = remarks(&known.map(str::to_owned)).await;
    assert!(told.iter().all(|it| it.starts_with("pull request 1: ")), "{told:?}");
    let texts = smuggled();
    assert!(texts.len() > 150, "{}", texts.len());
    house.ignores("remarks with more in them", CANARY, &|| {
        for (text, told) in texts.iter().zip(wait(remarks(&texts))) {
            assert_eq!(told, "it is not for us", "{text}");
        }
    });
    assert!(!house.live.has("sales"));
    house.end().await;
}

/// Remarks that nearly ask for something: with arguments, in other words, and with one sign more, less
/// or another anywhere.
fn smuggled() -> Vec<String> {
    let known = ["gatewright plan", "gatewright check"];
    let more = [
        " -- -var-file=/etc/passwd",
        " --env prod",
        " prod",
        " --commit HEAD",
        "; gatewright apply",
        " && gatewright apply",
        "\ngatewright apply",
        " $(touch x)",
        "`",
        "\u{a0}x",
        "\u{200b}",
    ];
    let mut texts: Vec<String> =
        ["gatewright apply", "gatewright rollback", "please: gatewright plan"]
            .map(str::to_owned)
            .to_vec();
    for known in known {
        texts.extend(
            more.iter().flat_map(|more| [format!("{known}{more}"), format!("{more}{known}")]),
        );
        for at in 0..known.len() {
            let (before, after) = known.split_at(at);
            let rest = after.get(1..).unwrap();
            texts.extend(["x", "\u{202e}", "\t"].map(|sign| format!("{before}{sign}{after}")));
            texts.extend([
                format!("{before}{rest}"),
                format!("{before}{}{rest}", after.get(..1).unwrap().to_uppercase()),
            ]);
        }
    }
    texts.retain(|text| !known.contains(&text.trim()));
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_comes_and_goes_is_asked_later_and_what_was_good_holds() {
    let house = House::new().await;
    let stage = &house.stage;
    let head = stage.publish(&[("README.md", "another".to_owned())], "the next").await;
    let before = house.server.repository.view().unwrap();
    let faults = [Fault::Status(503), Fault::TooMany { retry_after_s: 30 }, Fault::Status(502)];
    for fault in faults {
        stage.bitbucket.fail_next(".git/", fault);
    }
    house.server.ask(Task::Look).await.unwrap();
    let mut waited = vec![];
    loop {
        let due = async {
            loop {
                let settled = house.server.shared.settled.notified();
                let tasks = house.server.store.tasks(1000).await.unwrap();
                let look =
                    tasks.into_iter().filter(|it| it.task == Task::Look).max_by_key(|it| it.id);
                let look = look.unwrap();
                match look.state {
                    TaskState::Running => settled.await,
                    TaskState::Waiting if look.attempts as usize <= waited.len() => settled.await,
                    _ => return look,
                }
            }
        };
        let look = tokio::time::timeout(std::time::Duration::from_secs(30), due).await.unwrap();
        if look.state != TaskState::Waiting {
            assert_eq!(look.state, TaskState::Done, "{look:?}");
            break;
        }
        assert!(Arc::ptr_eq(&before, &house.server.repository.view().unwrap()), "half is taken");
        let now = gw_model::clock::Clock::now(&stage.clock);
        let pause = house.server.store.next_task_due(now).await.unwrap().unwrap();
        waited.push(pause);
        stage.clock.advance(time::Duration::milliseconds(i64::try_from(pause).unwrap()));
        house.server.shared.queued.notify_waiters();
    }
    assert_eq!(waited.len(), 3, "{waited:?}");
    assert!(waited.iter().all(|it| (1_000..=300_000).contains(it)), "{waited:?}");
    assert_eq!(waited[1], 30_000, "as the host says");
    let view = house.server.repository.view().unwrap();
    assert_eq!(view.branches()["main"].to_string(), head);
    house.end().await;
}
