//! What a gateway serves after a restart: what was applied, whatever the folder says meanwhile.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use gw_testkit::wire::{free_port, request};

use super::machine::{Gateway, Machine};

#[test]
fn an_edit_that_was_not_applied_changes_nothing_at_a_restart() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    assert_eq!(gateway.stop("TERM"), Some(0));
    let other = free_port();
    machine.edit(&machine.listen(), &format!("127.0.0.1:{other}"));
    let gateway = machine.gateway();
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    assert_eq!(machine.ends("shop", &["drift", "--exit-code"]), 0);
}

/// What it takes over while it runs is told as what it began with.
#[test]
fn a_generation_that_is_taken_over_is_told_once() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let words = gateway.last_words();
    assert!(words.contains("serving generation 1\n"), "{words}");
    let gateway = machine.gateway();
    let words = gateway.last_words();
    assert_eq!(words.matches("serving generation 1\n").count(), 1, "{words}");
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

/// Applies, and delivers what the target's folder holds then under that name.
fn deliver(machine: &Machine, environment: &str, name: &str) {
    let state = machine.folder.path("state").display().to_string();
    assert_eq!(machine.ends("shop", &["apply", "--env", environment, "--state", &state]), 6);
    let from = format!("state/targets/{environment}/default");
    let number = machine.folder.read(&format!("{from}/current"));
    let file = format!("generations/{:012}.json", number.trim().parse::<u64>().expect("a number"));
    machine.folder.write(&format!("{name}/current"), &number);
    machine
        .folder
        .write(&format!("{name}/{file}"), &machine.folder.read(&format!("{from}/{file}")));
    machine.folder.write("edge/signing.pub", &machine.folder.read("state/signing.pub"));
}

const FIRST: &str = "generations/000000000001.json";

/// Serves a snapshot that was delivered.
fn serve(machine: &Machine, snapshot: &str, arguments: &[&str]) -> Gateway {
    let snapshot = format!("../{snapshot}");
    let all = ["--snapshot", &snapshot, "--key", "signing.pub"];
    machine.gateway_with("edge", &[&all, arguments].concat())
}

#[test]
fn a_state_may_lie_as_deep_as_its_owner_likes() {
    let machine = Machine::with_shop();
    let deep = machine.folder.path(&["a-home-of-somebody"; 16].join("/"));
    assert!(deep.as_os_str().len() > 300);
    let state = ["--state", deep.to_str().expect("its name is text")];
    let gateway = machine.gateway_with("shop", &state);
    let ends = |command: &[&str]| machine.tells(&[command, &state].concat());
    let (told, code) = ends(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("applied and verified"), "{told}");
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    let (told, code) = ends(&["explain", "--last"]);
    assert_eq!(code, 0, "{told}");
    let (told, _) = ends(&["doctor"]);
    assert!(told.contains("✔ target default"), "{told}");
    // Another one for the same target is told by the first, and a dead socket by nobody.
    let (told, code) = ends(&["gateway"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("another gateway serves this target"), "{told}");
    assert_eq!(gateway.stop("KILL"), None);
    let gateway = machine.gateway_with("shop", &state);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
}

/// Every file and folder below, with its mode.
fn all_below(folder: &Path) -> Vec<(PathBuf, u32)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<_> = entries
        .flat_map(|path| {
            let mode = fs::symlink_metadata(&path).expect("it is there").permissions().mode();
            [vec![(path.clone(), mode)], all_below(&path)].concat()
        })
        .collect();
    all.sort();
    all
}

#[test]
fn an_older_snapshot_is_refused_however_it_is_delivered() {
    let machine = Machine::with_shop();
    deliver(&machine, "dev", "old");
    machine.edit("100/1m", "50/1m");
    deliver(&machine, "dev", "new");
    let delivered = all_below(&machine.folder.path("new"));
    let gateway = serve(&machine, "new", &[]);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    let words = gateway.last_words();
    assert!(words.contains("no memory of what was served before"), "{words}");
    assert_eq!(all_below(&machine.folder.path("new")), delivered, "it is only read");
    // A memory that is delivered too is nobody's.
    machine.folder.write("old/last-served", "1");
    for older in ["old", &format!("old/{FIRST}")] {
        let gateway = serve(&machine, older, &[]);
        // Callers are told, where they call.
        assert_eq!(gateway.address().to_string(), machine.listen());
        assert_eq!(gateway.call("GET", "/orders").status, 503);
        let words = gateway.last_words();
        assert!(words.contains("generation 1 is older than generation 2"), "{words}");
        assert!(!words.contains("no memory"), "{words}");
    }
    let gateway = serve(&machine, "new", &[]);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    // While it serves the new one, the old one is put in its place.
    machine.folder.write(&format!("new/{FIRST}"), &machine.folder.read(&format!("old/{FIRST}")));
    machine.folder.replace("new/current", b"1");
    assert_eq!(gateway.call("GET", "/orders").status, 401);
}

