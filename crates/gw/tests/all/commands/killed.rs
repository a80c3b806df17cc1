//! `apply` killed right before the calls by which it writes, and run again.
//!
//! A kill comes at any moment: what counts is which of the calls that change a file were made. So the
//! program is killed before the first one of a kind, then before the second one, until it ends by
//! itself.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fs,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Output},
};

use gw_testkit::{
    absent::not_run,
    attack::record::{Attack, Bench, Expected, Said, attack},
    watch::{Counted, Kill, Program, Watcher},
};
use serde_json::Value;

use super::machine::{Gateway, Machine};

/// How many resources a change has.
const RESOURCES: usize = 20;

/// A shop with many APIs, each of which has another path in each state.
struct Shop {
    machine: Machine,
    gateway: Gateway,
    /// The number of the state that the folder declares.
    state: Cell<u32>,
}

impl Shop {
    fn new() -> Self {
        let machine = Machine::with_shop();
        let mut text = machine.folder.read("shop/gatewright.yaml");
        for resource in 0..RESOURCES {
            text.push_str(&format!(
                "---\n\
                 apiVersion: gatewright.io/v1alpha1\n\
                 kind: Api\n\
                 metadata: {{ name: r{resource} }}\n\
                 spec:\n  \
                   openapi: {{ file: r{resource}.yaml }}\n  \
                   upstream: {{ url: http://localhost:7072 }}\n  \
                   access: [{{ methods: [GET], identities: [demo] }}]\n"
            ));
        }
        machine.folder.write("shop/gatewright.yaml", &text);
        let state = Cell::new(0);
        declare(&machine, 0);
        assert_eq!(machine.ends("shop", &["apply"]), 6);
        let gateway = machine.gateway();
        Self { machine, gateway, state }
    }

    /// From now on the folder declares another state.
    fn edit(&self) {
        self.state.set(self.state.get() + 1);
        declare(&self.machine, self.state.get());
    }

    /// Which of its APIs the gateway serves as that state says.
    fn serves(&self, state: u32) -> Vec<bool> {
        let call = |resource| {
            let reply = self.gateway.call("GET", &path(resource, state));
            match reply.status {
                401 => true,
                404 => false,
                other => unreachable!("{other}: {}", reply.text()),
            }
        };
        (0..RESOURCES).map(call).collect()
    }

    /// All of it is as it was or as it is declared, also where that comes true while we look.
    fn is_old_or_new(&self, when: &str) {
        let old = self.serves(self.state.get() - 1);
        let turns = old.windows(2).filter(|pair| pair[0] != pair[1]).count();
        if old.contains(&false) {
            assert!(turns == 0 || (turns == 1 && old[0]), "{when}: {old:?}");
            self.is_new(when);
        }
    }

    fn is_new(&self, when: &str) {
        assert!(!self.serves(self.state.get() - 1).contains(&true), "{when}: former state");
        assert!(!self.serves(self.state.get()).contains(&false), "{when}: not the new state");
    }

    fn apply_killed(&self, kill: Kill<'_>) -> ExitStatus {
        let mut program = self.machine.under("strace", &kill.arguments(), "shop", &["apply"]);
        program.output().expect("strace was started before").status
    }

    fn apply(&self, when: &str) {
        let (told, code) = self.machine.tells(&["apply"]);
        assert_eq!(code, 0, "{when}: {told}");
        self.is_new(when);
    }

    /// The files of the database.
    fn database(&self) -> Vec<PathBuf> {
        let state = self.machine.state();
        ["state.db", "state.db-wal", "state.db-shm"].map(|name| state.join(name)).to_vec()
    }

    /// What is for the gateway: what is there, and what the next change makes.
    fn generations(&self) -> Vec<PathBuf> {
        let target = self.machine.state().join("targets/dev/default");
        let folder = target.join("generations");
        let there = fs::read_dir(&folder).expect("something was applied");
        let there: Vec<_> = there.map(|entry| entry.expect("it can be read").path()).collect();
        let number = |path: &PathBuf| path.file_stem()?.to_str()?.parse().ok();
        let newest: Option<u64> = there.iter().filter_map(number).max();
        let next = newest.expect("there is one") + 1;
        let made = ["new", "json"].map(|end| folder.join(format!("{next:012}.{end}")));
        let beside = ["current.new", "current"].map(|name| target.join(name));
        [there, made.to_vec(), beside.to_vec(), vec![folder, target]].concat()
    }

    /// Kills it before each call of that name in turn, or before one of so many, and tells how often.
    fn kill_at_each(&self, call: &str, stride: usize, written: Written) -> usize {
        for (killed, nth) in (1..).step_by(stride).enumerate() {
            let when = format!("killed before {call} {nth} of {written:?}");
            self.edit();
            let paths = match written {
                Written::Database => Some(self.database()),
                Written::Generations => Some(self.generations()),
                Written::Ledger => None,
            };
            let counted = paths.as_deref().map_or(Counted::OfFirstThread, Counted::About);
            let ended = self.apply_killed(Kill { call, nth, counted });
            if ended.signal().is_none() {
                assert_eq!(ended.code(), Some(0), "{when}");
                self.is_new(&when);
                return killed;
            }
            assert_eq!(ended.signal(), Some(9), "{when}");
            self.is_old_or_new(&when);
            self.apply(&when);
        }
        unreachable!("a program makes a call only so often");
    }

