//! Changes as a terminal shows them, with the gateway that serves them.

use gw_testkit::wire::free_port;
use serde_json::Value;

use super::machine::Machine;

#[test]
fn a_change_is_applied_and_verified() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told, @r#"
    change 1 is applied and verified, TIME
    ⚠ WIDENS ACCESS: orders 2 operations + any demo may call (and another WIDENS ACCESS, CHANGES THE RULES)
      ✔ recheck the gateway at 127.0.0.1:PORT still looks as in the plan TIME
      ✔ stage 3 objects, not served yet TIME
      ✔ switch the new state is in force TIME
      ✔ read back 3 of 3 objects are what was written TIME
      ✔ probe no token → 401 · token of another issuer → 401 · unlisted path → 404 TIME
      ✔ retire what is no longer needed is gone TIME
    "#);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    assert_eq!(gateway.call("GET", "/nowhere").status, 404);
    let (told, code) = machine.tells(&["explain", "--last"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("no API lists this path"), "{told}");
    let decision = gateway.call("POST", "/orders");
    let decision = decision.header("gatewright-decision").expect("a refusal has an id");
    let (told, code) = machine.tells(&["explain", decision]);
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told, @r"
    DENIED POST /orders → 401 · dev · DATE TIME
      who nobody signed in
      asked call orders/createOrder
      blocked nobody is signed in, and the operation is not public
      nearest gatewright.yaml:31 ✔ POST ✘ identity: needs demo; nobody is signed in
                gatewright.yaml:29 ✘ GET only
      cure send a token from http://localhost:7071 with group orders-team
    judge it again: gatewright can --decision d-ID
    ");
}

