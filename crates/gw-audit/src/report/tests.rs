use super::*;
use crate::{entry::Rule, sample::event};

/// Entries a minute apart.
fn rows(events: Vec<Event>) -> Vec<Row> {
    let mut report = Report::default();
    for (index, event) in (0..).zip(events) {
        let at = OffsetDateTime::UNIX_EPOCH + Duration::minutes(i64::try_from(index).unwrap());
        report.meet(&Entry::place(event, index, at, None));
    }
    report.rows()
}

fn of(act: Act, plan: &str, effect: &str) -> Event {
    let mut event = event(act);
    event.environment = Some("prod".to_owned());
    event.plan = Some(plan.to_owned());
    event.effect = Some(effect.to_owned());
    event
}

fn by(mut event: Event, who: &str) -> Event {
    event.by.identity = who.to_owned();
    event
}

fn decided(plan: &str, effect: &str, outcome: Outcome) -> Event {
    let mut event = of(Act::Decided, plan, effect);
    event.outcome = outcome;
    event.decision = Some(format!("d-{plan}"));
    let rule = |id: &str, effect, held| Rule {
        id: id.to_owned(),
        effect,
        held,
        file: "prod.yaml".to_owned(),
        line: 1,
    };
    event.rules = vec![
        rule("calm", Effect::Forbid, true),
        rule("owners", Effect::Permit, true),
        rule("others", Effect::Permit, false),
    ];
    event.fact("approvedBy", vec!["salted:x"]).fact("why", "it is Friday")
}

fn of_change(act: Act, change: u64) -> Event {
    let mut event = event(act);
    event.environment = Some("prod".to_owned());
    event.change = Some(change);
    event
}

fn began(plan: &str, effect: &str, change: u64) -> Event {
    let mut event = of(Act::Began, plan, effect).fact("action", "apply");
    event.change = Some(change);
    event
}

#[test]
fn a_change_is_one_row_with_everything_that_led_to_it() {
    let found = rows(vec![
        of(Act::Planned, "p-0", "e-1"),
        by(of(Act::Approved, "p-0", "e-1"), "security"),
        of(Act::Planned, "p-1", "e-1"),
        of(Act::Planned, "p-9", "e-9"),
        decided("p-1", "e-1", Outcome::Done),
        by(began("p-1", "e-1", 7), "mira"),
        of_change(Act::StepIntended, 7),
        of_change(Act::StepEnded, 7),
        of_change(Act::Ended, 7).fact("outcome", "verified"),
    ]);
    let [row] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (row.what.as_str(), row.change, row.by.identity.as_str()),
        ("apply", Some(7), "mira")
    );
    assert_eq!(row.entries, [0, 1, 2, 4, 5, 6, 7, 8]);
    assert_eq!(row.waited, Some(Duration::minutes(5)));
    assert_eq!(row.approved_by, ["salted:x"]);
    assert_eq!(row.rules, ["owners", "calm"]);
    assert_eq!((row.decision.as_deref(), row.outcome.as_str()), (Some("d-p-1"), "verified"));
    assert_eq!(row.ended_at, Some(row.at + Duration::minutes(3)));
}

#[test]
fn what_led_to_one_change_led_to_no_other() {
    let found = rows(vec![
        by(of(Act::Approved, "p-1", "e-1"), "security"),
        began("p-1", "e-1", 1),
        of(Act::Planned, "p-2", "e-1"),
        began("p-2", "e-1", 2),
    ]);
    assert_eq!(found[0].entries, [0, 1]);
    assert_eq!(found[1].entries, [2, 3]);
    assert_eq!(found[1].outcome, "underWay");
    // Nor to the same change of another environment.
    let mut elsewhere = of(Act::Approved, "p-1", "e-1");
    elsewhere.environment = Some("dev".to_owned());
    assert_eq!(rows(vec![elsewhere, began("p-1", "e-1", 1)])[0].entries, [1]);
}

#[test]
fn only_approvals_that_counted_are_told() {
    let found = rows(vec![
        by(of(Act::Approved, "p-1", "e-1"), "author"),
        decided("p-1", "e-1", Outcome::Done),
        began("p-1", "e-1", 1),
    ]);
    assert_eq!(found[0].approved_by, ["salted:x"]);
    assert_eq!(found[0].entries, [0, 1, 2]);
}

#[test]
fn what_led_to_a_state_did_not_lead_back_to_it() {
    let mut shown = of(Act::Shown, "p-1", "e-1");
    shown.commit = Some("c-1".to_owned());
    let mut merged = began("p-2", "e-1", 1);
    merged.commit = Some("c-2".to_owned());
    // The next pull request does the same again, and is closed.
    let mut later = by(of(Act::Approved, "p-3", "e-1"), "security");
    later.commit = Some("c-2".to_owned());
    let mut back = began("p-4", "e-1", 3).fact("action", "rollback");
    back.commit = Some("c-2".to_owned());
    let mut decided = decided("p-4", "e-1", Outcome::Done);
    decided.facts.clear();
    let found = rows(vec![shown, merged, later, decided, back]);
    assert_eq!((found[1].what.as_str(), &found[1].entries[..]), ("rollback", &[3, 4][..]));
    assert_eq!(found[1].waited, Some(Duration::minutes(1)));
    assert!(found[1].approved_by.is_empty());
}

#[test]
fn refusals_and_acts_on_the_ledger_are_rows_of_their_own() {
    let found = rows(vec![
        event(Act::LedgerOpened),
        decided("p-1", "e-1", Outcome::Refused),
        event(Act::KeyRotated),
        event(Act::Erased),
        event(Act::Read),
        of_change(Act::StepEnded, 3),
        of_change(Act::Ended, 3).fact("outcome", "failed"),
    ]);
    let told: Vec<_> = found
        .iter()
        .map(|row| (row.what.as_str(), row.outcome.as_str(), &row.entries[..]))
        .collect();
    assert_eq!(
        told,
        [
            ("refused", "refused", &[1][..]),
            ("ledger.keyRotated", "done", &[2]),
            ("ledger.erased", "done", &[3]),
            ("change", "failed", &[5, 6]),
        ]
    );
    assert_eq!(found[0].reason.as_deref(), Some("it is Friday"));
}

/// Shows S2.22: holds
#[test]
fn how_soon_changes_come_and_how_many_nobody_approved_is_counted() {
    let row = |waited: i64, took: i64, by: &[&str], what: &str, outcome: &str| {
        let entry = Entry::place(of_change(Act::Began, 1), 0, OffsetDateTime::UNIX_EPOCH, None);
        let mut row = Row::of(&entry, what);
        row.waited = Some(Duration::seconds(waited));
        row.ended_at = Some(row.at + Duration::seconds(took));
        row.approved_by = by.iter().map(|who| (*who).to_owned()).collect();
        outcome.clone_into(&mut row.outcome);
        row
    };
    let rows = [
        row(10, 2, &[], "apply", "verified"),
        row(7_000, 3, &["carol"], "apply", "verified"),
        row(40, 1, &[], "apply", "verified"),
        // Neither came in force as somebody wanted it.
        row(90_000, 1, &[], "apply", "failed"),
        row(0, 1, &[], "rollback", "verified"),
    ];
    let cycle = Cycle { changes: 3, unapproved: 2, median: Duration::seconds(41) };
    assert_eq!(Cycle::of(&rows), Some(cycle));
    assert_eq!(Cycle::of(&rows[3..]), None);
}