    /// What is made and told before and after the kills.
    fn act(&self) -> Said {
        self.edit();
        let Output { status, stdout, stderr } = self.machine.run("shop", &["apply"]);
        self.is_new("not killed");
        let words = String::from_utf8([stdout, stderr].concat()).expect("it is text");
        let code = |place: (usize, &str)| Some(words.get(place.0 + 1..)?.split_once(']')?.0);
        let codes = words.match_indices("[GW").filter_map(code).map(str::to_owned).collect();
        let told = self.machine.says(&["audit", "verify", "--json"]);
        let verified: Value = serde_json::from_str(&told).expect("the ledger verifies");
        let signed = verified["entries"].as_u64().expect("a number");
        Said { accepted: status.success(), signed, codes, words }
    }

    /// Each change began once and ended once, and so did each of its steps. One that was killed before
    /// its end could be told was begun a second time.
    fn is_on_the_record(&self) {
        let told = self.machine.says(&["audit", "list", "--json"]);
        let mut counts: BTreeMap<(u64, Option<u64>), [u32; 2]> = BTreeMap::new();
        for line in told.lines() {
            let line: Value = serde_json::from_str(line).expect("an entry is JSON");
            let entry = &line["entry"];
            let is_end = match entry["act"].as_str().expect("an entry tells of an act") {
                "change.began" | "step.intended" => 0,
                "change.ended" | "step.ended" => 1,
                _ => continue,
            };
            let change = entry["change"].as_u64().expect("an entry of a change");
            let step = entry["facts"]["position"].as_u64();
            counts.entry((change, step)).or_default()[is_end] += 1;
        }
        let changes = u64::from(self.state.get()) + 1;
        assert!((1..=changes).all(|change| counts.contains_key(&(change, None))));
        for ((change, step), [begun, ended]) in counts {
            assert_eq!(ended, 1, "step {step:?} of change {change}");
            let most = if step.is_some() { 2 } else { 1 };
            assert!((1..=most).contains(&begun), "step {step:?} of change {change}: {begun}");
        }
    }
}

/// What a change writes.
#[derive(Clone, Copy, Debug)]
enum Written {
    /// Journal and entries.
    Database,
    /// What a gateway serves.
    Generations,
    /// The files of the ledger. The first thread writes these, and nothing else but what it says.
    Ledger,
}

fn path(resource: usize, state: u32) -> String {
    format!("/r{resource}/s{state}")
}

fn declare(machine: &Machine, state: u32) {
    for resource in 0..RESOURCES {
        let path = path(resource, state);
        let text = format!(
            "openapi: 3.0.3\n\
             info: {{ title: One of many, version: 1.0.0 }}\n\
             paths:\n  \
               {path}:\n    \
                 get: {{ operationId: get, responses: {{ '200': {{ description: It }} }} }}\n"
        );
        machine.folder.write(&format!("shop/r{resource}.yaml"), &text);
    }
}

/// Kills a change at each of these calls, every so many, at least as often as it is said.
fn killed(kills: &[(Written, &str, usize, usize)]) {
    if let Err(said) = Watcher::find(Program::Strace) {
        return not_run(&said);
    }
    let shop = Shop::new();
    let kill = || {
        for (written, call, stride, least) in kills {
            let killed = shop.kill_at_each(call, *stride, *written);
            assert!(killed >= *least, "{killed} times before {call} of {written:?}");
        }
    };
    attack(
        &Bench { folder: &shop.machine.state(), written: vec![], act: &|| shop.act() },
        &Attack {
            name: "kills",
            put: &kill,
            mend: &|| (),
            expected: Expected::Borne,
            secrets: &[],
        },
    );
    shop.is_on_the_record();
}

/// Shows F1: part (of the writes between two `fsync` of the database one in eleven)
#[test]
fn killed_before_any_write_of_the_state_a_change_is_old_or_new_and_goes_on() {
    killed(&[
        (Written::Database, "fsync", 1, 15),
        (Written::Database, "ftruncate", 1, 1),
        (Written::Database, "unlink", 1, 2),
        // Those between two `fsync` become true together.
        (Written::Database, "pwrite64", 11, 10),
    ]);
}

/// Shows F1: part (of the files each, of what is written; not by named failpoints)
#[test]
fn killed_before_any_write_of_a_file_a_change_is_old_or_new_and_goes_on() {
    killed(&[
        (Written::Generations, "write", 1, 2),
        (Written::Generations, "fsync", 1, 4),
        (Written::Generations, "rename", 1, 2),
        (Written::Generations, "unlink", 1, 1),
        (Written::Ledger, "fsync", 1, 8),
        (Written::Ledger, "rename", 1, 4),
        (Written::Ledger, "unlink", 1, 4),
    ]);
}
