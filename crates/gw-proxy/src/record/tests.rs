use std::{fs, process::Command, time::Duration};

use gw_model::id::{EnvironmentName, TargetName};
use gw_policy::decision::Reason;

use super::{scribe::SEGMENTS, *};
use crate::home::Home;

pub(super) fn record(number: u64) -> Record {
    let environment = EnvironmentName::parse("dev").expect("a name");
    let target = TargetName::parse("default").expect("a name");
    Record {
        generation: Some(1),
        method: "GET".to_owned(),
        host: "gateway.test".to_owned(),
        path: "/orders".to_owned(),
        took_us: 1,
        ..Record::blank(id(number), environment, target, Reason::NotGranted)
    }
}

pub(super) fn id(number: u64) -> DecisionId {
    DecisionId::new(number, [0; 5])
}

fn answer(decisions: &Decisions, wanted: Wanted) -> Option<Record> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(decisions.find(wanted))
}

fn found(decisions: &Decisions, wanted: Wanted) -> Option<u64> {
    answer(decisions, wanted).map(|record| record.at_ms)
}

fn bytes_of(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("a file").metadata().expect("data").len()).sum()
}

#[test]
fn what_was_handed_over_is_found_over_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (decisions, thread) =
        Decisions::open(folder.path(), 1 << 20, Grouping::Off).expect("it opens");
    assert_eq!(found(&decisions, Wanted::Last), None);
    decisions.keep(record(1), "");
    decisions.keep(record(2), "");
    assert_eq!(found(&decisions, Wanted::Last), Some(2));
    assert_eq!(found(&decisions, Wanted::Id(id(1))), Some(1));
    assert_eq!(found(&decisions, Wanted::Id(id(3))), None);
    decisions.stop();
    thread.join().expect("it ends");
    let (decisions, _thread) =
        Decisions::open(folder.path(), 1 << 20, Grouping::Off).expect("it opens");
    assert_eq!(found(&decisions, Wanted::Last), Some(2));
    decisions.keep(record(3), "");
    assert_eq!(found(&decisions, Wanted::Last), Some(3));
    assert_eq!(found(&decisions, Wanted::Id(id(1))), Some(1));
}

#[test]
fn the_log_never_grows_over_its_bound_and_keeps_the_newest() {
    let folder = tempfile::tempdir().expect("a folder");
    let bound = 32 * 1024;
    let (decisions, thread) =
        Decisions::open(folder.path(), bound, Grouping::Off).expect("it opens");
    for number in 1..=2_000 {
        decisions.keep(record(number), "");
    }
    decisions.stop();
    thread.join().expect("it ends");
    assert!(bytes_of(folder.path()) <= bound + bound / SEGMENTS, "{}", bytes_of(folder.path()));
    let (decisions, _thread) =
        Decisions::open(folder.path(), bound, Grouping::Off).expect("it opens");
    assert_eq!(found(&decisions, Wanted::Last), Some(2_000));
    assert_eq!(found(&decisions, Wanted::Id(id(1))), None);
    assert_eq!(decisions.lost(), 0);
}

#[test]
fn a_line_that_a_crash_cut_off_hides_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let whole = serde_json::to_string(&record(1)).expect("JSON");
    let half: String = whole.chars().take(whole.len() / 2).collect();
    let text = format!("{whole}\n{half}");
    fs::write(folder.path().join("000000000001.jsonl"), text).expect("written");
    let (decisions, _thread) =
        Decisions::open(folder.path(), 1 << 20, Grouping::Off).expect("it opens");
    assert_eq!(found(&decisions, Wanted::Last), Some(1));
    decisions.keep(record(2), "");
    assert_eq!(found(&decisions, Wanted::Last), Some(2));
}

/// Shows S1.2: holds
#[test]
fn a_decision_is_found_where_no_gateway_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    assert_eq!(recorded(folder.path(), &Wanted::Last), None);
    let own = Home::at(folder.path()).decisions();
    let (decisions, thread) = Decisions::open(&own, 1 << 20, Grouping::Off).expect("it opens");
    decisions.keep(record(1), "");
    decisions.keep(record(2), "");
    decisions.stop();
    thread.join().expect("it ends");
    let found = |wanted| recorded(folder.path(), &wanted).map(|record| record.at_ms);
    assert_eq!(found(Wanted::Id(id(1))), Some(1));
    assert_eq!(found(Wanted::Last), Some(2));
    assert_eq!(found(Wanted::Id(id(3))), None);
}

