//! The ledger as an auditor meets it: what was done here, provable elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use gw_audit::{
    entry::{Act, Event, Outcome, Subject},
    note::Verifier,
};
use gw_control::{event::local_user, store::Store};
use gw_testkit::git::{GitRepository, host::GitHost};
use serde_json::Value;
use time::OffsetDateTime;

use super::machine::Machine;

/// Three changes, the last of them back to the first, and one that a rule refuses.
fn with_a_history() -> Machine {
    let machine = Machine::with_shop();
    let gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let back = ["rollback", "--to", "1", "--no-input", "--reason", "calls were refused"];
    assert_eq!(machine.ends("shop", &back), 0);
    drop(gateway);
    machine
}

/// The folder of the ledger, taken away to where nothing else is.
fn copied(machine: &Machine) -> PathBuf {
    let copy = machine.folder.path("copy");
    let from = machine.state().join("ledger");
    let done = Command::new("cp").arg("-r").args([&from, &copy]).status();
    assert!(done.expect("cp runs").success());
    copy
}

fn key(machine: &Machine) -> String {
    let key = fs::read_to_string(machine.state().join("ledger.pub")).expect("there is the key");
    key.trim().to_owned()
}

/// Runs it at home, where no workspace and no state is.
fn elsewhere(machine: &Machine, arguments: &[&str]) -> (String, i32) {
    fs::create_dir_all(machine.folder.path("home")).expect("a folder");
    let output = machine.run("home", arguments);
    let text = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
    (machine.steady(&text), output.status.code().expect("it ends by itself"))
}

/// Shows S3.21: holds
#[test]
fn what_was_done_is_told_entry_by_entry() {
    let machine = with_a_history();
    let (told, code) = machine.tells(&["audit", "list", "--change", "3"]);
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told, @"
    34 DATE TIME change.began done local action rollback · change 3 · dev · p-ID · desired sha256:HASH · reason calls were refused · restores 1 · script sha256:HASH
    36 DATE TIME step.intended done local step recheck · change 3 · dev · target default
    37 DATE TIME step.ended done local step recheck · change 3 · dev · target default · detail the gateway at 127.0.0.1:PORT still looks as in the plan
    38 DATE TIME step.intended done local step stage · change 3 · dev · target default
    39 DATE TIME step.ended done local step stage · change 3 · dev · target default · detail 3 objects, not served yet
    40 DATE TIME step.intended done local step switch · change 3 · dev · target default
    41 DATE TIME step.ended done local step switch · change 3 · dev · target default · detail the new state is in force
    42 DATE TIME step.intended done local step read back · change 3 · dev · target default
    43 DATE TIME step.ended done local step read back · change 3 · dev · target default · detail 3 of 3 objects are what was written
    44 DATE TIME step.intended done local step probe · change 3 · dev · target default
    45 DATE TIME step.ended done local step probe · change 3 · dev · target default · detail no token → 401 · token of another issuer → 401 · unlisted path → 404
    46 DATE TIME step.intended done local step retire · change 3 · dev · target default
    47 DATE TIME step.ended done local step retire · change 3 · dev · target default · detail what is no longer needed is gone
    48 DATE TIME change.ended done local outcome verified · change 3 · dev
    ");
    let json = machine.says(&["audit", "list", "--json", "--act", "change.decided"]);
    let decided: Vec<Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(decided.len(), 3);
    assert_eq!(decided[0]["schema"], "gatewright.io/entry/v1");
    assert_eq!(decided[0]["entry"]["rules"][0]["id"], "env/dev/changes[0]");
    assert_eq!(decided[2]["entry"]["by"]["identity"], "local");
    let (told, code) = machine.tells(&["audit", "list", "--by", "nobody"]);
    assert_eq!((told.as_str(), code), ("no entry is like that", 0));
}

#[test]
fn a_refusal_is_on_the_record_too() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.folder.write(
        "shop/policies/calm.cedar",
        "@id(\"calm\")\nforbid (principal, action == Gatewright::Action::\"apply\", resource);\n",
    );
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.edit("100/1m", "60/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 3);
    let json = machine.says(&["audit", "list", "--json", "--act", "change.decided"]);
    let last: Value = serde_json::from_str(json.lines().last().expect("a line")).expect("JSON");
    assert_eq!(last["entry"]["outcome"], "refused");
    assert_eq!(last["entry"]["rules"].as_array().map(Vec::len), Some(2));
    assert!(last["entry"]["facts"]["why"].is_string(), "{last}");
}

