//! What is said about each code that no wrong declaration provokes: the whole text, with its notes and
//! its ways out, in `tests/all/codes`. Together with the wrong declarations no code is without one.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    path::{Path, PathBuf},
    process::Output,
};

use gw_model::code::Code;

use super::{machine::Machine, ways_out::refused};

/// One code, what leads to it in the demo, and the command that tells it.
struct Case {
    code: &'static str,
    prepare: fn(&Machine) -> Kept,
    ask: &'static [&'static str],
}

/// What has to be there until the command has ended: a gateway, a lock.
type Kept = Option<Box<dyn Any>>;

const CASES: [Case; 58] = [
    Case { code: "GW1601", prepare: without_id, ask: &["plan"] },
    Case { code: "GW2001", prepare: with_validation, ask: &["plan"] },
    Case { code: "GW2002", prepare: with_apim, ask: &["plan"] },
    Case { code: "GW2003", prepare: with_revert, ask: &["plan"] },
    Case { code: "GW2004", prepare: with_native, ask: &["plan"] },
    Case { code: "GW2005", prepare: with_validation, ask: &["check"] },
    Case { code: "GW2006", prepare: with_endless_acceptance, ask: &["plan"] },
    Case { code: "GW2401", prepare: with_version, ask: &["plan"] },
    Case { code: "GW3102", prepare: with_old_plan, ask: &["apply", "shown.plan"] },
    Case { code: "GW3103", prepare: rolled_back, ask: &["apply"] },
    Case { code: "GW3105", prepare: with_altered_plan, ask: &["apply", "shown.plan"] },
    Case { code: "GW3106", prepare: half_way, ask: &["apply", "--abandon"] },
    Case { code: "GW3107", prepare: without_apply, ask: &["apply"] },
    Case { code: "GW3108", prepare: nothing, ask: &["rollback", "--to", "7", "--no-input"] },
    Case { code: "GW3109", prepare: nothing, ask: &["apply", "p-0000"] },
    Case { code: "GW3110", prepare: nothing, ask: &["explain", "GW3110"] },
    Case { code: "GW3111", prepare: nothing, ask: &["explain", "GW3111"] },
    Case { code: "GW3112", prepare: nothing, ask: &["explain", "GW3112"] },
    Case { code: "GW3113", prepare: nothing, ask: &["explain", "GW3113"] },
    Case { code: "GW3115", prepare: nothing, ask: &["explain", "GW3115"] },
    Case { code: "GW3114", prepare: nothing, ask: &["explain", "GW3114"] },
    Case { code: "GW3201", prepare: applied, ask: &["explain", "--last"] },
    Case { code: "GW3203", prepare: half_way, ask: &["apply"] },
    Case { code: "GW3206", prepare: with_broken_target, ask: &["plan"] },
    Case { code: "GW3301", prepare: of_another_and_older, ask: &["plan", "--state", "../state"] },
    Case { code: "GW4001", prepare: nothing, ask: &["explain", "GW4001"] },
    Case { code: "GW4002", prepare: nothing, ask: &["explain", "GW4002"] },
    Case { code: "GW4003", prepare: nothing, ask: &["explain", "GW4003"] },
    Case { code: "GW4004", prepare: nothing, ask: &["explain", "GW4004"] },
    Case { code: "GW4005", prepare: nothing, ask: &["explain", "GW4005"] },
    Case { code: "GW4006", prepare: nothing, ask: &["explain", "GW4006"] },
    Case { code: "GW4007", prepare: nothing, ask: &["explain", "GW4007"] },
    Case { code: "GW5001", prepare: with_an_edited_entry, ask: &["audit", "verify"] },
    Case { code: "GW5002", prepare: set_back, ask: &["apply"] },
    Case { code: "GW5003", prepare: without_its_key, ask: &["apply"] },
    Case {
        code: "GW5004",
        prepare: applied_twice,
        ask: &["rollback", "--to", "1", "--no-input", "--reason", LONG],
    },
    Case { code: "GW5005", prepare: with_a_locked_ledger, ask: &["apply"] },
    Case { code: "GW5006", prepare: nothing, ask: &["audit", "list"] },
    Case { code: "GW5007", prepare: with_a_witness_away, ask: &["apply"] },
    Case { code: "GW5008", prepare: with_another_witness, ask: &["apply"] },
    Case { code: "GW5009", prepare: with_edited_rules, ask: &["plan"] },
    Case { code: "GW6001", prepare: nothing, ask: &["explain", "GW6001"] },
    Case { code: "GW6002", prepare: nothing, ask: &["explain", "GW6002"] },
    Case { code: "GW6003", prepare: nothing, ask: &["explain", "GW6003"] },
    Case { code: "GW6004", prepare: nothing, ask: &["explain", "GW6004"] },
    Case { code: "GW6005", prepare: nothing, ask: &["explain", "GW6005"] },
    Case { code: "GW6006", prepare: nothing, ask: &["explain", "GW6006"] },
    Case { code: "GW6007", prepare: nothing, ask: &["explain", "GW6007"] },
    Case { code: "GW6101", prepare: nothing, ask: &["explain", "GW6101"] },
    Case { code: "GW6102", prepare: nothing, ask: &["explain", "GW6102"] },
    Case { code: "GW6103", prepare: nothing, ask: &["explain", "GW6103"] },
    Case { code: "GW6201", prepare: nothing, ask: &["explain", "GW6201"] },
    Case { code: "GW6202", prepare: nothing, ask: &["explain", "GW6202"] },
    Case { code: "GW6203", prepare: nothing, ask: &["explain", "GW6203"] },
    Case { code: "GW7001", prepare: nothing, ask: &["approve", "p-0000"] },
    Case { code: "GW7102", prepare: locked, ask: &["apply"] },
    Case { code: "GW7105", prepare: of_another, ask: &["status", "--state", "../state"] },
    Case { code: "GW7201", prepare: with_wrong_settings, ask: &["gateway"] },
];

