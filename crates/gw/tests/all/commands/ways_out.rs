//! From every state there is a way on: a refused change, a target or an environment that was taken
//! out, a folder that is broken.

use std::{
    fs::File,
    io::{Read, Write},
    net::TcpListener,
    process::{Child, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::machine::{Machine, signal};

/// Two targets, each with the API; `edge` is to listen at another port, which is held until then.
fn with_edge(machine: &Machine) -> (String, TcpListener) {
    let held = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let edge = held.local_addr().expect("it is bound").to_string();
    let default = format!("default: {{ builtin: {{ listen: {} }} }}", machine.listen());
    let both = format!("{default}\n    edge: {{ builtin: {{ listen: {edge} }} }}");
    machine.edit(&default, &both);
    machine.edit(
        "  openapi: { file: openapi.yaml }",
        "  openapi: { file: openapi.yaml }\n  targets: [default, edge]",
    );
    (edge, held)
}

/// The gateway of `edge` no longer knows of a newer state.
fn forget(machine: &Machine) {
    std::fs::remove_file(machine.state().join("targets/dev/edge/last-served"))
        .expect("it can be removed");
}

/// The second of two targets refuses change 2, whose state the first one has already.
pub(super) fn refused(machine: &Machine) -> super::machine::Gateway {
    let (_, held) = with_edge(machine);
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    std::fs::write(machine.state().join("targets/dev/edge/last-served"), "99").expect("written");
    drop(held);
    let gateway = machine.gateway_of_nothing("shop", &["--target", "edge"]);
    machine.edit("100/1m", "60/1m");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("callers may meet the new state already"), "{told}");
    assert!(told.contains("mend what it names in the declarations, then apply"), "{told}");
    assert!(told.contains("gatewright rollback --to NUMBER"), "{told}");
    gateway
}

/// What a target is given is derived: where it is lost, or cannot be read, nothing else is.
#[test]
fn what_nobody_can_read_any_more_is_written_anew() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let current = machine.state().join("targets/dev/default/current");
    for lost in ["999", "nothing that is known"] {
        std::fs::write(&current, lost).expect("it can be written");
        let way_out = "/targets/dev/default/current` the next apply writes what is in force anew";
        let (told, code) = machine.tells(&["apply"]);
        assert!(code == 1 && told.contains(way_out), "{code} {told}");
        std::fs::remove_file(&current).expect("it can be removed");
        assert_eq!(machine.ends("shop", &["apply"]), 6);
    }
    let gateway = machine.gateway();
    assert_eq!(gateway.call("GET", "/orders").status, 401);
}

#[test]
fn what_a_target_refuses_is_replaced_by_what_is_declared_then() {
    let machine = Machine::with_shop();
    let gateway = refused(&machine);
    // The same again is refused again, and our own half is nobody else's doing.
    assert_eq!(machine.ends("shop", &["apply"]), 5);
    let (told, _) = machine.tells(&["drift"]);
    assert!(!told.contains("default"), "{told}");
    assert!(told.contains("the gateway of edge refused what it was given"), "{told}");
    let (told, code) = machine.tells(&["apply", "--abandon"]);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("rollback --to NUMBER"), "{told}");
    assert_eq!(gateway.stop("TERM"), Some(0));
    forget(&machine);
    machine.edit("60/1m", "50/1m");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("change 2 was refused by a target"), "{told}");
    let history = machine.says(&["history"]);
    assert!(history.lines().any(|line| line.contains("superseded")), "{history}");
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 0);
}