/// Shows S2.23: holds
#[test]
fn a_copy_and_a_key_are_enough_to_verify() {
    let machine = with_a_history();
    let (told, code) = machine.tells(&["audit", "verify"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("chain unbroken"), "{told}");
    assert!(told.contains("3 changes, 3 of them read back, probed and verified"), "{told}");
    assert!(told.contains("VERIFIED up to entry "), "{told}");

    let (copy, key) = (copied(&machine), key(&machine));
    let copy = copy.to_str().expect("a path of text");
    let (there, code) = elsewhere(&machine, &["audit", "verify", "--ledger", copy, "--key", &key]);
    assert_eq!((there.as_str(), code), (told.as_str(), 0));

    let (told, code) = elsewhere(&machine, &["audit", "verify", "--ledger", copy]);
    assert_eq!(code, 2, "{told}");
    let other = "gatewright/x+5a07a0b5+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    let (told, code) = elsewhere(&machine, &["audit", "verify", "--ledger", copy, "--key", other]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("is not the key of a ledger"), "{told}");
}

#[test]
fn an_edited_entry_is_found_and_named() {
    let machine = with_a_history();
    let (copy, key) = (copied(&machine), key(&machine));
    let bundle = newest_bundle(&copy);
    let mut bytes = fs::read(&bundle).expect("it can be read");
    let place = bytes.windows(18).position(|text| text == b"calls were refused").expect("it");
    bytes[place] = b'C';
    fs::write(&bundle, bytes).expect("it can be written");
    let copy = copy.to_str().expect("a path of text");
    let (told, code) = elsewhere(&machine, &["audit", "verify", "--ledger", copy, "--key", &key]);
    assert_eq!(code, 7, "{told}");
    assert!(told.contains("is not what was hashed when it was written"), "{told}");
    let (told, code) = elsewhere(&machine, &["audit", "list", "--ledger", copy, "--key", &key]);
    assert_eq!(code, 7, "an entry that is not proved is not told: {told}");
}

#[test]
fn a_shorter_ledger_is_found_by_a_checkpoint_that_somebody_kept() {
    let machine = with_a_history();
    let older = copied(&machine);
    machine.edit("60/1m", "50/1m");
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let kept = machine.state().join("ledger/checkpoint");
    let key = key(&machine);
    let (older, kept) = (older.to_str().expect("text"), kept.to_str().expect("text"));
    let alone = ["audit", "verify", "--ledger", older, "--key", &key];
    assert_eq!(elsewhere(&machine, &alone).1, 0, "alone it looks whole");
    let compared = [&alone[..], &["--checkpoint", kept]].concat();
    let (told, code) = elsewhere(&machine, &compared);
    assert_eq!(code, 7, "{told}");
    let (told, code) = machine.tells(&["audit", "verify", "--checkpoint", kept]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("1 checkpoint from elsewhere found in it"), "{told}");
}

/// The witness is a branch of a repository elsewhere, with a credential of its own.
#[test]
fn a_repository_remembers_and_is_compared_with() {
    let machine = Machine::with_shop();
    let git = GitRepository::new();
    git.git(&["config", "http.receivepack", "true"]);
    let host = GitHost::start(git.root());
    host.let_in_only("witness", "a-token-of-the-witness");
    let secrets = machine.folder.path("secrets");
    fs::create_dir(&secrets).expect("it works");
    fs::write(secrets.join("witness-token"), "a-token-of-the-witness\n").expect("it works");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let address = host.url("repository.git");
    let settings = format!(
        "[witness]\nrepository = {address:?}\nuser = \"witness\"\ntoken = \"witness-token\"\n\n\
         [network]\nallow = [\"127.0.0.1\"]\n\n[secrets]\nfiles = {secrets:?}\n"
    );
    fs::write(machine.state().join("gatewright.toml"), &settings).expect("it works");
    machine.edit("groups: [orders-team]", "groups: [sales]");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 6, "applied, and no gateway runs: {told}");
    let branch = git.git(&["for-each-ref", "--format=%(refname:short)"]);
    let left = git.git(&["show", &format!("{}:checkpoint", branch.trim())]);
    let ours = fs::read_to_string(machine.state().join("ledger/checkpoint")).expect("it works");
    assert_eq!(left.trim(), ours.trim());
    let (told, code) = machine.tells(&["audit", "verify", "--witness"]);
    assert_eq!(code, 0, "{told}");

    host.let_in_only("witness", "another-token");
    let (told, code) = machine.tells(&["audit", "verify", "--witness"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("401") && !told.contains("a-token"), "{told}");
    for (from, to, words) in [
        ("token = \"witness-token\"\n", "", "says not by what it is let in"),
        ("user = ", "folder = \"away\"\nuser = ", "`witness` has `folder`, or `repository`"),
        ("http:", "ftp:", "`witness.repository`"),
    ] {
        assert!(settings.contains(from), "{from}");
        let path = machine.state().join("gatewright.toml");
        fs::write(path, settings.replacen(from, to, 1)).expect("it works");
        let (told, code) = machine.tells(&["audit", "verify", "--witness"]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(words), "{told}");
    }
}

/// The witness is a folder elsewhere; who sets the state back is told so before anything is done.
#[test]
fn a_witness_remembers_what_a_state_of_yesterday_does_not_know() {
    let machine = with_a_history();
    let (told, code) = machine.tells(&["audit", "verify", "--witness"]);
    assert_eq!(code, 2, "{told}");
    let away = machine.folder.path("away");
    fs::create_dir(&away).expect("a folder");
    let settings = "[witness]\nfolder = \"../../../../../away\"\n";
    fs::write(machine.state().join("gatewright.toml"), settings).expect("it can be written");
    let (told, code) = machine.tells(&["audit", "verify", "--witness"]);
    assert_eq!(code, 7, "{told}");
    assert!(told.contains("remembers nothing of this ledger"), "{told}");

    let copy = |from: &Path, to: &Path| {
        let done = Command::new("cp").arg("-rT").args([from, to]).status();
        assert!(done.expect("cp runs").success());
    };
    let yesterday = machine.folder.path("yesterday");
    copy(&machine.state(), &yesterday);
    machine.edit("60/1m", "50/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let (told, code) = machine.tells(&["audit", "verify", "--witness"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("1 checkpoint from elsewhere found in it"), "{told}");

    fs::remove_dir_all(machine.state()).expect("it is ours");
    copy(&yesterday, &machine.state());
    let before = machine.says(&["audit", "list"]);
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 7, "{told}");
    assert!(told.contains("so the state was set back"), "{told}");
    assert!(told.contains("nothing was changed"), "{told}");
    assert_eq!(machine.tells(&["audit", "verify", "--witness"]).1, 7);
    assert_eq!(machine.says(&["audit", "list"]), before);

    fs::remove_dir_all(&away).expect("it is ours");
    assert_eq!(machine.tells(&["audit", "verify", "--witness"]).1, 6);
}

/// Shows S3.12: holds
#[test]
fn a_report_tells_who_changed_what_from_a_copy_alone() {
    let machine = with_a_history();
    let _people = with_people(&machine);
    machine.folder.write(
        "shop/policies/calm.cedar",
        "@id(\"calm\")\nforbid (principal, action == Gatewright::Action::\"apply\", resource);\n",
    );
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    machine.edit("60/1m", "50/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 3);
    let (copy, key) = (copied(&machine), key(&machine));
    let copy = copy.to_str().expect("a path of text");
    let report = ["audit", "report", "--ledger", copy, "--key", &key];

    let (told, code) = elsewhere(&machine, &report);
    assert_eq!(code, 0, "{told}");
    // How long somebody waited is another time on another machine.
    let unhurried = |line: &str| {
        let parts = line.trim().split(" · ").filter(|part| !part.starts_with("waited "));
        parts.collect::<Vec<_>>().join(" · ")
    };
    assert!(told.contains("\n2 changes applied, 2 without anybody's approval; median"), "{told}");
    let is_row = |line: &&str| !line.contains("verified (root") && !line.contains("; median");
    let told: Vec<String> = told.lines().filter(is_row).map(unhurried).collect();
    insta::assert_snapshot!(told.join("\n"), @"
    DATE TIME dev change 1 apply: verified, by local (state)
    p-ID · d-ID · rules env/dev/changes[0]
    entries 1-16
    DATE TIME dev change 2 apply: verified, by local (state)
    p-ID · d-ID · rules env/dev/changes[0]
    entries 17-32, 35
    DATE TIME dev change 3 rollback: verified, by local (state)
    p-ID · d-ID · rules env/dev/changes[0]
    reason calls were refused
    entries 33-34, 36-48
    DATE TIME dev change 4 apply: applied, by local (state)
    p-ID · d-ID · rules env/dev/changes[0]
    entries 50-62
    DATE TIME dev refused: refused, by local (state)
    p-ID · d-ID · rules env/dev/changes[0], calm
    reason a policy does not allow apply here
    entries 64
    ");
    assert_eq!(
        elsewhere(&machine, &[&report[..], &["--to", "2020-01-01"]].concat()).0.lines().count(),
        1
    );

    let json = machine.run("home", &[&report[..], &["--format", "json"]].concat()).stdout;
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["schema"], "gatewright.io/report/v1");
    let back = &json["rows"][2];
    assert_eq!((&back["what"], &back["change"]), (&"rollback".into(), &3.into()));
    assert_eq!((&back["by"], &back["proof"]), (&"local".into(), &"state".into()));
    assert!(back["entries"].as_array().is_some_and(|entries| entries.len() > 10), "{back}");
    assert!(back["endedAt"].is_string() && back["waitedS"].is_u64(), "{back}");

    let csv = machine.run("home", &[&report[..], &["--format", "csv"]].concat()).stdout;
    let csv = String::from_utf8(csv).expect("it is text");
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 1 + json["rows"].as_array().map_or(0, Vec::len));
    assert!(lines[0].starts_with("at,endedAt,environment,change,what,outcome,by,proof,approvedBy"));
    assert!(lines[3].contains(",dev,3,rollback,verified,local,state,,"), "{}", lines[3]);
    assert!(lines[3].contains("\"calls were refused\""), "{}", lines[3]);
}

/// What somebody types as a reason is a text in every form, wherever it is opened.
#[test]
fn hostile_words_stay_words_in_every_form_of_the_record() {
    let machine = with_a_history();
    let reason = "=HYPERLINK(\"http://x\") \u{1b}[31m\r\n\u{202e}9 Z change.ended done \",@SUM";
    let back = ["rollback", "--to", "2", "--no-input", "--reason", reason];
    assert_eq!(machine.ends("shop", &back), 6);
    for form in [
        &["audit", "list"][..],
        &["audit", "list", "--json"],
        &["audit", "report"],
        &["audit", "report", "--format", "json"],
        &["audit", "report", "--format", "csv"],
    ] {
        let said = machine.says(form);
        let plain = |sign: char| sign == '\n' || sign == '\r' || !sign.is_control();
        assert!(said.chars().all(plain) && !said.contains('\u{202e}'), "{form:?}: {said:?}");
        assert!(said.contains("=HYPERLINK"), "{form:?}");
        assert!(said.lines().all(|line| !line.starts_with(['=', '@'])), "{form:?}: {said}");
    }
    let csv = machine.says(&["audit", "report", "--format", "csv"]);
    assert!(csv.contains("\"'=HYPERLINK"), "{csv}");
    assert_eq!(machine.tells(&["audit", "verify"]).1, 0);
}

#[test]
fn one_entry_is_proved_by_one_file() {
    let machine = with_a_history();
    let key = key(&machine);
    let proof = machine.says(&["audit", "prove", "5"]);
    assert!(proof.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{proof}");
    machine.folder.write("proof", &proof);
    let proof = machine.folder.path("proof");
    let proof = proof.to_str().expect("a path of text");
    let verify = ["audit", "verify", "--proof", proof, "--key", &key];
    let (told, code) = elsewhere(&machine, &verify);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("VERIFIED: 1 entry of the ledger `gatewright/"), "{told}");
    let (told, code) = machine.tells(&["audit", "prove", "5000"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("the ledger has no entry 5000"), "{told}");

    machine.folder.write("proof", &machine.says(&["audit", "prove", "6"]).replace("x 6", "x 5"));
    assert_eq!(elsewhere(&machine, &verify).1, 7);
}

#[test]
fn a_bundle_of_evidence_stands_for_itself() {
    let machine = with_a_history();
    let out = machine.folder.path("bundle");
    let out = out.to_str().expect("a path of text");
    let export = ["audit", "export", "--out", out, "--from", "2020-01-01", "--to", "2100-01-01"];
    let (told, code) = machine.tells(&export);
    assert_eq!(code, 0, "{told}");
    let lines = machine.folder.read("bundle/entries.jsonl");
    let count = lines.lines().count();
    assert!(told.contains(&format!("wrote {count} entries with their proofs")), "{told}");
    let key = machine.folder.read("bundle/key");
    let (told, code) =
        elsewhere(&machine, &["audit", "verify", "--proof", out, "--key", key.trim()]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("VERIFIED: {count} entries")), "{told}");
    let (told, code) = machine.tells(&export);
    assert_eq!(code, 1, "nothing is overwritten: {told}");
    let none = ["audit", "export", "--out", "../none", "--to", "2020-01-01"];
    assert_eq!(machine.tells(&none).1, 2, "no evidence of nothing");
    let (told, code) = machine.tells(&["audit", "list", "--to", "2020-01-01"]);
    assert_eq!((told.as_str(), code), ("no entry is like that", 0));
}

#[test]
fn files_that_lost_their_end_or_are_gone_do_not_verify_here() {
    let machine = with_a_history();
    let ledger = machine.state().join("ledger");
    let verify = ["audit", "verify"];
    fs::rename(&ledger, machine.folder.path("away")).expect("it can be moved");
    let (told, code) = machine.tells(&verify);
    assert_eq!(code, 7, "{told}");
    assert!(told.contains("the files of the ledger are gone"), "{told}");
    machine.edit("60/1m", "50/1m");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 6, "{told}");
    assert!(told.contains("the files of the ledger had 0 entries although"), "{told}");
    assert_eq!(machine.tells(&verify).1, 0);

    let kept = fs::read(machine.folder.path("away/checkpoint")).expect("it can be read");
    fs::write(ledger.join("checkpoint"), kept).expect("it can be written");
    for newer in fs::read_dir(ledger.join("checkpoints")).expect("a folder") {
        fs::remove_file(newer.expect("a file").path()).expect("it can be removed");
    }
    let (told, code) = machine.tells(&verify);
    assert_eq!(code, 7, "{told}");
    let (told, code) = machine.tells(&["doctor"]);
    assert_eq!(code, 1, "{told}");
}