#[test]
fn the_calls_that_prove_a_change_are_no_callers_calls() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let (told, code) = machine.tells(&["explain", "--last"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("no call was decided yet"), "{told}");
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let (told, code) = machine.tells(&["explain", "--last"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("GET /orders"), "{told}");
}

#[test]
fn callers_come_first_in_a_plan() {
    let machine = Machine::with_shop();
    let _gateway = machine.gateway();
    insta::assert_snapshot!(machine.tells(&["plan"]).0, @r"
    shop · files as they are, not a commit · dev → the gateway at 127.0.0.1:PORT
    nothing was applied here before; what is there was read just now

    What changes for callers
      ⚠ WIDENS ACCESS orders 2 operations + any demo may call
                             gatewright.yaml:29
      ⚠ WIDENS ACCESS orders POST /orders + group orders-team (demo) may call
                             gatewright.yaml:31
      ⚠ CHANGES THE RULES dev the first rules of this environment
        nobody loses access · 0 of 3 operations keep their rules

    What is written to the gateway at 127.0.0.1:PORT
      + api orders
      + gateway settings
      + identity demo

    May it be applied?
      ✔ gatewright.yaml:19 local

    plan p-ID · 3 create · 0 change · 0 delete · may be applied
    this plan is not kept, because nothing was applied here yet; `--out FILE` keeps it
    ");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    machine.edit("[orders-team]", "[orders-team, sales]");
    insta::assert_snapshot!(machine.tells(&["plan"]).0, @r#"
    shop · files as they are, not a commit · dev → the gateway at 127.0.0.1:PORT
    compared with change 1 (just now) and with what is there (read just now)

    What changes for callers
      ⚠ WIDENS ACCESS orders POST /orders + group sales (demo) may call
                         gatewright.yaml:31
                       orders 100/1m → 60/1m per caller gatewright.yaml:37
        nobody loses access · 2 of 3 operations keep their rules

    What is written to the gateway at 127.0.0.1:PORT
      ~ api orders 2 values
      = 2 more objects unchanged

    May it be applied?
      ✔ gatewright.yaml:19 local

    plan p-ID · 0 create · 1 change · 0 delete · may be applied
    "#);
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    insta::assert_snapshot!(machine.tells(&["plan"]).0, @r#"
    shop · files as they are, not a commit · dev → the gateway at 127.0.0.1:PORT
    compared with change 2 (just now) and with what is there (read just now)

    What changes for callers
        nothing · 3 of 3 operations keep their rules

    What is written to the gateway at 127.0.0.1:PORT
      = 3 objects unchanged

    May it be applied?
      ✔ gatewright.yaml:19 local

    plan p-ID · nothing to do
    "#);
}

#[test]
fn what_was_rolled_back_is_held_and_every_command_says_so() {
    let machine = Machine::with_shop();
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let back = ["rollback", "--to", "1", "--no-input", "--reason", "too tight"];
    let (told, code) = machine.tells(&back);
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told, @r#"
    change 3 is applied and verified, TIME. Undo: gatewright rollback --env dev --to 2
    ⚠ LOOSER LIMIT: orders 60/1m → 100/1m per caller
      ✔ recheck the gateway at 127.0.0.1:PORT still looks as in the plan TIME
      ✔ stage 3 objects, not served yet TIME
      ✔ switch the new state is in force TIME
      ✔ read back 3 of 3 objects are what was written TIME
      ✔ probe no token → 401 · token of another issuer → 401 · unlisted path → 404 TIME
      ✔ retire what is no longer needed is gone TIME
    the state of change 2 is held in dev: it is not applied again until another one was, unless it only takes away from callers
    "#);
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 3, "{told}");
    insta::assert_snapshot!(told, @r#"
    orders 100/1m → 60/1m per caller
    error[GW3103]: this is the state of change 2, which was rolled back; it is held until another state is applied
      = nothing was written
      help: change the declarations, then apply
      help: to have just that state again: `gatewright rollback --to 2`
    "#);
    insta::assert_snapshot!(machine.tells(&["explain", "3"]).0, @"
    change 3 · dev · rollback by local · DATE TIME · verified
      plan p-ID
      files sha256:HASH
      state of change 1, which it restores
      reason too tight
      ✔ recheck the gateway at 127.0.0.1:PORT still looks as in the plan TIME
      ✔ stage 3 objects, not served yet TIME
      ✔ switch the new state is in force TIME
      ✔ read back 3 of 3 objects are what was written TIME
      ✔ probe no token → 401 · token of another issuer → 401 · unlisted path → 404 TIME
      ✔ retire what is no longer needed is gone TIME

    What changes for callers
      ⚠ LOOSER LIMIT orders 60/1m → 100/1m per caller gatewright.yaml:37
        nobody loses access · 3 of 3 operations keep their rules
    ");
    assert!(machine.says(&["plan"]).contains("change 2 did this and was rolled back: it is held"));
    insta::assert_snapshot!(machine.tells(&["status"]).0, @r#"
    shop · dev
      in force change 3, verified, since DATE TIME
      ⚠ the folder says something else: gatewright plan shows what would change
      – it says what change 2 did, which was rolled back: held until another state is applied
      orders 3 operations · 2 rules · the folder differs
      drift none
      literal secrets 0
    "#);
    insta::assert_snapshot!(machine.tells(&["history"]).0, @r#"
    3 rollback (= 1) verified DATE TIME local "too tight"
    2 apply verified DATE TIME local
    1 apply verified DATE TIME local
    "#);
}

/// A hold keeps a mistake from coming back; it never keeps an API open.
#[test]
fn what_only_takes_access_away_is_not_held_after_a_rollback() {
    let machine = Machine::with_shop();
    let _gateway = machine.gateway();
    machine.edit("[orders-team]", "[orders-team, sales]");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("[orders-team, sales]", "[orders-team]");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    assert_eq!(machine.ends("shop", &["rollback", "--to", "1", "--no-input"]), 0);
    let plan = machine.says(&["plan"]);
    assert!(plan.contains("narrows access") && !plan.contains("held"), "{plan}");
    assert!(!machine.says(&["status"]).contains("held"));
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change 4 is applied and verified"), "{told}");
}

#[test]
fn a_change_that_stops_half_way_goes_on_when_run_again() {
    let machine = Machine::with_shop();
    let state = machine.folder.path("state").display().to_string();
    let apply = ["apply", "--state", &state];
    assert_eq!(machine.ends("shop", &apply), 6);
    machine.edit("100/1m", "60/1m");
    // The switch is a rename of this file.
    machine.folder.write("state/targets/dev/default/current.new/in-the-way", "");
    let (told, code) = machine.tells(&apply);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("run the same command again to continue"), "{told}");
    let (told, _) = machine.tells(&["status", "--state", &state]);
    assert!(told.contains("change 2 stopped half way"), "{told}");
    std::fs::remove_dir_all(machine.folder.path("state/targets/dev/default/current.new"))
        .expect("it can be removed");
    let (told, code) = machine.tells(&apply);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("change 2 had stopped half way; it goes on"), "{told}");
    assert_eq!(machine.ends("shop", &["plan", "--exit-code", "--state", &state]), 0);
}

#[test]
fn what_is_declared_by_now_follows_a_change_that_had_stopped_half_way() {
    let machine = Machine::with_shop();
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    let in_the_way = machine.state().join("targets/dev/default/current.new/in-the-way");
    std::fs::create_dir_all(&in_the_way).expect("a folder can be made");
    assert_eq!(machine.ends("shop", &["apply"]), 5);
    std::fs::remove_dir_all(in_the_way.parent().expect("a folder")).expect("it can be removed");
    machine.edit("60/1m", "30/1m");
    for format in ["text", "json", "markdown"] {
        let (told, _) = machine.tells(&["plan", "--format", format]);
        assert!(told.contains("change 2 stopped half way: gatewright apply continues"), "{told}");
    }
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change 2 is in force; what is declared now is next"), "{told}");
    assert!(told.contains("change 3 is applied and verified"), "{told}");
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 0);
}

/// It took effect, so something else than the state that is held is in force.
#[test]
fn a_change_that_is_not_verified_ends_a_hold_too() {
    let machine = Machine::with_shop();
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    assert_eq!(machine.ends("shop", &["rollback", "--to", "1", "--no-input"]), 0);
    assert_eq!(machine.ends("shop", &["apply"]), 3);
    // The gateway goes on listening where it listens, so nobody can prove it.
    let (here, elsewhere) = (machine.listen(), format!("127.0.0.1:{}", free_port()));
    machine.edit(&here, &elsewhere);
    let (told, code) = machine.tells(&["apply"]);
    assert_ne!(code, 0, "{told}");
    machine.edit(&elsewhere, &here);
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change 5 is applied and verified"), "{told}");
}

#[test]
fn where_no_gateway_runs_nothing_is_called_verified() {
    let machine = Machine::with_shop();
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("applied, not verified"), "{told}");
    insta::assert_snapshot!(machine.tells(&["status"]).0, @r#"
    shop · dev
      in force change 1, applied, not verified, since DATE TIME
      ⚠ the gateway at 127.0.0.1:PORT does not run: nobody is served
      orders 3 operations · 2 rules · not verified
      drift none
      literal secrets 0
    "#);
    insta::assert_snapshot!(machine.tells(&["drift"]).0, @r#"
    shop · dev: nothing differs from what was written · read DATE TIME
      ⚠ the gateway at 127.0.0.1:PORT does not run: compared was what it would serve
    "#);
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    assert!(machine.says(&["status"]).contains("change 1, verified"));
}

#[test]
fn a_path_that_nothing_lists_is_explained_by_the_nearest_one() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let explain = |method: &str, path: &str| {
        let reply = gateway.call(method, path);
        assert_eq!(reply.status, 404);
        let id = reply.header("gatewright-decision").expect("a refusal has an id").to_owned();
        machine.tells(&["explain", &id]).0
    };
    insta::assert_snapshot!(explain("GET", "/order"), @r"
    NOT FOUND GET /order → 404 · dev · DATE TIME
      who not looked at
      blocked no API lists this path
      cure did you mean /orders? If not, add the path to the OpenAPI document of an API, and a rule
    judge it again: gatewright can --decision d-ID
    ");
    insta::assert_snapshot!(explain("DELETE", "/orders"), @r"
    NOT FOUND DELETE /orders → 404 · dev · DATE TIME
      who not looked at
      beside orders/listOrders, which has the same path
      blocked the path is listed, this method is not
      cure add DELETE to the OpenAPI document of API orders, and a rule
    judge it again: gatewright can --decision d-ID
    ");
}

/// Callers lived with what somebody changed by hand, so they notice when it is put back.
#[test]
fn drift_that_goes_back_is_a_change_for_callers() {
    let machine = Machine::with_shop();
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let broken = machine.says(&["dev", "break", "--json"]);
    insta::assert_snapshot!(broken.trim(), @r#"{"schema":"gatewright.io/broken/v1","environment":"dev","api":"orders","declared":"100/1m","served":"1000/1m"}"#);
    let (told, code) = machine.tells(&["plan"]);
    assert_eq!(code, 0, "{told}");
    let back = "1000/1m → 100/1m per caller · drift goes back";
    assert!(told.contains(back), "{told}");
    let (told, _) = machine.tells(&["plan", "--format", "markdown"]);
    assert!(told.contains(back), "{told}");
    let plan: Value = serde_json::from_str(&machine.says(&["plan", "--json"])).expect("JSON");
    assert_eq!(plan["callers"][0]["cause"], "drift");
    // It is nothing that the folder says.
    let (told, _) = machine.tells(&["status"]);
    assert!(told.contains("1 object: gatewright drift tells which"), "{told}");
    assert!(!told.contains("the folder says something else"), "{told}");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(back), "{told}");
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 0);
}