#[test]
fn a_flood_of_equal_refusals_pushes_out_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let bound = 256 * 1024;
    let (decisions, thread) =
        Decisions::open(folder.path(), bound, Grouping::ByCause).expect("it opens");
    let mut other = record(1);
    other.reason = Reason::TokenAudience;
    decisions.keep(other, "");
    // Written out whole, these would fill the log many times.
    let flood = 100_000;
    for number in 2..2 + flood {
        let mut refused = record(number);
        refused.path = format!("/orders/{number}");
        decisions.keep(refused, "");
    }
    assert_eq!(found(&decisions, Wanted::Id(id(1))), Some(1), "an older cause was pushed out");
    let of = |decisions: &Decisions, number| {
        let found = answer(decisions, Wanted::Id(id(number)))?;
        assert_eq!(found.id, id(number));
        Some((found.at_ms, found.path, found.count))
    };
    // The first is there whole, others by their own id and time; beyond those they are only counted.
    let told = |number| Some((number, "/orders/2".to_owned(), flood));
    assert_eq!(of(&decisions, 2), told(2));
    assert_eq!(of(&decisions, 3), told(3));
    let ids = u64::try_from(groups::IDS).expect("small");
    assert_eq!(of(&decisions, 2 + ids), told(2 + ids));
    assert_eq!(of(&decisions, 3 + ids), None);
    assert_eq!(answer(&decisions, Wanted::Last).map(|last| last.count), Some(flood));
    assert_eq!(decisions.lost(), 0);
    decisions.stop();
    thread.join().expect("it ends");
    assert!(bytes_of(folder.path()) < bound / 8, "{}", bytes_of(folder.path()));
    let (decisions, _thread) =
        Decisions::open(folder.path(), bound, Grouping::ByCause).expect("it opens");
    assert_eq!(of(&decisions, 2), told(2));
    assert_eq!(of(&decisions, 2 + ids), told(2 + ids));
    assert_eq!(found(&decisions, Wanted::Id(id(1))), Some(1));
}

#[test]
fn what_waits_for_the_disk_is_bounded_by_its_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (decisions, _thread) =
        Decisions::open(folder.path(), 1 << 20, Grouping::Off).expect("it opens");
    let mut large = record(1);
    large.detail = Some("x".repeat(PENDING_BYTES));
    decisions.keep(large, "");
    assert_eq!(decisions.lost(), 1);
    decisions.keep(record(2), "");
    assert_eq!(found(&decisions, Wanted::Last), Some(2));
}

#[test]
fn whoever_reads_holds_up_nobody_who_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    // A file of which nobody knows how long its reading will take.
    let slow = folder.path().join("000000000001.jsonl");
    assert!(Command::new("mkfifo").arg(&slow).status().expect("it runs").success());
    let (decisions, thread) =
        Decisions::open(folder.path(), 1 << 20, Grouping::Off).expect("it opens");
    thread::scope(|scope| {
        let reader = scope.spawn(|| found(&decisions, Wanted::Id(id(9))));
        // It opens when somebody reads it.
        let reading = fs::OpenOptions::new().write(true).open(&slow).expect("it opens");
        // Only what is read now is slow.
        fs::remove_file(&slow).expect("removed");
        decisions.keep(record(1), "");
        decisions.stop();
        let end = Instant::now() + Duration::from_secs(20);
        while !thread.is_finished() {
            assert!(Instant::now() < end, "the writer waits for the reader");
            thread::yield_now();
        }
        assert!(!reader.is_finished());
        drop(reading);
        assert_eq!(reader.join().expect("it ends"), None);
    });
    let written = fs::read(folder.path().join("000000000002.jsonl")).expect("written");
    assert_eq!(serde_json::from_slice::<Record>(&written).expect("a record"), record(1));
}