#[test]
fn a_state_without_its_database_is_not_called_new() {
    let machine = with_a_history();
    fs::remove_file(machine.state().join("state.db")).expect("it is there");
    for (ask, exit) in
        [(vec!["status"], 7), (vec!["audit", "verify"], 7), (vec!["apply"], 7), (vec!["doctor"], 1)]
    {
        let (told, code) = machine.tells(&ask);
        assert_eq!(code, exit, "{ask:?}: {told}");
        assert!(told.contains("so the state was set back"), "{told}");
    }
}

#[test]
fn a_key_that_is_gone_is_named_and_not_made_anew() {
    let machine = with_a_history();
    let key = machine.state().join("ledger.key");
    fs::remove_file(&key).expect("it is there");
    assert_eq!(machine.tells(&["audit", "verify"]).1, 0, "reading needs no private key");
    machine.edit("60/1m", "50/1m");
    let (told, code) = machine.tells(&["apply"]);
    assert_eq!(code, 1, "{told}");
    assert!(told.contains("ledger.key` is missing"), "{told}");
    assert!(!key.exists());
}

/// A copy of the folder and the first public key are enough, however many keys came after it.
#[test]
fn a_key_is_rotated_and_the_first_one_still_verifies() {
    let machine = with_a_history();
    let first = key(&machine);
    let (told, code) = machine.tells(&["audit", "rotate-key"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("hands over to a new key, signed by both"), "{told}");
    let second = key(&machine);
    assert_ne!(first, second);
    assert!(machine.says(&["audit", "rotate-key", "--json"]).contains("ledgerKey/v1"));
    machine.edit("60/1m", "50/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    assert_eq!(machine.tells(&["audit", "verify"]).1, 0);
    assert!(!machine.state().join("ledger.key.next").exists());

    let copy = copied(&machine);
    let copy = copy.to_str().expect("a path of text");
    for key in [&first, &second, &key(&machine)] {
        let (told, code) =
            elsewhere(&machine, &["audit", "verify", "--ledger", copy, "--key", key]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains(", 3 keys"), "{told}");
    }
    let rotated = machine.says(&["audit", "list", "--act", "ledger.keyRotated"]);
    assert_eq!(rotated.lines().count(), 2, "{rotated}");
    let nothing = Machine::with_shop();
    assert_eq!(nothing.tells(&["audit", "rotate-key"]).1, 2);
    assert!(!nothing.has_state());
}

/// An entry of somebody who signed in, approved by somebody else.
fn with_people(machine: &Machine) -> (String, String) {
    let folder = machine.state();
    let key = Verifier::parse(&key(machine)).expect("it is a key");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("it starts").block_on(async {
        let store = Store::open(&folder, key).await.expect("it opens");
        let [mira, erik] = ["mira@acme.example", "erik@acme.example"]
            .map(|person| async { store.hide(person).await.expect("it is kept") });
        let (mira, erik) = (mira.await, erik.await);
        let mut by = local_user();
        by.identity = "people".to_owned();
        by.subject = Some(Subject::Person(mira.clone()));
        let read = Event::new(Act::Approved, Outcome::Done, by);
        let read = read.fact("approvedBy", vec![erik.as_str()]);
        store.record(read, OffsetDateTime::now_utc()).await.expect("it is recorded");
        store.close().await;
        (mira.to_string(), erik.to_string())
    })
}

#[test]
fn people_are_shown_until_they_are_erased() {
    let machine = with_a_history();
    let (mira, erik) = with_people(&machine);
    machine.edit("60/1m", "50/1m");
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let list = ["audit", "list", "--act", "change.approved"];
    let (told, code) = machine.tells(&list);
    assert_eq!(code, 0, "{told}");
    insta::assert_snapshot!(told.trim(), @"49 DATE TIME change.approved done people (mira@acme.example) approvedBy erik@acme.example");
    let (told, _) = machine.tells(&["audit", "list", "--by", "mira@acme.example"]);
    assert_eq!(told.lines().count(), 1, "{told}");
    let json = machine.says(&[&list[..], &["--json"]].concat());
    let shown: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(shown["people"][&mira], "mira@acme.example");
    assert!(!shown["entry"].to_string().contains("acme"), "{json}");

    let (told, code) = machine.tells(&["audit", "erase", "mira@acme.example"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(&format!("{mira} stands for nobody now")), "{told}");
    let (told, _) = machine.tells(&list);
    insta::assert_snapshot!(told.trim(), @"49 DATE TIME change.approved done people (erased) approvedBy erik@acme.example");
    let shown: Value =
        serde_json::from_str(&machine.says(&[&list[..], &["--json"]].concat())).expect("JSON");
    assert_eq!(
        (&shown["people"][&mira], &shown["people"][&erik]),
        (&Value::Null, &"erik@acme.example".into())
    );
    let (told, code) = machine.tells(&["audit", "verify"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("1 text about people beside it"), "{told}");
    assert_eq!(machine.tells(&["audit", "erase", "mira@acme.example"]).1, 2);
    let json = machine.says(&["audit", "erase", "--json", &erik]);
    assert_eq!(json.trim(), format!(r#"{{"schema":"gatewright.io/erased/v1","hash":"{erik}"}}"#));

    // A text that is not what was hashed is shown to nobody.
    let (mira, _) = with_people(&machine);
    assert_eq!(machine.ends("shop", &["audit", "erase", "erik@acme.example"]), 0);
    let file = machine.state().join("ledger/personal").join(mira.replace("salted:", "") + ".json");
    let text = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, text.replace("mira@", "nina@")).expect("it can be written");
    for ask in [&list[..], &["audit", "verify"]] {
        let (told, code) = machine.tells(ask);
        assert_eq!(code, 7, "{told}");
        assert!(told.contains("is not what was signed") && !told.contains("nina"), "{told}");
    }
}

/// Wherever a handover is cut off, the next command finishes it.
#[test]
fn a_handover_that_was_cut_off_is_finished() {
    let machine = with_a_history();
    let state = machine.state();
    let copy = |from: &Path, to: &Path| {
        let done = Command::new("cp").arg("-rT").args([from, to]).status();
        assert!(done.expect("cp runs").success());
    };
    let before = machine.folder.path("before");
    copy(&state, &before);
    assert_eq!(machine.ends("shop", &["audit", "rotate-key"]), 0);
    let after = machine.folder.path("after");
    copy(&state, &after);
    let next = || fs::copy(after.join("ledger.key"), state.join("ledger.key.next")).expect("it");

    type Cut<'a> = &'a dyn Fn();
    let in_state: Cut<'_> = &|| {
        copy(&before.join("ledger"), &state.join("ledger"));
        for file in ["ledger.key", "ledger.pub"] {
            fs::copy(before.join(file), state.join(file)).expect("it is there");
        }
        next();
    };
    let in_files: Cut<'_> = &|| {
        for file in ["ledger.key", "ledger.pub"] {
            fs::copy(before.join(file), state.join(file)).expect("it is there");
        }
        next();
    };
    let in_public: Cut<'_> = &|| {
        fs::copy(before.join("ledger.key"), state.join("ledger.key")).expect("it is there");
        next();
    };
    for cut in [in_state, in_files, in_public] {
        fs::remove_dir_all(&state).expect("it is ours");
        copy(&after, &state);
        cut();
        let (told, code) = machine.tells(&["audit", "verify"]);
        assert_eq!(code, 0, "{told}");
        assert!(told.contains(", 2 keys"), "{told}");
        for file in ["ledger.key", "ledger.pub"] {
            let read = |folder: &Path| fs::read(folder.join(file)).expect("it is there");
            assert_eq!(read(&state), read(&after), "{file}");
        }
        assert!(!state.join("ledger.key.next").exists());
    }
    // A key that was made for a handover that never began counts for nothing.
    fs::remove_dir_all(&state).expect("it is ours");
    copy(&before, &state);
    next();
    let (told, code) = machine.tells(&["audit", "verify"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains(", 1 key"), "{told}");
    assert_eq!(machine.ends("shop", &["audit", "rotate-key"]), 0);
    assert_eq!(machine.tells(&["audit", "verify"]).1, 0);
}

/// What was applied while no gateway ran, and is proved later, is on the record as proved.
#[test]
fn a_later_proof_is_on_the_record() {
    let machine = Machine::with_shop();
    assert_eq!(machine.ends("shop", &["apply"]), 6);
    let _gateway = machine.gateway();
    assert_eq!(machine.ends("shop", &["apply"]), 0);
    let (told, code) = machine.tells(&["audit", "verify"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("1 change, 1 of them read back, probed and verified"), "{told}");
    assert!(!told.contains('⚠'), "{told}");
}

#[test]
fn looking_records_nothing() {
    let machine = with_a_history();
    let before = machine.says(&["audit", "verify", "--json"]);
    for look in [["status"], ["history"], ["drift"]] {
        assert!(machine.ends("shop", &look) <= 4);
    }
    assert_eq!(machine.says(&["audit", "verify", "--json"]), before);
}

fn newest_bundle(ledger: &Path) -> PathBuf {
    let bundles = fs::read_dir(ledger.join("tile/entries/000.p")).expect("there are entries");
    let width = |path: &PathBuf| -> u64 {
        path.file_name().and_then(|name| name.to_str()?.parse().ok()).expect("a number")
    };
    bundles.map(|entry| entry.expect("a file").path()).max_by_key(width).expect("a file")
}
