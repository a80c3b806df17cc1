//! The commands as scripts meet them: what they print, and how they end.

mod again;
mod audit;
mod changes;
mod codes;
mod dev;
mod doctor;
mod documents;
mod examples;
mod former;
mod full;
mod hook;
mod hostile;
mod interrupted;
mod killed;
mod looking;
mod machine;
mod policies;
mod probes;
mod secrets;
mod serving;
mod settings;
mod trial;
mod ways_out;
mod with_bitbucket;

use std::fs;

use serde_json::Value;

use self::machine::Machine;

#[test]
fn the_line_that_the_quickstart_edits_is_where_it_says() {
    let machine = Machine::with_shop();
    let text = fs::read_to_string(machine.folder.path("shop/gatewright.yaml")).unwrap();
    assert_eq!(text.lines().nth(33), Some("        groups: [orders-team]"));
    assert_eq!(text.lines().nth(35), Some("  limits:"));
}

/// Shows S0.23: holds
#[test]
fn a_plan_after_an_apply_is_empty_and_a_second_apply_writes_nothing() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 4);
    // No gateway runs: applied, not verified.
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 0);
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    assert_eq!(machine.says(&["history"]).lines().count(), 1);
}

#[test]
fn a_state_that_was_rolled_back_is_held_until_another_one_is_applied() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.edit("[orders-team]", "[orders-team, sales]");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let back = ["rollback", "--to", "1", "--no-input", "--reason", "too wide"];
    assert_eq!(machine.ends("shop", &back), 6);
    assert_eq!(machine.ends("shop", &["apply"]), 3);
    machine.edit("[orders-team, sales]", "[orders-team, buyers]");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    assert!(machine.says(&["history"]).contains("rollback (= 1)"));
    // Its plan was shown to nobody, and is told all the same.
    let change: Value = serde_json::from_str(&machine.says(&["explain", "3", "--json"])).unwrap();
    let plan = change["plan"].as_str().expect("a change has a plan");
    let (told, code) = machine.tells(&["explain", plan]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("group sales"), "{told}");
}

#[test]
fn what_was_shown_is_applied_or_nothing_is() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["plan", "--out", "shown.plan"]), 0);
    machine.edit("100/1m", "50/1m");
    assert_eq!(machine.ends("shop", &["apply", "shown.plan"]), 4);
    assert_eq!(machine.says(&["history"]), "dev: nothing was applied yet\n");
    machine.edit("50/1m", "100/1m");
    assert_eq!(machine.ends("shop", &["apply", "shown.plan"]), 6);
}

#[test]
fn a_refused_call_is_explained_offline() {
    let machine = Machine::with_shop();
    let call = ["can", "demo", "POST", "/orders", "--claim", "groups=sales"];
    assert_eq!(machine.ends("shop", &call), 3);
    insta::assert_snapshot!(machine.says(&call), @r#"
    NO  not_granted (403)
      asked     call orders/createOrder
      why       POST needs group orders-team; the token has sales
      nearest   gatewright.yaml:31   ✔ POST  ✔ demo  ✘ claim groups: needs orders-team; token has sales
                gatewright.yaml:29   ✘ GET only
      cure      put somebody in group orders-team (identity "demo"), or grant sales at gatewright.yaml:31 (widens access)
    "#);
    assert_eq!(machine.ends("shop", &["can", "demo", "GET", "/orders"]), 0);
}

#[test]
fn mistakes_end_with_two() {
    let machine = Machine::with_shop();
    for arguments in [
        &["--server", "https://gatewright.example", "check"] as &[&str],
        &["plan", "--env", "nowhere"],
        &["explain", "GW0000"],
        &["rollback", "--to", "7", "--no-input"],
        &["show", "api/orders", "--as", "tyk"],
        &["no-such-command"],
        &["init", "--demo", "shop", "-w", ".."],
    ] {
        assert_eq!(machine.ends("shop", arguments), 2, "{arguments:?}");
    }
    machine.edit("limits:", "limitz:");
    assert_eq!(machine.ends("shop", &["check"]), 2);
    assert_eq!(machine.ends("shop", &["apply"]), 2);
}

#[test]
fn the_page_of_the_commands_is_current() {
    let machine = Machine::new();
    let printed = machine.run(".", &["manual"]);
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/commands.md");
    let page = fs::read_to_string(page).expect("the page exists");
    let printed = String::from_utf8(printed.stdout).expect("output is text");
    assert!(page == printed, "run `cargo xtask reference` and commit docs/commands.md");
}