#[test]
fn from_what_a_target_refuses_there_is_a_way_back() {
    let machine = Machine::with_shop();
    let gateway = refused(&machine);
    assert_eq!(gateway.stop("TERM"), Some(0));
    forget(&machine);
    let (told, code) = machine.tells(&["rollback", "--to", "1", "--no-input"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("the state of change 2 is held"), "{told}");
    assert_eq!(machine.ends("shop", &["apply"]), 3);
    let (told, code) = machine.tells(&["rollback", "--to", "1", "--no-input"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(told, "the state of change 1 is in force already");
}

#[test]
fn a_rollback_that_nobody_confirms_changes_nothing() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let (told, code) = machine.tells(&["rollback", "--to", "1"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("What changes for callers"), "{told}");
    assert!(told.contains("60/1m → 100/1m"), "{told}");
    assert_eq!(machine.says(&["history"]).lines().count(), 2);
}

/// A command that asks its question at a terminal, and waits for the answer.
struct Asking {
    process: Child,
    keyboard: File,
}

impl Asking {
    fn begin(machine: &Machine, arguments: &[&str]) -> Self {
        let keyboard =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
        grantpt(&keyboard).and_then(|()| unlockpt(&keyboard)).expect("it is ours");
        let name = ptsname(&keyboard, vec![]).expect("it has a name");
        let name = name.to_str().expect("its name is text").to_owned();
        let terminal = File::options().read(true).write(true).open(name).expect("it opens");
        let mut process = machine
            .program("shop", arguments)
            .stdin(terminal)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        // Byte by byte, so that what comes after the question stays for the end.
        let (talk, mut told, mut byte) = (process.stderr.as_mut(), vec![], [0]);
        let talk = talk.expect("standard error is piped");
        while !told.ends_with(b"\n> ") {
            assert_eq!(talk.read(&mut byte).expect("it speaks"), 1, "it asks nothing");
            told.push(byte[0]);
        }
        Self { process, keyboard: File::from(keyboard) }
    }

    /// What it says after the answer, and how it ends.
    fn answer(mut self, answer: &str) -> (String, i32) {
        writeln!(self.keyboard, "{answer}").expect("the keyboard is there");
        self.end()
    }

    /// What it says after the question, and how it ends. The keyboard stays there.
    fn end(self) -> (String, i32) {
        let ended = self.process.wait_with_output().expect("it ends");
        let all = String::from_utf8([ended.stdout, ended.stderr].concat()).expect("it is text");
        (all, ended.status.code().expect("it ends by itself"))
    }
}

/// While somebody thinks about a question, others work on; then what was shown is not done.
#[test]
fn a_question_holds_nobody_up_and_its_answer_is_for_what_was_shown() {
    let machine = Machine::with_shop();
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let asking = Asking::begin(&machine, &["rollback", "--to", "1"]);
    machine.edit("60/1m", "30/1m");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    let (told, code) = asking.answer("dev");
    assert_eq!(code, 4, "{told}");
    assert!(told.contains("GW3102"), "{told}");
    assert!(told.contains("change 3 took effect meanwhile"), "{told}");
    assert_eq!(machine.says(&["history"]).lines().count(), 3);

    let (told, code) = Asking::begin(&machine, &["rollback", "--to", "1"]).answer("prod");
    assert_eq!(code, 130, "{told}");
    let (told, code) = Asking::begin(&machine, &["rollback", "--to", "1"]).answer("dev");
    assert_eq!(code, 0, "{told}");
    assert!(machine.says(&["history"]).contains("rollback (= 1)"));
}

/// The question waits for an answer, the command for anybody who stops it.
#[test]
fn a_question_that_is_cut_off_ends_at_once_and_changed_nothing() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    for (name, exit) in [("INT", 130), ("TERM", 143)] {
        let asking = Asking::begin(&machine, &["rollback", "--to", "1"]);
        signal(name, &asking.process);
        let (told, code) = asking.end();
        assert_eq!(code, exit, "{told}");
        assert_eq!(told, "\ninterrupted; nothing was changed\n");
    }
    // The question comes well before that, also on a busy machine.
    let asking = Asking::begin(&machine, &["rollback", "--to", "1", "--timeout", "8s"]);
    let (told, code) = asking.end();
    assert_eq!(code, 6, "{told}");
    assert!(told.starts_with("\nerror: not done within 8s\n  = nothing was changed\n"), "{told}");
    assert_eq!(machine.says(&["history"]).lines().count(), 2);
}

#[test]
fn a_target_that_is_taken_out_serves_nobody_any_more() {
    let machine = Machine::with_shop();
    let (edge, held) = with_edge(&machine);
    let edge = format!("\n    edge: {{ builtin: {{ listen: {edge} }} }}");
    let take_out = || {
        machine.edit(&edge, "");
        machine.edit("\n  targets: [default, edge]", "");
    };
    machine.edit(", deletes: true", "");
    let _default = machine.gateway_with("shop", &["--target", "default"]);
    drop(held);
    let gateway = machine.gateway_with("shop", &["--target", "edge"]);
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let before = machine.folder.read("shop/gatewright.yaml");
    take_out();
    // A deletion needs a rule that says so.
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 3, "{told}");
    assert_eq!(gateway.call("GET", "/orders").status, 401);

    machine.folder.write("shop/gatewright.yaml", &before);
    machine.edit("identities: [local] }", "identities: [local], deletes: true }");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    take_out();
    let (told, code) = machine.tells(&["plan"]);
    assert_eq!(code, 0, "{told}");
    let words = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("target edge is taken out: nothing is served there any more"), "{told}");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(gateway.call("GET", "/orders").status, 404);
    assert_eq!(machine.ends("shop", &["plan", "--exit-code"]), 0);
    // Nor does it after a restart, and the way back is a rollback.
    assert_eq!(gateway.stop("TERM"), Some(0));
    assert_eq!(machine.ends("shop", &["rollback", "--to", "2", "--no-input"]), 6);
    let gateway = machine.gateway_with("shop", &["--target", "edge"]);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
}

#[test]
fn an_environment_that_is_no_longer_declared_is_told_and_can_be_emptied() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("metadata: { name: dev }", "metadata: { name: test }");
    for command in ["status", "plan"] {
        let (told, _) = machine.tells(&[command, "--env", "test"]);
        assert!(told.contains("dev is not declared any more"), "{command}: {told}");
    }
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    let (told, code) = machine.tells(&["apply", "--env", "dev"]);
    assert_eq!(code, 0, "{told}");
    assert_eq!(gateway.call("GET", "/orders").status, 404);
    assert!(machine.says(&["history", "--env", "dev"]).contains("verified"));
    let (told, _) = machine.tells(&["status", "--env", "test"]);
    assert!(!told.contains("not declared any more"), "{told}");
}

#[test]
fn what_is_in_force_is_told_while_the_folder_is_broken() {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("limits:", "limitz:");
    assert_eq!(machine.ends("shop", &["plan"]), 2);
    assert_eq!(gateway.call("GET", "/orders").status, 401);
    for command in [
        &["status"] as &[&str],
        &["drift"],
        &["history"],
        &["explain", "--last"],
        &["explain", "2"],
        &["explain", "api/orders"],
        &["dev", "break"],
        &["rollback", "--to", "1", "--no-input"],
    ] {
        let (told, code) = machine.tells(command);
        assert_eq!(code, 0, "{command:?}: {told}");
    }
    let (told, _) = machine.tells(&["status"]);
    assert!(told.contains("the folder has errors"), "{told}");
}
