use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::host::{PullRequestState, Side};

fn account(name: &str, kind: AccountKind) -> Account {
    Account { host: "bitbucket", id: format!("{{{name}}}"), name: name.to_owned(), kind }
}

fn person(name: &str) -> Account {
    account(name, AccountKind::Person)
}

const HEAD: &str = "9f2c1e7000000000000000000000000000000000";
const HEAD_SINCE: OffsetDateTime = datetime!(2026-01-01 12:00 UTC);

/// Opened by bob, pushed to by carol too, approved by this one.
fn pull_request(by: Account, after_s: i64, commit: Option<&str>) -> PullRequest {
    let at = HEAD_SINCE + Duration::seconds(after_s);
    PullRequest {
        number: 7,
        title: "Let sales create orders".to_owned(),
        state: PullRequestState::Open,
        source: Side { branch: "orders".to_owned(), commit: Some(HEAD.to_owned()) },
        destination: Side { branch: "main".to_owned(), commit: Some("0".repeat(40)) },
        merge_commit: None,
        merged_by: None,
        opened_by: person("bob"),
        pushed_by: vec![person("carol"), person("bob")],
        approvals: vec![Approval { by, at, commit: commit.map(str::to_owned) }],
        head_since: HEAD_SINCE,
    }
}

#[test]
fn an_approval_counts_by_who_gave_it_and_for_what() {
    use Discounted::{Author, FormerHead, Machine, MayNotWrite, Untold};
    let machine = |name| account(name, AccountKind::Machine);
    let (write, former) = (Some(Permission::Write), "1".repeat(40));
    let rows = [
        (person("ann"), 1, None, write, None),
        (person("ann"), 1, None, Some(Permission::Admin), None),
        // Who gave it.
        (person("bob"), 1, None, write, Some(Author)),
        (person("carol"), 1, None, Some(Permission::Admin), Some(Author)),
        (machine("ci"), 1, None, Some(Permission::Admin), Some(Machine)),
        (machine("bob"), 1, None, write, Some(Author)),
        // What they may do now.
        (person("ann"), 1, None, Some(Permission::Read), Some(MayNotWrite)),
        (person("ann"), 1, None, Some(Permission::None), Some(MayNotWrite)),
        (person("ann"), 1, None, None, Some(Untold)),
        // To which head, by its time.
        (person("ann"), 0, None, write, Some(FormerHead)),
        (person("ann"), -1, None, write, Some(FormerHead)),
        // To which head, where the host says so itself.
        (person("ann"), -1, Some(HEAD), write, None),
        (person("ann"), 1, Some(former.as_str()), write, Some(FormerHead)),
    ];
    for (by, after_s, commit, permission, refusal) in rows {
        let row = format!("{by} {after_s} {commit:?} {permission:?}");
        let pull_request = pull_request(by, after_s, commit);
        let judged = judge(&pull_request, |_| permission);
        assert_eq!(judged.iter().map(|it| it.refusal).collect::<Vec<_>>(), [refusal], "{row}");
        assert_eq!(counted(&judged).count(), usize::from(refusal.is_none()), "{row}");
    }
}

#[test]
fn a_name_proves_nothing() {
    // Somebody who calls themselves as the author is called is not the author, and the reverse.
    let mut namesake = person("ann");
    namesake.name = "bob".to_owned();
    let pull_request_of = |by: Account| pull_request(by, 1, None);
    let judged_as = |pull_request: &PullRequest| {
        judge(pull_request, |_| Some(Permission::Write)).first().and_then(|it| it.refusal)
    };
    assert_eq!(judged_as(&pull_request_of(namesake)), None);
    let mut renamed = person("bob");
    renamed.name = "ann".to_owned();
    assert_eq!(judged_as(&pull_request_of(renamed)), Some(Discounted::Author));
    // The same id at another host is another account.
    let elsewhere = Account { host: "github", ..person("bob") };
    assert_eq!(judged_as(&pull_request_of(elsewhere)), None);
}

#[test]
fn authors_are_named_once() {
    let pull_request = pull_request(person("ann"), 1, None);
    let authors: Vec<_> = pull_request.authors().iter().map(|it| it.name.as_str()).collect();
    assert_eq!(authors, ["bob", "carol"]);
}
