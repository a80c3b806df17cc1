//! Whoever only looks changes nothing.

use std::{fs::File, net::TcpListener, process::Stdio};

use super::machine::{Machine, signal};

/// A disk that is full is not evidence that was written; a reader that had enough is no failure.
#[test]
fn a_result_that_cannot_be_written_is_a_failure() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    for command in [
        &["audit", "list"] as &[&str],
        &["audit", "prove", "3"],
        &["show", "api/orders", "--json"],
        &["explain", "1"],
        &["plan"],
        &["--help"],
    ] {
        let full = File::options().write(true).open("/dev/full").expect("it is always full");
        let ended = machine.program("shop", command).stdout(full).output().expect("it starts");
        let told = String::from_utf8(ended.stderr).expect("it is text");
        assert_eq!(ended.status.code(), Some(1), "{command:?}: {told}");
        assert!(told.contains("the result cannot be written: No space left"), "{told}");

        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = machine.program("shop", command).stdout(writer).output().expect("it starts");
        let told = String::from_utf8(ended.stderr).expect("it is text");
        assert_eq!(ended.status.code(), Some(0), "{command:?}: {told}");
    }
}

#[test]
fn a_command_that_only_reads_leaves_no_trace() {
    let machine = Machine::with_shop();
    for looking in [
        &["check"] as &[&str],
        &["check", "."],
        &["plan"],
        &["plan", "--out", "shown.plan"],
        &["can", "--who-can", "GET", "/orders"],
        &["can", "--who-can", "changes"],
        &["status"],
        &["drift", "--exit-code"],
        &["history"],
        &["show", "api/orders"],
        &["can", "--matrix"],
        &["explain", "GW3103"],
        &["completion", "bash"],
        &["version"],
    ] {
        assert_eq!(machine.ends("shop", looking), 0, "{looking:?}");
        assert!(!machine.has_state(), "{looking:?}");
    }
    assert_eq!(machine.ends("shop", &["explain", "--last"]), 6);
    assert_eq!(machine.ends("shop", &["doctor"]), 1);
    assert!(!machine.has_state());
}

#[test]
fn nothing_was_applied_is_said_and_not_that_all_is_well() {
    let machine = Machine::with_shop();
    assert_eq!(
        machine.says(&["drift"]),
        "shop · dev: nothing was applied yet, so nothing can differ\n"
    );
    assert!(machine.says(&["status"]).contains("nothing was applied yet"));
}

#[test]
fn the_doctor_names_a_repair_for_each_broken_link() {
    let machine = Machine::with_shop();
    // An issuer that cannot be reached: nobody listens at a port that was just given back.
    let issuer = format!("http://localhost:{}", gw_testkit::wire::free_port());
    machine.edit("http://localhost:7071", &issuer);
    let (told, code) = machine.tells(&["doctor"]);
    assert_eq!(code, 1, "{told}");
    let broken = told.matches('✘').count();
    assert_eq!(broken, 2, "{told}");
    assert_eq!(told.matches("repair: ").count(), broken, "{told}");
    assert!(told.contains("repair: gatewright gateway --env dev"), "{told}");
}

#[test]
fn a_state_that_cannot_be_read_ends_with_one() {
    let machine = Machine::with_shop();
    machine
        .folder
        .write("state/state.db", "this is no database, and it is long enough to be asked");
    let state = machine.folder.path("state").display().to_string();
    assert_eq!(machine.ends("shop", &["history", "--state", &state]), 1);
}

/// An issuer that takes the connection and never answers holds the doctor until it is stopped.
#[test]
fn whoever_is_stopped_ends_with_130() {
    let machine = Machine::with_shop();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = silent.local_addr().expect("it is bound").port();
    machine.edit("http://localhost:7071", &format!("http://127.0.0.1:{port}"));
    let mut doctor = machine
        .program("shop", &["doctor"])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program can be started");
    let _held = silent.accept().expect("the doctor asks the issuer");
    signal("INT", &doctor);
    assert_eq!(doctor.wait().expect("it ends").code(), Some(130));
}

#[test]
fn a_token_is_asked_about_without_being_repeated() {
    let machine = Machine::with_shop();
    machine.folder.write("shop/token.jwt", "this.is.no-token");
    let ask = ["can", "--token-file", "token.jwt", "GET", "/orders"];
    let (told, code) = machine.tells(&ask);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("the gateway would refuse this token"), "{told}");
    assert!(!told.contains("no-token"), "{told}");
}

/// Two targets, and an API that only the second one serves.
fn two_targets() -> Machine {
    let machine = Machine::with_shop();
    machine.edit("    default: { builtin", "    alpha: { builtin: {} }\n    edge: { builtin");
    machine.edit("  openapi: {", "  targets: [edge]\n  openapi: {");
    machine
}