#[test]
fn the_snapshot_of_another_environment_is_refused_unless_it_is_named() {
    let machine = Machine::with_shop();
    deliver(&machine, "dev", "dev");
    machine.edit("metadata: { name: dev }", "metadata: { name: prod }");
    deliver(&machine, "prod", "prod");
    assert_eq!(serve(&machine, "prod", &[]).stop("TERM"), Some(0));
    let other = ["gateway", "--snapshot", "../dev", "--key", "signing.pub"];
    let refused = |more: &[&str]| {
        let output = machine.run("edge", &[&other, more].concat());
        assert_eq!(output.status.code(), Some(2), "{more:?}");
        machine.steady(&String::from_utf8(output.stderr).expect("it is text"))
    };
    insta::assert_snapshot!(refused(&[]), @r"
    error: the snapshot was made for dev/default, and this state served prod/default
      help: say that it is meant: `--env dev --target default`
      help: or give that gateway a state of its own: `--state DIR`
    ");
    insta::assert_snapshot!(
        refused(&["--env", "prod"]),
        @"error: the snapshot was made for dev/default"
    );
    let gateway = serve(&machine, "dev", &["--env", "dev", "--target", "default"]);
    assert!(gateway.last_words().contains("no memory of what was served before"));
    // From now on both were served, and each is to be named.
    refused(&[]);
    let gateway = serve(&machine, "prod", &["--env", "prod"]);
    assert!(!gateway.last_words().contains("no memory"));
}

#[test]
fn what_a_gateway_writes_is_its_owners_alone() {
    let machine = Machine::with_shop();
    deliver(&machine, "dev", "new");
    let own = machine.folder.path("own/of/gateway");
    // As a former version left it, or somebody made it.
    let home = own.join("targets/dev/default");
    fs::create_dir_all(&home).expect("made");
    fs::set_permissions(&home, fs::Permissions::from_mode(0o755)).expect("set");
    let arguments = ["gateway", "--snapshot", "../new", "--key", "signing.pub", "--state"];
    let state = own.display().to_string();
    let program = machine.masked("022", "edge", &[&arguments[..], &[&state]].concat());
    let gateway = Machine::await_gateway(program);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    let (told, code) = machine.tells(&["explain", "--last", "--state", &state]);
    assert_eq!(code, 0, "{told}");
    let all = all_below(&home);
    let open: Vec<_> = all.iter().filter(|(_, mode)| mode & 0o077 != 0).collect();
    assert!(open.is_empty(), "{open:?}");
    let names = ["gateway.sock", "last-served", "assertion.key", "decisions"];
    for name in names.map(|name| home.join(name)) {
        assert!(all.iter().any(|(path, _)| *path == name), "{}", name.display());
    }
    let mode = fs::metadata(&home).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    assert!(all.iter().any(|(path, _)| path.extension().is_some_and(|it| it == "jsonl")));
}

#[test]
fn a_crowd_that_does_nothing_keeps_nobody_out_where_few_files_may_be_open() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let admin = free_port();
    let settings = format!("[gateway]\nthreads = 2\nadmin = \"127.0.0.1:{admin}\"\n");
    machine.folder.write("few.toml", &settings);
    let few = ["gateway", "--config", "../few.toml"];
    let gateway = Machine::await_gateway(machine.with_files(256, "shop", &few));
    let held: Vec<_> = (0..300).map(|_| gateway.used()).collect();
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    let admin = ([127, 0, 0, 1], admin).into();
    let health = request(admin, "GET", "/healthz", &[], b"").expect("it answers");
    assert_eq!(health.status, 200);
    drop(held);
    assert_eq!(gateway.stop("TERM"), Some(0));
}
