//! The table of access, tried on the gateway that `dev` runs.

use gw_testkit::wire::free_port;

use super::{
    dev::{Dev, shop},
    machine::Machine,
};

/// Shows S3.24: part (by `verifiedIn`, where an environment can be tried; by hand)
#[test]
fn the_running_gateway_says_what_the_rules_say() {
    let machine = shop();
    let mut dev = Dev::with(&machine, &["--port", &free_port().to_string()]);
    dev.wait_for("applied");
    let (told, code) = machine.tells(&["test"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("9 calls, all as the rules say"), "{told}");
    let (listed, code) = machine.tells(&["audit", "list"]);
    assert_eq!(code, 0, "{listed}");
    assert!(listed.contains("environment.tested"), "{listed}");
}

#[test]
fn an_environment_whose_tokens_mean_something_is_never_tried() {
    let machine = Machine::with_shop();
    machine.edit("http://localhost:7071", "https://login.example.com");
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let (told, code) = machine.tells(&["test"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("nobody who calls here is proved by the test issuer"), "{told}");
    drop(gateway);
}
