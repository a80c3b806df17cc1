//! What the calls prove that follow a change, and what is said where they prove nothing.

use gw_testkit::{
    backend::{Answer, Backend},
    wire::free_port,
};

use super::machine::Machine;

/// The demo with GET for everybody, and a backend there.
fn with_public_orders(url: &str) -> Machine {
    let machine = Machine::with_shop();
    machine.edit("methods: [GET]\n      identities: [demo]", "methods: [GET]\n      public: true");
    machine.edit("http://localhost:7072", url);
    machine
}

#[test]
fn a_backends_own_refusal_proves_that_the_call_was_let_through() {
    let backend = Backend::start();
    let machine = with_public_orders(&backend.url());
    machine.edit("rate: 100/1m, per: caller", "rate: 1/1m, per: ip");
    let gateway = machine.gateway();
    for (status, rate) in [(404, "1/1m"), (401, "1/2m"), (403, "1/3m"), (500, "1/4m")] {
        backend.set_answer(Answer { status, ..Answer::default() });
        machine.edit("rate: 1/1m", &format!("rate: {rate}"));
        let (told, code) = machine.tells(&["apply"]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains("is applied and verified"), "{told}");
        assert!(told.contains(&format!("public → {status}")), "{told}");
        machine.edit(&format!("rate: {rate}"), "rate: 1/1m");
    }
    assert_eq!(gateway.call("GET", "/orders").status, 500, "no probe used up the limit");
}

#[test]
fn a_backend_that_is_not_there_is_told_and_is_no_fault_of_the_change() {
    let machine = with_public_orders(&format!("http://localhost:{}", free_port()));
    let _gateway = machine.gateway();
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change 1 is applied; its rules are verified, but calls fail"), "{told}");
    assert!(told.contains("public → 502"), "{told}");
    assert!(told.contains("`public: GET /orders` is let through, and calls get "), "{told}");
    assert!(told.contains("the backend does not answer: "), "{told}");
}

/// No call without a token gets as far as the secret, so no probe finds that it is missing.
#[test]
fn a_missing_secret_is_told_wherever_somebody_looks() {
    let machine = Machine::with_shop();
    machine.edit(
        "url: http://localhost:7072",
        "url: http://localhost:7072, auth: { header: { name: X-Key, secret: orders-key } }",
    );
    machine.edit("  changes:\n", "  secrets: { files: { directory: .secrets } }\n  changes:\n");
    let _gateway = machine.gateway();
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("change 1 is applied; its rules are verified, but calls fail"), "{told}");
    for command in ["apply", "status", "doctor"] {
        let (told, _) = machine.tells(&[command]);
        assert!(told.contains("calls of orders get "), "{command}: {told}");
        assert!(told.contains("orders-key"), "{command}: {told}");
    }
}
