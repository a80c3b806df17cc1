//! `dev --with bitbucket`: a pull request waits, is approved and merged, and whoever kills the program
//! in between loses nothing.

use std::{fs, net::SocketAddr, process::Command};

use gw_testkit::wire::{Reply, free_port, request};

use super::{
    dev::{Dev, shop},
    machine::{Machine, signal},
};
use crate::page::Page;

struct Demo {
    machine: Machine,
    gateway: SocketAddr,
}

impl Demo {
    fn new() -> Self {
        Self { machine: shop(), gateway: SocketAddr::from(([127, 0, 0, 1], free_port())) }
    }

    fn start(&self) -> Dev {
        let port = self.gateway.port().to_string();
        Dev::with(&self.machine, &["--with", "bitbucket", "--port", &port])
    }

    /// What a shell does beside the folder, as somebody whom git knows.
    fn shell(&self, at: &str, script: &str) {
        let mut shell = Command::new("sh");
        for who in ["AUTHOR", "COMMITTER"] {
            shell.env(format!("GIT_{who}_NAME"), "dana");
            shell.env(format!("GIT_{who}_EMAIL"), "dana@example.com");
        }
        let output = shell
            .args(["-ec", script])
            .current_dir(self.machine.folder.path(at))
            .env("HOME", self.machine.folder.path("home"))
            .output()
            .expect("a shell can be started");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}: {told}");
    }

    fn call(&self, group: &str) -> Reply {
        let token = self.machine.says(&["dev", "token", "bob", "--group", group]);
        let token = format!("Bearer {}", token.trim());
        let headers = [("authorization", token.as_str()), ("content-type", "application/json")];
        let body = br#"{"sku":"tea","quantity":1}"#;
        request(self.gateway, "POST", "/orders", &headers, body).expect("the gateway answers")
    }

    /// What a command says about the state of the server, and how it ends.
    fn asks(&self, arguments: &[&str]) -> (String, i32) {
        let id = self.machine.folder.read("shop/.gatewright/id");
        let state = format!("../home/.local/state/gatewright/{}/bitbucket/server", id.trim());
        self.machine.tells(&[&["--state", state.as_str()], arguments].concat())
    }
}

impl Demo {
    /// What the demo begins with needs no repair.
    fn begins_whole(&self) {
        let token =
            self.machine.run("shop-apis", &["dev", "token", "dana", "--identity", "operators"]);
        self.machine.folder.write("home/dana.jwt", &String::from_utf8_lossy(&token.stdout));
        let id = self.machine.folder.read("shop/.gatewright/id");
        let settings = format!("home/.local/state/gatewright/{}/bitbucket", id.trim());
        let settings = self.machine.folder.read(&format!("{settings}/gatewright.toml"));
        let address = settings.lines().find_map(|line| line.strip_prefix("address = "));
        let server = address.expect("it has an address").trim_matches('"');
        let mut doctor = self.machine.program("shop-apis", &["doctor", "--server", server]);
        doctor.env("GATEWRIGHT_TOKEN_FILE", self.machine.folder.path("home/dana.jwt"));
        let ended = doctor.output().expect("it starts");
        let told = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.code() == Some(0) && told.contains("0 repairs"), "{told}");
    }
}

/// The page of the repository, from the first line.
fn page(dev: &mut Dev) -> Page {
    let line = dev.wait_for("started");
    let url = line.split_whitespace().nth(1).expect("an address");
    assert!(line.starts_with("bitbucket") && line.ends_with("on this machine only)"), "{line}");
    Page::of(url)
}

/// Shows S3.23: holds
/// Shows S1.24: holds
#[test]
fn a_pull_request_waits_and_is_merged_although_everything_was_killed_in_between() {
    let demo = Demo::new();
    let mut dev = demo.start();
    let first = page(&mut dev);
    assert_eq!(dev.wait_for("applied"), "change 1 applied and verified");
    let next = dev.wait_for("next");
    let clone = next.strip_prefix("next: ").expect("a command");
    demo.shell("shop", clone);
    demo.shell(
        "shop-apis",
        "git switch -q -c sales
         sed -i 's/orders-team\\]/orders-team, sales]/' gatewright.yaml
         git commit -q -a -m 'Let sales create orders'
         git push -q origin sales
         ! git push -q origin sales:main",
    );
    demo.begins_whole();
    first.follow("open sales \"Let sales create orders\" as dana");
    assert_eq!(dev.wait_for("planned"), "pull request 1: dev waits for security");
    let text = first.read("⚠ waits for security");
    assert!(text.contains("gatewright.yaml:49 MEDIUM WIDENS ACCESS"), "an annotation: {text}");
    // Whoever asks for it approves nothing, and what waits cannot be merged.
    first.click("approve", "dana");
    first.follow("merge as dana: This pull request needs at least 1 successful builds.");
    assert_eq!(demo.call("sales").status, 403);

    // At once a second time: nothing is touched.
    let (code, told) = demo.start().end();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("cannot be listened on"), "{told}");

    dev.process.kill().expect("it runs");
    dev.process.wait().expect("it ends");
    let mut dev = demo.start();
    let again = page(&mut dev);
    assert_eq!(dev.wait_for("applied"), "dev goes on as it was left");
    assert_eq!(dev.wait_for("next"), next, "clones find it where it was");
    again.read("⚠ waits for security");
    again.click("approve", "mira");
    // What was under way when it was killed is told anew.
    while dev.wait_for("planned") != "pull request 1: may be applied" {}
    again.read("SUCCESSFUL gatewright-plan");
    again.click("merge", "dana");
    assert_eq!(dev.wait_for("applied"), "change 2 applied and verified");
    assert_eq!(demo.call("sales").status, 201);
    again.read("change 2 is applied and verified");

    let (told, code) = demo.asks(&["history"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(told.matches("verified").count(), 2, "{told}");
    signal("TERM", &dev.process);
    let (code, told) = dev.end();
    assert_eq!(code, Some(0), "{told}");
    let refused = request(demo.gateway, "GET", "/orders", &[], b"");
    assert!(refused.is_err(), "everything ended");
    let (told, code) = demo.asks(&["audit", "verify"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("VERIFIED"), "{told}");
    let (told, code) = demo.asks(&["audit", "report"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("approved by mira") && !told.contains("by dana,"), "{told}");
}

/// The folder stays as it is, and what a repository cannot be made of is told before anything starts.
#[test]
fn a_folder_that_follows_something_else_is_refused_with_its_place() {
    let demo = Demo::new();
    let before = demo.machine.folder.read("shop/gatewright.yaml");
    demo.machine.edit("  source:", "  people: {}\n  source:");
    let (code, told) = demo.start().end();
    assert_eq!(code, Some(2), "{told}");
    assert!(told.contains("`people` at gatewright.yaml:7"), "{told}");
    demo.machine.edit("  people: {}\n", "");
    let mut dev = demo.start();
    dev.wait_for("applied");
    assert_eq!(demo.machine.folder.read("shop/gatewright.yaml"), before);
    let git = demo.machine.folder.path("shop/.git");
    assert!(fs::metadata(git).is_err(), "the folder is no repository");
}
