//! What a gateway serves after a restart: what was applied, whatever the folder says meanwhile.

use super::machine::Machine;

#[test]
fn an_edit_that_was_not_applied_changes_nothing_at_a_restart() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    assert_eq!(gateway.stop("TERM"), Some(0));
    let other = gw_testkit::wire::free_port();
    machine.edit(&machine.listen(), &format!("127.0.0.1:{other}"));
    let gateway = machine.gateway();
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    assert_eq!(machine.ends("shop", &["drift", "--exit-code"]), 0);
}

#[test]
fn a_broken_folder_does_not_stop_a_restart() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    assert_eq!(gateway.stop("TERM"), Some(0));
    machine.edit("limits:", "limitz:");
    let gateway = machine.gateway();
    assert_eq!(gateway.call("GET", "/orders").status, 401);
}

#[test]
fn what_no_gateway_would_serve_is_refused_before_anything_is_written() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let header = "  headers:\n    request:\n      set: { X-Real-Ip: a }\n";
    machine.edit("  limits:", &format!("{header}  limits:"));
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("X-Real-Ip"), "{told}");
    let gateway = machine.gateway();
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    machine.edit(header, "");
    assert_eq!(machine.says(&["history"]).lines().count(), 1);
}

#[test]
fn a_snapshot_is_served_without_the_state_that_signed_it() {
    let machine = Machine::with_shop();
    let state = machine.folder.path("state").display().to_string();
    assert_eq!(machine.ends("shop", &["apply", "--state", &state]), 6);
    let target = "state/targets/dev/default";
    let file = machine.folder.read(&format!("{target}/generations/000000000001.json"));
    let key = machine.folder.read("state/signing.pub");
    machine.folder.write("edge/shop.json", &file);
    machine.folder.write("edge/signing.pub", &key);
    let unproven = machine.run("edge", &["gateway", "--snapshot", "shop.json"]);
    assert_eq!(unproven.status.code(), Some(2));
    let gateway =
        machine.gateway_with("edge", &["--snapshot", "shop.json", "--key", "signing.pub"]);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    assert_eq!(gateway.stop("TERM"), Some(0));
    machine.folder.write("copy/generations/000000000001.json", &file);
    machine.folder.write("copy/current", "1\n");
    let gateway = machine.gateway_with("edge", &["--snapshot", "../copy", "--key", "signing.pub"]);
    assert_eq!(gateway.call("GET", "/nowhere").status, 404);
    machine.folder.write("edge/shop.json", &file.replace("orders-team", "anybody-else"));
    let forged =
        machine.run("edge", &["gateway", "--snapshot", "shop.json", "--key", "signing.pub"]);
    assert_eq!(forged.status.code(), Some(2));
}