#[test]
fn where_there_are_several_targets_none_is_preferred() {
    let machine = two_targets();
    let ask = ["can", "demo", "GET", "/orders"];
    let (told, code) = machine.tells(&ask);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("name one with `--target`: alpha, edge"), "{told}");
    assert_eq!(machine.ends("shop", &[&ask[..], &["--target", "edge"]].concat()), 0);
    assert_eq!(machine.ends("shop", &[&ask[..], &["--target", "alpha"]].concat()), 3);
    let (told, code) = machine.tells(&[&ask[..], &["--target", "west"]].concat());
    assert_eq!(code, 2, "{told}");
    let cedar = machine.says(&["show", "api/orders", "--policies"]);
    let (_, edge) = cedar.split_once("// target edge").expect("each target has its part");
    assert!(edge.contains("permit"), "{cedar}");
}

#[test]
fn an_address_can_be_asked_about() {
    let machine = Machine::with_shop();
    let inside = "forbid (principal, action == Gatewright::Action::\"call\", resource)\n\
                  unless { context.ip.isInRange(ip(\"10.0.0.0/8\")) };\n";
    machine.folder.write("shop/policies/inside.cedar", inside);
    let ask = ["can", "demo", "GET", "/orders"];
    let (told, code) = machine.tells(&ask);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("assumed it comes from 127.0.0.1; give --ip"), "{told}");
    assert!(told.contains("it depends on the address: give --ip"), "{told}");
    assert_eq!(machine.ends("shop", &[&ask[..], &["--ip", "10.1.2.3"]].concat()), 0);
}

#[test]
fn a_call_is_meant_as_it_is_typed() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["can", "demo", "get", "/orders?limit=3"]), 0);
    assert_eq!(machine.ends("shop", &["can", "--who-can", "get", "/orders?limit=3"]), 0);
    let (told, code) = machine.tells(&["can", "demo:", "GET", "/orders"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("`demo:` names no subject"), "{told}");
    let ask = ["can", "--token-file", "bob.jwt", "demo", "GET", "/orders"];
    let (told, code) = machine.tells(&ask);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("leave `demo` out"), "{told}");
}

#[test]
fn a_demo_is_not_written_into_a_workspace() {
    let machine = Machine::with_shop();
    let (told, code) = machine.tells(&["init", "--demo", "shop"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("would hold another one"), "{told}");
    let again: serde_json::Value =
        serde_json::from_str(&machine.says(&["init", "--id", "--json"])).expect("it prints JSON");
    assert_eq!(again["wrote"], serde_json::json!([]));
}

#[test]
fn what_is_served_and_not_declared_any_more_is_told() {
    let machine = Machine::with_shop();
    let whole = machine.folder.read("shop/gatewright.yaml");
    let api = whole.split("---\n").find(|part| part.contains("kind: Api")).expect("it has one");
    machine.folder.write(
        "shop/gatewright.yaml",
        &format!(
            "{whole}---\n{}",
            api.replace("name: orders", "name: extra")
                .replace("  openapi: {", "  listen: { path: /extra }\n  openapi: {",)
        ),
    );
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.folder.write("shop/gatewright.yaml", &whole);
    let told = machine.says(&["status"]);
    let line = told.lines().find(|line| line.trim_start().starts_with("extra")).unwrap_or_default();
    assert!(line.contains("not declared any more, still in force"), "{told}");
    let document: serde_json::Value =
        serde_json::from_str(&machine.says(&["status", "--json"])).expect("it is JSON");
    let apis = document["environments"][0]["apis"].as_array().expect("a list");
    let standing = |name: &str| {
        let api = apis.iter().find(|api| api["name"] == name);
        api.map(|api| api["standing"].clone()).unwrap_or_default()
    };
    assert_eq!(
        (standing("orders"), standing("extra")),
        ("notVerified".into(), "undeclared".into())
    );
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    assert!(!machine.says(&["status"]).contains("extra"));
}

#[test]
fn a_plan_tells_scripts_whether_it_may_be_applied() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 4);
    machine.edit("actions: [view, plan, apply, rollback]", "actions: [view, plan]");
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 3);
    assert_eq!(machine.ends("shop", &["plan"]), 0);
}