/// What is done to the bytes of a state.
type Spoil = fn(&mut Vec<u8>);

/// The same for states that cannot be opened.
const STATES: [(&str, Spoil); 2] = [
    ("GW7101", |state| state.fill(b'?')),
    // The version of the tables, in the head of the file.
    ("GW7103", |state| state[60..64].copy_from_slice(&99_u32.to_be_bytes())),
];

fn golden(code: &str, (text, exit): (String, i32)) {
    let text = text.split_inclusive(|sign: char| !sign.is_ascii_alphanumeric());
    let text: String = text.map(steady_id).collect();
    assert!(text.contains(code), "nothing is said of {code}: {text}");
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(code, format!("{text}\nexit {exit}")));
}

/// A word, and the sign behind it; the ids of workspaces are those of every run.
fn steady_id(word: &str) -> String {
    let id = word.trim_end_matches(|sign: char| !sign.is_ascii_alphanumeric());
    let is_id = id.len() == 26 && id.chars().all(|sign| matches!(sign, 'a'..='z' | '2'..='7'));
    if is_id { word.replace(id, "WORKSPACE") } else { word.to_owned() }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/all/codes")
}

#[test]
fn every_code_of_a_command_is_told_in_whole() {
    for Case { code, prepare, ask } in CASES {
        let machine = Machine::with_shop();
        let kept = prepare(&machine);
        let told = machine.tells(ask);
        drop(kept);
        golden(code, told);
    }
}

#[test]
fn every_code_of_a_state_is_told_in_whole() {
    for (code, spoil) in STATES {
        let machine = Machine::with_shop();
        assert_eq!(machine.ends("shop", &["apply"]), 6);
        let file = machine.state().join("state.db");
        assert!(!machine.state().join("state.db-wal").exists(), "it is closed");
        let mut state = fs::read(&file).expect("there is a state");
        spoil(&mut state);
        fs::write(&file, state).expect("it can be written");
        golden(code, machine.tells(&["status"]));
    }
    let machine = Machine::with_shop();
    let homeless = machine.program("shop", &["status"]).env_remove("HOME").output();
    let Output { status, stderr, .. } = homeless.expect("the program can be started");
    let text = machine.steady(&String::from_utf8(stderr).expect("output is text"));
    golden("GW7104", (text, status.code().expect("it ends by itself")));
}

