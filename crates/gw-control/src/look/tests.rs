use super::*;

fn release(
    event: ReleaseEvent,
    branch: Option<&str>,
    tag: Option<&str>,
    then: ReleaseAction,
) -> Release {
    Release { event, branch: branch.map(str::to_owned), tag: tag.map(str::to_owned), then }
}

/// Shows S0.7: part (branch, tag, merge and decline; a pipeline asks by itself)
#[test]
fn an_event_does_what_the_rules_in_force_say_and_nothing_else() {
    use ReleaseAction::{Apply, None as Nothing, Plan};
    use ReleaseEvent::{Merge, Push, Tag};
    let releases = [
        release(Push, Some("main"), None, Plan),
        release(Merge, Some("main"), None, Apply),
        release(Tag, None, Some("v*"), Apply),
        release(Push, None, None, Nothing),
    ];
    for (expected, cause, reference) in [
        (Plan, Cause::Push, "refs/heads/main"),
        (Apply, Cause::Merge, "refs/heads/main"),
        (Nothing, Cause::Push, "refs/heads/mainly"),
        (Nothing, Cause::Merge, "refs/heads/other"),
        (Apply, Cause::Tag, "refs/tags/v1"),
        (Nothing, Cause::Tag, "refs/tags/w1"),
        (Nothing, Cause::Tag, "refs/heads/v1"),
        (Nothing, Cause::Decline, "refs/heads/main"),
    ] {
        assert_eq!(wanted(Some(&releases), cause, reference), expected, "{cause:?} {reference}");
    }
    assert_eq!(wanted(None, Cause::Merge, "refs/heads/main"), Nothing);
}
