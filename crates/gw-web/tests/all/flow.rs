//! From a proof to a change.

use gw_audit::{entry::Act, folder::CHECKPOINT};
use gw_testkit::forge::api;
use serde_json::{Value, json};

use super::house::{House, prod};

/// Brings the first state, as the owner.
fn begin(house: &House) -> String {
    let token = house.login("owner", "apply plan");
    let commit = house.head();
    let order = json!({ "action": "apply", "commit": commit });
    let reply = house.order("/v1/environments/prod/changes", &token, &order);
    assert_eq!(reply.status, 202, "{}", reply.text());
    let task = ended(house, &token, reply.json()["task"].as_u64().unwrap());
    assert_eq!(task["answer"]["change"], json!(1), "{task}");
    commit
}

fn ended(house: &House, token: &str, task: u64) -> Value {
    for _ in 0..4 {
        let task = house.get(&format!("/v1/tasks/{task}?wait=20"), token).json();
        if task["state"] == json!("done") || task["state"] == json!("failed") {
            return task;
        }
    }
    panic!("task {task} does not end");
}

impl House {
    /// The commit that is on `main`.
    fn head(&self) -> String {
        let head = self.forge.desk().join(".git/refs/heads/main");
        std::fs::read_to_string(head).unwrap().trim().to_owned()
    }
}

/// Of what is in force.
fn nothing_is_left_to_approve(house: &House, ann: &str, carol: &str, commit: &str) {
    let order = json!({ "commit": commit });
    let same = house.order("/v1/environments/prod/plans", ann, &order).json();
    let place = format!("/v1/plans/{}/approvals", same["id"].as_str().unwrap());
    assert_eq!(house.order(&place, carol, &json!({})).status, 409);
}

/// Going back has a plan of its own, which is approved as any other.
fn approve_going_back(house: &House, ann: &str, carol: &str, commit: &str) {
    let plans = "/v1/environments/prod/plans";
    let back = house.order(plans, ann, &json!({ "to": 1 })).json();
    assert!(back["plan"]["callers"].to_string().contains("sales"), "{back}");
    let place = format!("/v1/plans/{}/approvals", back["id"].as_str().unwrap());
    let approved = house.order(&place, carol, &json!({}));
    assert_eq!(approved.status, 201, "{}", approved.text());
    let given = house.wait(house.server.store.given(&prod())).unwrap();
    assert_eq!(given.iter().map(|it| it.restores).collect::<Vec<_>>(), [None, Some(1)]);
    for unclear in [json!({}), json!({ "to": 1, "commit": commit }), json!({ "to": 1, "only": [] })]
    {
        assert_eq!(house.order(plans, ann, &unclear).status, 400, "{unclear}");
    }
}