/// The numbers are what people look up, so each is one code, and each has a text that is compared.
#[test]
fn every_code_has_a_golden_text() {
    let mut by_number = BTreeMap::new();
    for code in Code::ALL {
        let former = by_number.insert(code.to_string(), code);
        assert_eq!(former, None, "{code} is {former:?} and {code:?}");
    }
    let wrong = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gw-model/tests/all/wrong");
    let mut told = BTreeSet::new();
    for folder in [folder(), wrong] {
        for entry in fs::read_dir(folder).expect("there is the folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "snap") {
                let text = fs::read_to_string(&path).expect("it is text");
                let codes = by_number.keys().filter(|code| text.contains(code.as_str()));
                told.extend(codes.cloned());
            }
        }
    }
    let untold: Vec<_> = by_number.keys().filter(|code| !told.contains(*code)).collect();
    assert!(untold.is_empty(), "no golden text names {untold:?}");
}

fn nothing(_: &Machine) -> Kept {
    None
}

fn applied(machine: &Machine) -> Kept {
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    None
}

/// A reason that no entry of the ledger can hold.
const LONG: &str = match std::str::from_utf8(&[b'x'; 70_000]) {
    Ok(text) => text,
    Err(_) => "",
};

fn applied_twice(machine: &Machine) -> Kept {
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    None
}

fn with_an_edited_entry(machine: &Machine) -> Kept {
    applied(machine);
    let entries = machine.state().join("ledger/tile/entries/000.p");
    let file = fs::read_dir(entries).expect("a folder").next().expect("a file").expect("it");
    let mut bytes = fs::read(file.path()).expect("it can be read");
    let place = bytes.windows(5).position(|word| word == b"began").expect("it is told");
    bytes[place] ^= 1;
    fs::write(file.path(), bytes).expect("it can be written");
    None
}

/// Behind our back, and of the same length, so that the file of the state stays whole.
fn with_edited_rules(machine: &Machine) -> Kept {
    applied(machine);
    let file = machine.state().join("state.db");
    let mut bytes = fs::read(&file).expect("it can be read");
    let (former, other) = (b"100/1m", b"999/1m");
    let places: Vec<usize> =
        (0..bytes.len() - former.len()).filter(|at| bytes[*at..].starts_with(former)).collect();
    assert!(!places.is_empty(), "the limit is in the state");
    for place in places {
        bytes[place..place + other.len()].copy_from_slice(other);
    }
    fs::write(&file, bytes).expect("it can be written");
    None
}

fn set_back(machine: &Machine) -> Kept {
    applied(machine);
    let (file, copy) = (machine.state().join("state.db"), machine.folder.path("copy.db"));
    fs::copy(&file, &copy).expect("it can be copied");
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    fs::copy(&copy, &file).expect("it can be copied");
    None
}

fn without_its_key(machine: &Machine) -> Kept {
    applied(machine);
    fs::remove_file(machine.state().join("ledger.key")).expect("it is there");
    None
}

fn with_a_locked_ledger(machine: &Machine) -> Kept {
    fs::create_dir_all(machine.state().join("ledger/lock")).expect("a folder");
    None
}

/// A witness in the folder `away`, which is waited for so many minutes.
fn name_witness(machine: &Machine, minutes: u32) -> PathBuf {
    let away = machine.folder.path("away");
    let settings = format!("[witness]\nfolder = {away:?}\npatienceMin = {minutes}\n");
    fs::write(machine.state().join("gatewright.toml"), settings).expect("it can be written");
    away
}

fn with_a_witness_away(machine: &Machine) -> Kept {
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    name_witness(machine, 0);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6, "it was not waited for yet");
    machine.edit("60/1m", "50/1m");
    None
}

fn with_another_witness(machine: &Machine) -> Kept {
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let away = name_witness(machine, 60);
    fs::create_dir(&away).expect("a folder");
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let id = machine.folder.read("shop/.gatewright/id");
    let kept = away.join("gatewright").join(id.trim()).join("checkpoint");
    let text = fs::read_to_string(&kept).expect("it was left there");
    fs::write(&kept, text.replacen("gatewright/", "gatewrong/", 1)).expect("it can be written");
    machine.edit("60/1m", "50/1m");
    None
}

fn without_id(machine: &Machine) -> Kept {
    fs::remove_file(machine.folder.path("shop/.gatewright/id")).expect("it can be removed");
    None
}

fn with_endless_acceptance(machine: &Machine) -> Kept {
    let accepted = "accept: [{ code: GW2111, because: two regions count apart }]";
    machine.edit("  changes:", &format!("  {accepted}\n  changes:"));
    None
}

