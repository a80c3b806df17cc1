//! `dev` beside what is not as it expects: other programs, a backend that is down, a state that goes.

use std::{
    fs,
    io::{BufRead, BufReader, Lines, Read},
    net::TcpListener,
    process::{Child, ChildStdout, Stdio},
};

use gw_testkit::wire::free_port;
use serde_json::Value;

use super::machine::{Machine, signal};

/// The demo with ports that nobody else has.
pub(super) fn shop() -> Machine {
    let machine = Machine::with_shop();
    for part in ["7071", "7072"] {
        machine.edit(part, &free_port().to_string());
    }
    machine
}

/// A `dev` that prints its events; ended with the test.
pub(super) struct Dev {
    pub(super) process: Child,
    events: Lines<BufReader<ChildStdout>>,
}

impl Dev {
    fn start(machine: &Machine) -> Self {
        Self::with(machine, &[])
    }

    pub(super) fn with(machine: &Machine, arguments: &[&str]) -> Self {
        let mut process = machine
            .program("shop", &[&["dev", "--json"], arguments].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout = process.stdout.take().expect("standard output is piped");
        Self { process, events: BufReader::new(stdout).lines() }
    }

    /// The text of the next event of this name.
    pub(super) fn wait_for(&mut self, event: &str) -> String {
        for line in &mut self.events {
            let told: Value = serde_json::from_str(&line.expect("a line")).expect("it is JSON");
            assert_eq!(told["schema"], "gatewright.io/dev/v1");
            if told["event"] == event {
                return told["text"].as_str().expect("it has a text").to_owned();
            }
        }
        panic!("it ended before `{event}`");
    }

    /// How it ends, and what it said of that.
    pub(super) fn end(mut self) -> (Option<i32>, String) {
        let mut told = String::new();
        let mut stderr = self.process.stderr.take().expect("standard error is piped");
        stderr.read_to_string(&mut told).expect("it is text");
        (self.process.wait().expect("it ends").code(), told)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

#[test]
fn a_foreign_program_in_the_place_of_a_part_is_told_by_its_port() {
    for (part, cure) in [("7071", "the identity another port"), ("7072", ".gatewright/demo")] {
        let machine = Machine::with_shop();
        let foreign = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = foreign.local_addr().expect("it is bound").port();
        let silent = std::thread::spawn(move || drop(foreign.accept()));
        for other in ["7071", "7072"] {
            let port = if other == part { port } else { free_port() };
            machine.edit(other, &port.to_string());
        }
        let (told, code) = machine.tells(&["dev"]);
        assert_eq!(code, 1, "{told}");
        assert!(told.contains(&format!("port {port} is where")), "{told}");
        assert!(told.contains(cure), "{told}");
        // Where nobody asked it, it still waits.
        drop(std::net::TcpStream::connect(("127.0.0.1", port)));
        silent.join().expect("it ends");
    }
}

#[test]
fn a_folder_that_is_wrong_at_the_start_waits_for_the_save_that_mends_it() {
    let machine = shop();
    let (right, wrong) = ("limits:", "limitz:");
    machine.edit(right, wrong);
    let mut dev = Dev::start(&machine);
    assert!(dev.wait_for("refused").contains("nothing runs yet"));
    machine.edit(wrong, right);
    assert_eq!(dev.wait_for("applied"), "change 1 applied and verified");
    // What a save does not mend is no reason to wait.
    fs::remove_file(machine.folder.path("shop/.gatewright/id")).expect("it is there");
    assert_eq!(machine.ends("shop", &["dev"]), 2);
}

/// The port belongs to this run: what is declared stays declared, and what is served is proved.
#[test]
fn a_port_of_its_own_is_where_changes_are_proved() {
    let machine = shop();
    let port = free_port().to_string();
    let mut dev = Dev::with(&machine, &["--port", &port]);
    assert!(dev.wait_for("started").ends_with(&format!(":{port}")));
    assert_eq!(dev.wait_for("applied"), "change 1 applied and verified");
    machine.edit("100/1m", "60/1m");
    assert_eq!(dev.wait_for("applied"), "change 2 applied and verified");
    machine.edit("60/1m", "30/1m");
    assert_eq!(dev.wait_for("applied"), "change 3 applied and verified");
    let told = machine.says(&["doctor"]);
    assert!(told.contains(&format!("the gateway at 127.0.0.1:{port} answers")), "{told}");
    let declared = format!("it was started for this address; the target says {}", machine.listen());
    assert!(told.contains(&declared), "{told}");
}

#[test]
fn a_backend_of_ones_own_is_not_played() {
    let machine = shop();
    fs::remove_file(machine.folder.path("shop/.gatewright/demo")).expect("it is there");
    let mut dev = Dev::start(&machine);
    let missing = dev.wait_for("missing");
    assert!(missing.contains("the backend of orders does not answer"), "{missing}");
    dev.wait_for("applied");
}

/// Of two more APIs one is at the demo's own backend, which is played before anybody is missed.
#[test]
fn a_backend_that_is_played_is_not_told_to_be_missing() {
    let machine = shop();
    let text = machine.folder.read("shop/gatewright.yaml");
    let (_, after) = text.split_once("upstream: { url: ").expect("the demo has a backend");
    let (played, _) = after.split_once(' ').expect("it ends");
    let down = format!("http://localhost:{}", free_port());
    let more = [("apart", played), ("beside", &down)].map(|(name, url)| {
        format!(
            "---\napiVersion: gatewright.io/v1alpha1\nkind: Api\nmetadata: {{ name: {name} }}\n\
             spec:\n  openapi: {{ file: openapi.yaml }}\n  listen: {{ path: /{name} }}\n  \
             upstream: {{ url: {url} }}\n  access: [{{ methods: [GET], identities: [demo] }}]\n"
        )
    });
    machine.folder.write("shop/gatewright.yaml", &format!("{text}{}", more.concat()));
    let missing = Dev::start(&machine).wait_for("missing");
    assert!(missing.contains("the backend of beside does not answer"), "{missing}");
}

#[test]
fn a_state_that_is_removed_ends_dev() {
    let machine = shop();
    let mut dev = Dev::start(&machine);
    dev.wait_for("applied");
    let state = machine.folder.path("home/.local/state/gatewright");
    fs::rename(&state, machine.folder.path("home/elsewhere")).expect("it is there");
    let (code, told) = dev.end();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("was removed or replaced"), "{told}");
}

#[test]
fn what_the_issuer_says_itself_is_no_claim_and_an_old_token_can_be_had() {
    let machine = shop();
    for claim in ["exp=1", "iss=me", "aud=all", "sub=eve", "nbf=1", "iat=1"] {
        let (told, code) = machine.tells(&["dev", "token", "bob", "--claim", claim]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("is said by the issuer itself"), "{told}");
    }
    let mut dev = Dev::start(&machine);
    dev.wait_for("applied");
    let token = machine.says(&["dev", "token", "bob", "--expired"]);
    machine.folder.write("shop/token.jwt", &token);
    let (told, code) = machine.tells(&["can", "--token-file", "token.jwt", "GET", "/orders"]);
    assert_eq!(code, 3, "{told}");
    assert!(told.contains("expired") || told.contains("ended"), "{told}");
    let printed: Value = serde_json::from_str(&machine.says(&["dev", "token", "bob", "--json"]))
        .expect("it is JSON");
    assert_eq!(printed["schema"], "gatewright.io/token/v1");
}

#[test]
fn a_supervisor_ends_it_well_and_the_keyboard_interrupts_it() {
    for (name, expected) in [("TERM", 0), ("INT", 130)] {
        let machine = shop();
        let mut dev = Dev::start(&machine);
        dev.wait_for("applied");
        signal(name, &dev.process);
        let (code, told) = dev.end();
        assert_eq!(code, Some(expected), "{name}: {told}");
        let gateway = machine.gateway();
        assert_eq!(gateway.stop(name), Some(expected), "{name}");
    }
}