#[test]
fn a_plan_that_was_written_into_the_folder_is_no_edit_of_it() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["plan", "--out", "shown.json"]), 0);
    let (told, code) = machine.tells(&["apply", "shown.json"]);
    assert_eq!(code, 6, "{told}");
    assert!(!told.contains("the files moved"), "{told}");
    let moved = machine.folder.read("shop/openapi.yaml");
    machine.edit("100/1m", "50/1m");
    assert_eq!(machine.ends("shop", &["plan", "--out", "shown.json"]), 0);
    machine.folder.write("shop/openapi.yaml", &format!("# One more line.\n{moved}"));
    let (told, code) = machine.tells(&["apply", "shown.json"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("the files moved"), "{told}");
}

#[test]
fn what_a_plan_would_refuse_is_marked_where_it_stands() {
    let machine = Machine::with_shop();
    machine.edit("  limits:", "  validate: enforce\n  limits:");
    let text = machine.folder.read("shop/gatewright.yaml");
    let line = text.lines().position(|line| line.contains("validate")).expect("it is there") + 1;
    let (told, code) = machine.tells(&["check"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("gatewright.yaml:{line}:")), "{told}");
}

#[test]
fn what_a_builtin_target_lacks_is_in_the_reference() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference.md");
    let page = std::fs::read_to_string(page).expect("the page exists");
    for field in [
        "spec.validate`",
        "managedIdentity`",
        "clientCredentials`",
        "replicas`",
        "azureKeyVault`",
        "hashicorpVault`",
        "awsSecretsManager`",
        "kubernetes`",
        "bitbucketPipelines`",
        "signedWebhook`",
        "awsIam`",
    ] {
        let row = page
            .lines()
            .find(|line| line.split('|').nth(1).is_some_and(|it| it.trim_end().ends_with(field)));
        assert!(row.is_some_and(|row| row.contains("not available yet")), "{field}: {row:?}");
    }
}

#[test]
fn whoever_only_looks_is_not_told_that_nothing_was_changed() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["history", "--limit", "0"]), 2);
    machine.edit("limits:", "limitz:");
    assert!(!machine.tells(&["plan"]).0.contains("nothing was changed"));
    assert!(machine.tells(&["apply"]).0.contains("nothing was changed"));
}

/// A second environment beside the first, at an address of its own; in the folder, this is that.
fn with_prod(machine: &Machine, this: &str, that: &str) {
    let whole = machine.folder.read("shop/gatewright.yaml");
    let dev = whole.split("---\n").find(|part| part.contains("kind: Environment"));
    let other = gw_testkit::wire::free_port();
    let prod = dev.expect("it has one").replace("name: dev", "name: prod");
    let prod = prod.replace(&machine.listen(), &format!("127.0.0.1:{other}"));
    let text = format!("{whole}---\n{prod}");
    machine.folder.write("shop/gatewright.yaml", &text.replacen(this, that, 1));
}

/// Where every environment can be told of, or all say the same, none has to be named.
#[test]
fn an_environment_is_named_only_where_it_matters() {
    let machine = Machine::with_shop();
    with_prod(&machine, "", "");
    for environment in ["dev", "prod"] {
        assert_eq!(machine.ends("shop", &["apply", "--env", environment]), 6);
    }
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply", "--env", "prod"]), 6);
    let drift = machine.says(&["drift"]);
    assert!(drift.contains("shop · dev: nothing differs"), "{drift}");
    assert!(drift.contains("shop · prod: nothing differs"), "{drift}");
    assert_eq!(machine.says(&["drift", "--json"]).lines().count(), 2);
    assert!(machine.says(&["drift", "--env", "prod"]).starts_with("shop · prod"));

    let first = machine.says(&["explain", "1"]);
    assert!(first.contains("change 1 · dev") && first.contains("change 1 · prod"), "{first}");
    let second = machine.says(&["explain", "2"]);
    assert!(second.starts_with("change 2 · prod"), "{second}");
    assert!(second.contains("100/1m → 60/1m per caller"), "{second}");
    let (told, code) = machine.tells(&["explain", "3"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("no environment has a change 3"), "{told}");
    let object = machine.says(&["explain", "api/orders"]);
    assert!(object.contains("change 1 · dev") && object.contains("change 2 · prod"), "{object}");

    assert!(machine.says(&["can", "demo", "GET", "/orders"]).starts_with("YES"));
    assert_eq!(machine.says(&["can", "--matrix", "--json"]).lines().count(), 2);
    assert!(machine.says(&["show", "api/orders"]).contains("name: orders"));
}

#[test]
fn where_environments_differ_one_has_to_be_named() {
    let machine = Machine::with_shop();
    machine.edit("groups: [orders-team]", "groups: [\"${env.team}\"]");
    machine.edit("  changes:", "  values: { team: orders-team }\n  changes:");
    with_prod(&machine, "values: { team: orders-team }", "values: { team: sales }");
    for asking in [
        &["can", "demo", "POST", "/orders", "--claim", "groups=sales"] as &[&str],
        &["can", "--matrix"],
        &["show", "api/orders"],
    ] {
        let (told, code) = machine.tells(asking);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("is not the same in every environment"), "{told}");
        assert!(told.contains("name one with `--env`: dev, prod"), "{told}");
    }
    let sales = ["can", "demo", "POST", "/orders", "--claim", "groups=sales", "--env"];
    assert_eq!(machine.ends("shop", &[&sales as &[&str], &["dev"]].concat()), 0);
    assert_eq!(machine.ends("shop", &[&sales as &[&str], &["prod"]].concat()), 3);
    assert_eq!(machine.ends("shop", &["can", "demo", "GET", "/orders"]), 0);
}