fn with_validation(machine: &Machine) -> Kept {
    machine.edit("  limits:", "  validate: enforce\n  limits:");
    None
}

fn with_apim(machine: &Machine) -> Kept {
    let listen = format!("builtin: {{ listen: {} }}", machine.listen());
    let service = "/subscriptions/5f0c0f0e-0000-4000-8000-000000000001/resourceGroups/rg/providers/\
                   Microsoft.ApiManagement/service/apim-acme";
    machine.edit(&listen, &format!("apim: {{ service: {service} }}"));
    let of_user =
        "- { actions: [view, plan, apply, rollback], identities: [local], deletes: true }";
    machine.edit(of_user, "- { actions: [apply], identities: [pipeline] }");
    let issuer = "http://localhost:7071, audiences: [shop] }";
    let pipeline = "pipeline:\n      oidc: { issuer: http://localhost:7071, audiences: [changes] }";
    machine.edit(issuer, &format!("{issuer}\n    {pipeline}"));
    None
}

fn with_revert(machine: &Machine) -> Kept {
    machine.edit("  changes:", "  drift: { then: revert }\n  changes:");
    None
}

fn with_native(machine: &Machine) -> Kept {
    machine.folder.write("shop/outbound.xml", "<outbound />\n");
    machine
        .edit("  limits:", "  native: { apim: { outbound: { file: outbound.xml } } }\n  limits:");
    None
}

fn with_version(machine: &Machine) -> Kept {
    machine.edit("  limits:", "  version: { set: orders, name: v1 }\n  limits:");
    None
}

fn with_old_plan(machine: &Machine) -> Kept {
    assert_eq!(machine.ends("shop", &["plan", "--out", "shown.plan"]), 0);
    machine.edit("100/1m", "50/1m");
    None
}

fn with_altered_plan(machine: &Machine) -> Kept {
    assert_eq!(machine.ends("shop", &["plan", "--out", "shown.plan"]), 0);
    let text = machine.folder.read("shop/shown.plan");
    assert!(text.contains("any demo may call"));
    machine.folder.write("shop/shown.plan", &text.replace("any demo may call", "nobody may call"));
    None
}

fn rolled_back(machine: &Machine) -> Kept {
    applied(machine);
    machine.edit("[orders-team]", "[orders-team, sales]");
    applied(machine);
    assert_eq!(machine.ends("shop", &["rollback", "--to", "1", "--no-input"]), 6);
    None
}

/// One target serves the new state, and the other refuses it.
fn half_way(machine: &Machine) -> Kept {
    Some(Box::new(refused(machine)))
}

fn without_apply(machine: &Machine) -> Kept {
    machine.edit("[view, plan, apply, rollback]", "[view, plan, rollback]");
    None
}

fn with_broken_target(machine: &Machine) -> Kept {
    applied(machine);
    let file = machine.state().join("targets/dev/default/generations/000000000001.json");
    fs::write(file, "{}").expect("it can be written");
    None
}

fn of_another(machine: &Machine) -> Kept {
    assert_eq!(machine.ends("shop", &["apply", "--state", "../state"]), 6);
    fs::remove_file(machine.folder.path("shop/.gatewright/id")).expect("it can be removed");
    assert_eq!(machine.ends("shop", &["init", "--id"]), 0);
    None
}

/// A state of another workspace, from before there was a ledger that names it.
fn of_another_and_older(machine: &Machine) -> Kept {
    of_another(machine);
    for file in ["state.db", "ledger.key", "ledger.pub"] {
        fs::remove_file(machine.folder.path("state").join(file)).expect("it can be removed");
    }
    fs::remove_dir_all(machine.folder.path("state/ledger")).expect("it can be removed");
    None
}

fn locked(machine: &Machine) -> Kept {
    applied(machine);
    let file = File::options().write(true).open(machine.state().join("state.lock"));
    let file = file.expect("there is a lock");
    file.try_lock().expect("nobody else holds it");
    Some(Box::new(file))
}

fn with_wrong_settings(machine: &Machine) -> Kept {
    applied(machine);
    let settings = machine.state().join("gatewright.toml");
    fs::write(settings, "[gateway]\nthread = 4\n").expect("it can be written");
    None
}