/// Shows S1.9: part (over HTTP; a target without a gateway)
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_becomes_a_token_a_plan_an_approval_and_a_change() {
    let mut house = House::new().await;
    house.works();
    begin(&house);
    house.advance();
    std::fs::write(
        house.forge.desk().join("apis/orders/api.yaml"),
        api("orders-team, sales", "100/1m"),
    )
    .unwrap();
    let commit = house.push("Let sales in");

    let ann = house.login("ann", "view plan apply rollback");
    let who = house.get("/v1/whoami", &ann).json();
    assert_eq!(who["holders"][0]["subject"], json!("ann"));
    let order = json!({ "commit": commit });
    let planned = house.order("/v1/environments/prod/plans", &ann, &order);
    assert_eq!(planned.status, 200, "{}", planned.text());
    let planned = planned.json();
    let id = planned["id"].as_str().unwrap().to_owned();
    assert!(planned["plan"]["callers"].to_string().contains("sales"), "{planned}");
    assert_eq!(house.get(&format!("/v1/plans/{id}"), &ann).json(), planned);
    let page = house.get(&format!("/p/{id}"), &ann);
    assert!(page.text().contains("sales"), "{}", page.text());

    // The token of Ann is not for approving; that of Carol is.
    let place = format!("/v1/plans/{id}/approvals");
    let refused = house.order(&place, &ann, &json!({}));
    assert_eq!((refused.status, refused.json()["reason"].clone()), (403, json!("scope")));
    let carol = house.login("carol", "approve view");
    let approved = house.order(&place, &carol, &json!({ "reason": "agreed with sales" }));
    assert_eq!(approved.status, 201, "{}", approved.text());
    let given = house.wait(house.server.store.given(&prod())).unwrap();
    assert_eq!((given.len(), given[0].commit.as_str()), (1, commit.as_str()));
    let entries: Vec<&String> = given[0].entries.keys().collect();
    assert!(!entries.is_empty());
    assert_eq!(approved.json()["entries"], json!(entries));

    // A plan says of which commit it is.
    let order = json!({ "action": "apply", "plan": id });
    let accepted = house.order("/v1/environments/prod/changes", &ann, &order);
    let task = ended(&house, &ann, accepted.json()["task"].as_u64().unwrap());
    assert_eq!(task["answer"]["change"], json!(2), "{task}");
    assert!(!task["lines"].as_array().unwrap().is_empty(), "{task}");

    nothing_is_left_to_approve(&house, &ann, &carol, &commit);
    let change = house.get("/v1/environments/prod/changes/2", &ann).json();
    assert_eq!(change["change"]["commit"], json!(commit));
    assert!(!change["steps"].as_array().unwrap().is_empty());
    let changes = house.get("/v1/environments/prod/changes", &ann).json();
    assert_eq!(changes["changes"].as_array().unwrap().len(), 2);
    let environments = house.get("/v1/environments", &ann).json();
    assert_eq!(environments["environments"][0]["inForce"]["number"], json!(2));
    assert_eq!(house.get("/v1/environments/prod/drift", &ann).json()["putBack"], json!(0));
    let decision = task["answer"]["decision"].as_str().unwrap();
    let rights = house.get("/v1/environments/prod/rights?action=apply", &ann).json();
    assert_eq!(rights["rights"][0]["action"], "apply");
    assert_eq!(rights["links"][0]["name"], "branch main");
    for (query, status) in
        [("?who=nobody", 400), ("?action=fly", 400), ("?claim=x", 400), ("?x=1", 400)]
    {
        let path = format!("/v1/environments/prod/rights{query}");
        assert_eq!(house.get(&path, &ann).status, status, "{query}");
    }
    let examined = house.get("/v1/environments/prod/doctor", &ann).json();
    assert_eq!(examined["links"][0]["name"], "Git host");
    assert_eq!(examined["links"][0]["good"], true);
    assert_eq!(house.get("/v1/environments/prod/secrets", &ann).json()["environment"], "prod");
    for place in ["rights", "doctor", "secrets"] {
        assert_eq!(house.get(&format!("/v1/environments/dev/{place}"), &ann).status, 404);
    }
    let decided = house.get(&format!("/v1/decisions/{decision}"), &ann).json();
    let acts: Vec<_> = decided["entries"].as_array().unwrap().iter().map(|it| &it["act"]).collect();
    assert!(acts.contains(&&json!(Act::Decided.as_str())), "{acts:?}");
    assert!(house.get("/v1/tasks", &ann).json()["tasks"].as_array().unwrap().len() >= 2);

    approve_going_back(&house, &ann, &carol, &commit);
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_about_a_commit_is_asked_about_the_commit() {
    let mut house = House::new().await;
    house.works();
    begin(&house);
    let rules = house.forge.desk().join("environments/prod.yaml");
    let former = std::fs::read_to_string(&rules).unwrap();
    let whoever =
        "{ actions: [plan, approve], identities: [operators], claims: { sub: [ann, carol] }";
    assert!(former.contains(whoever));
    let on_main = format!("{whoever}, commit: {{ branch: main }}");
    std::fs::write(&rules, former.replace(whoever, &on_main)).unwrap();
    let commit = house.push("Only what is on main is planned");
    let ann = house.login("ann", "view plan apply");
    let changes = "/v1/environments/prod/changes";
    let reply = house.order(changes, &ann, &json!({ "action": "apply", "commit": commit }));
    let task = ended(&house, &ann, reply.json()["task"].as_u64().unwrap());
    assert_eq!(task["answer"]["change"], json!(2), "{task}");

    house.advance();
    std::fs::write(
        house.forge.desk().join("apis/orders/api.yaml"),
        api("orders-team, sales", "100/1m"),
    )
    .unwrap();
    let commit = house.push("Let sales in");
    let plans = "/v1/environments/prod/plans";
    let planned = house.order(plans, &ann, &json!({ "commit": commit }));
    assert_eq!(planned.status, 200, "{}", planned.text());
    let id = planned.json()["id"].as_str().unwrap().to_owned();
    let carol = house.login("carol", "approve");
    let approved = house.order(&format!("/v1/plans/{id}/approvals"), &carol, &json!({}));
    assert_eq!(approved.status, 201, "{}", approved.text());

    // The same by the same people, beside the branch.
    std::fs::write(house.forge.desk().join("apis/orders/api.yaml"), api("sales", "100/1m"))
        .unwrap();
    let aside = house.push_to("sales", "Only sales");
    let refused = house.order(plans, &ann, &json!({ "commit": aside }));
    assert_eq!((refused.status, refused.json()["reason"].clone()), (403, json!("denied")));
    assert!(refused.text().contains("main"), "{}", refused.text());
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_orders_than_anybody_waits_for_are_turned_away() {
    let house = House::new().await;
    let token = house.login("owner", "apply");
    let order = json!({ "action": "apply", "commit": house.head() });
    // Nobody works them off.
    let answers: Vec<u16> = (0..110)
        .map(|_| house.order("/v1/environments/prod/changes", &token, &order).status)
        .collect();
    assert_eq!(answers.iter().filter(|status| **status == 202).count(), 100);
    assert_eq!(answers.last(), Some(&503));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_can_be_undone_and_the_ledger_downloaded() {
    let mut house = House::new().await;
    house.works();
    begin(&house);
    std::fs::write(house.forge.desk().join("apis/orders/api.yaml"), api("sales", "100/1m"))
        .unwrap();
    let commit = house.push("Only sales");
    let ann = house.login("ann", "view apply rollback");
    let changes = "/v1/environments/prod/changes";
    let order = |order: Value| {
        let reply = house.order(changes, &ann, &order);
        assert_eq!(reply.status, 202, "{}", reply.text());
        ended(&house, &ann, reply.json()["task"].as_u64().unwrap())
    };
    let applied = order(json!({ "action": "apply", "commit": commit }));
    assert_eq!(applied["answer"]["change"], json!(2), "{applied}");
    let back = order(json!({ "action": "rollback", "to": 1, "reason": "orders fail" }));
    assert_eq!(back["answer"]["change"], json!(3), "{back}");
    let nothing = order(json!({ "action": "abandon" }));
    assert_eq!(nothing["answer"]["end"], json!("done"), "{nothing}");

    let names = house.get("/v1/ledger/checkpoints", &ann).json();
    let newest = names["checkpoints"].as_array().unwrap().iter();
    let newest = newest.filter_map(|it| it.as_str()?.parse::<u64>().ok()).max().unwrap();
    let signed = house.get(&format!("/v1/ledger/{CHECKPOINT}"), &ann);
    assert_eq!(signed.status, 200);
    assert_eq!(signed.body, house.get(&format!("/v1/ledger/checkpoints/{newest}"), &ann).body);
    let tile = house.get(&format!("/v1/ledger/tile/entries/000.p/{newest}"), &ann);
    assert!(tile.status == 200 && tile.text().contains("change.began"), "{newest}");
    // It tells of every environment, so that it is for those who may see each.
    let other = house.forge.desk().join("environments/stage.yaml");
    let text = std::fs::read_to_string(house.forge.desk().join("environments/prod.yaml")).unwrap();
    let text = text.replace("name: prod", "name: stage").replace("8080", "8081");
    let whoever =
        "{ actions: [view], identities: [operators], claims: { sub: [owner, ann, carol] } }";
    assert!(text.contains(whoever), "{text}");
    let text = text.replace(whoever, &whoever.replace("owner, ann, ", ""));
    std::fs::write(other, text).unwrap();
    let commit = house.push("Another stage");
    let reply = house.exchange(&house.proof("owner"), "apply", "urn:gatewright:stage").json();
    let order = json!({ "action": "apply", "commit": commit });
    let token = reply["access_token"].as_str().unwrap();
    let reply = house.order("/v1/environments/stage/changes", token, &order);
    ended(&house, token, reply.json()["task"].as_u64().unwrap());
    assert_eq!(house.get(&format!("/v1/ledger/{CHECKPOINT}"), &ann).status, 403);
    let carol = house.login("carol", "view");
    assert_eq!(house.get(&format!("/v1/ledger/{CHECKPOINT}"), &carol).status, 200);
    // Who asks for an environment that is not there is told those that they may see.
    let named = |who: &str| {
        let reply = house.exchange(&house.proof(who), "view", "urn:gatewright:nowhere").json();
        house.get("/v1/environments", reply["access_token"].as_str().unwrap()).text()
    };
    assert!(named("carol").contains("declared are: prod, stage"), "{}", named("carol"));
    assert!(named("ann").contains("declared are: prod\""), "{}", named("ann"));
    assert!(!named("bob").contains("declared are"), "{}", named("bob"));
    for hidden in ["lock", "personal", "tile/..%2Flock", "..%2Fstate%2Fstate.db"] {
        assert_eq!(house.get(&format!("/v1/ledger/{hidden}"), &carol).status, 404, "{hidden}");
    }
    house.end().await;
}

/// Shows S2.28: holds
/// Shows S1.30: part (by environment, action and API; backends are not looked into)
#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_what_it_says_and_only_as_long_as_it_is_not_taken_back() {
    let mut house = House::new().await;
    house.works();
    begin(&house);
    let view = house.login("ann", "view");
    let changes = "/v1/environments/prod/changes";
    let apply = json!({ "action": "apply", "commit": "a".repeat(40) });
    assert_eq!(house.order(changes, &view, &apply).status, 403);
    assert_eq!(house.get(changes, &view).status, 200);
    // Another environment is as one that there is not.
    for path in ["/v1/environments/dev/changes", "/v1/environments/nowhere/changes/1"] {
        let reply = house.get(path, &view);
        assert_eq!(
            (reply.status, reply.json()["reason"].clone()),
            (404, json!("unseen")),
            "{path}"
        );
    }
    // Bob proves who he is, and the rules let him see nothing: not even what there is.
    let bob = house.login("bob", "view apply");
    let plans: Vec<_> = ["/v1/plans/p-0000", "/v1/tasks/1", "/v1/tasks/99999", "/v1/decisions/d-1"]
        .map(|path| house.get(path, &bob).status)
        .into();
    assert_eq!(plans, [403; 4]);
    for place in ["rights", "doctor", "secrets"] {
        assert_eq!(house.get(&format!("/v1/environments/prod/{place}"), &bob).status, 403);
    }
    // Reads are on the record once for each token and kind.
    house.get(changes, &view);
    let reads = house.entries();
    let reads = reads.iter().filter(|it| String::from_utf8_lossy(it).contains("\"act\":\"read\""));
    assert_eq!(reads.count(), 1);

    let form = format!("token={view}");
    let kind = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(house.call("POST", "/v1/token/revoke", &[kind], form.as_bytes()).status, 200);
    assert_eq!(house.get(changes, &view).status, 401);
    assert_eq!(house.call("POST", "/v1/token/revoke", &[kind], b"token=gwt_no").status, 200);
    assert_eq!(house.call("GET", "/v1/whoami", &[], b"").status, 401);
    let reasons = house.reasons();
    assert!(reasons.contains(&"token-unknown".to_owned()), "{reasons:?}");
    assert!(reasons.contains(&"token-missing".to_owned()), "{reasons:?}");
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_refused_with_a_word() {
    let house = House::new().await;
    let token = house.login("owner", "apply plan view rollback");
    let (changes, hash) = ("/v1/environments/prod/changes", "a".repeat(40));
    for order in [
        json!({ "action": "destroy" }),
        json!({ "action": "apply" }),
        json!({ "action": "apply", "commit": "main" }),
        json!({ "action": "apply", "commit": "abcdef0" }),
        json!({ "action": "apply", "commit": "A".repeat(40) }),
        json!({ "action": "apply", "commit": hash, "to": 1 }),
        json!({ "action": "apply", "commit": hash, "only": ["Not A Name"] }),
        json!({ "action": "apply", "commit": hash, "files": [] }),
        json!({ "action": "rollback" }),
        json!({ "action": "abandon", "commit": hash }),
        json!([]),
    ] {
        let reply = house.order(changes, &token, &order);
        assert_eq!(
            (reply.status, reply.json()["reason"].clone()),
            (400, json!("malformed")),
            "{order}"
        );
    }
    assert!(house.queued().is_empty());
    let bearer = format!("Bearer {token}");
    let plain = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    assert_eq!(house.call("POST", changes, &plain, b"{}").status, 400);
    assert_eq!(house.get("/v1/tasks/1?wait=soon", &token).status, 400);

    let refused = house.exchange("a.b.c", "plan", "urn:gatewright:prod");
    assert_eq!((refused.status, refused.json()["reason"].clone()), (400, json!("token-malformed")));
    let refused = house.exchange(&house.proof("ann"), "everything", "urn:gatewright:prod");
    assert_eq!(refused.json()["error"], json!("invalid_scope"));
    let refused = house.exchange(&house.proof("ann"), "plan", "prod");
    assert_eq!(refused.json()["error"], json!("invalid_target"));
    // Nothing is in force, so only an owner may plan.
    let ann = house.login("ann", "plan view");
    let order = json!({ "commit": house.head() });
    assert_eq!(house.order("/v1/environments/prod/plans", &ann, &order).status, 403);
    let gone = json!({ "commit": "0".repeat(40) });
    let reply = house.order("/v1/environments/prod/plans", &token, &gone);
    assert_eq!((reply.status, reply.json()["code"].clone()), (422, json!("GW6005")));
    house.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_signs_out_takes_back_all_that_they_hold() {
    let house = House::new().await;
    let place = house.call("GET", "/v1/login", &[], b"").json();
    assert_eq!(place["identity"], json!("operators"));
    assert_eq!(place["clientId"], json!("gatewright"));
    assert_eq!(place.get("resource"), None);

    let (view, plan, other) =
        (house.login("ann", "view"), house.login("ann", "plan"), house.login("bob", "view"));
    let revoke = |proof: &str| {
        let form = format!("token={proof}");
        let kind = ("content-type", "application/x-www-form-urlencoded");
        house.call("POST", "/v1/token/revoke", &[kind], form.as_bytes()).status
    };
    assert_eq!(revoke("a.b.c"), 200, "that it proves nothing, nobody is told");
    assert_eq!(house.get("/v1/whoami", &view).status, 200);
    assert_eq!(revoke(&house.proof("ann")), 200);
    for token in [&view, &plan] {
        let refused = house.get("/v1/whoami", token);
        assert_eq!((refused.status, refused.json()["code"].clone()), (401, json!("GW4007")));
    }
    assert_eq!(house.get("/v1/whoami", &other).status, 200, "what bob holds is his");
    let entries = house.entries();
    let acts = entries.iter().filter_map(|it| gw_audit::entry::Entry::parse(it));
    assert_eq!(acts.filter(|it| it.event.act == Act::TokenRevoked).count(), 2);
}