#[test]
fn the_doctor_looks_at_every_environment_and_at_who_has_the_address() {
    let machine = Machine::with_shop();
    with_prod(&machine, "", "");
    let _held = TcpListener::bind(machine.listen()).expect("it is free");
    let (told, code) = machine.tells(&["doctor"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("dev: target default"), "{told}");
    assert!(told.contains("another program listens at 127.0.0.1:PORT"), "{told}");
    assert!(told.contains("prod: target default"), "{told}");
    assert!(told.contains("repair: gatewright gateway --env prod"), "{told}");
    assert!(!told.contains("repair: gatewright gateway --env dev"), "{told}");
}

/// A plan refuses what is accepted for ever, `check` says so, and a last day is all that it needs.
///
/// Shows S2.19: holds
#[test]
fn what_is_accepted_for_ever_is_refused() {
    let machine = Machine::with_shop();
    let accepted = "accept: [{ code: GW2111, because: two regions count apart }]";
    machine.edit("  changes:", &format!("  {accepted}\n  changes:"));
    let (told, code) = machine.tells(&["check"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("warning[GW2005]"), "{told}");
    assert!(told.contains("the acceptance of GW2111 never ends"), "{told}");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("error GW2006 the acceptance of GW2111 never ends"), "{told}");
    assert_eq!(machine.says(&["history"]), "dev: nothing was applied yet\n");
    machine.edit("apart }", "apart, until: 2999-12-31 }");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
}

/// Shows S0.3: holds
/// Shows S2.13: part (who may do what, by `can`; the console comes later)
#[test]
fn who_may_change_an_environment_is_told_by_its_rules() {
    let machine = Machine::with_shop();
    let (told, ends) = machine.tells(&["can", "--who-can", "apply"]);
    assert_eq!(ends, 0, "{told}");
    assert!(told.contains("apply in dev\n  ✔ gatewright.yaml:"), "{told}");
    let (told, ends) = machine.tells(&["can", "local", "apply"]);
    assert_eq!((ends, told.contains("local may apply in dev")), (0, true), "{told}");
    let (told, ends) = machine.tells(&["can", "demo:bob", "changes"]);
    assert_eq!((ends, told.contains("demo:bob may not apply in dev")), (3, true), "{told}");
    for wrong in [
        &["can", "--who-can", "fly"] as &[&str],
        &["can", "nobody", "apply"],
        &["can", "demo", "GET"],
    ] {
        let (told, ends) = machine.tells(wrong);
        assert_eq!(ends, 2, "{wrong:?}: {told}");
        assert!(told.contains("help"), "{wrong:?}: {told}");
    }
}

/// Whoever has another folder of the same workspace is told whose state is here, and changes nothing.
#[test]
fn the_state_of_another_folder_is_neither_told_nor_changed_as_ones_own() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let uuid = "\"{6d1b2c3d-0000-4000-8000-000000000001}\"";
    let source = format!(
        "source: {{ bitbucket: {{ repository: acme/shop, repositoryUuid: {uuid}, workspaceUuid: {uuid} }} }}"
    );
    machine.edit("source: { local: {} }", &source);
    machine.edit("  targets:\n", "  egress: [localhost]\n  targets:\n");
    for command in [
        &["plan"][..],
        &["status"],
        &["drift"],
        &["apply", "--no-input"],
        &["rollback", "--to", "1", "--no-input"],
    ] {
        let (told, code) = machine.tells(command);
        assert_eq!(code, 3, "{command:?}: {told}");
        assert!(told.contains("error[GW6203]: the state here is of another folder"), "{told}");
        assert!(told.contains("this folder follows acme/shop"), "{told}");
    }
    let (told, code) = machine.tells(&["doctor"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("✘ state") && told.contains("another folder"), "{told}");
    // With a state of its own it tells what it is about.
    let (told, code) = machine.tells(&["status", "--state", "../own"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("its server knows (`--server URL`)"), "{told}");
}
