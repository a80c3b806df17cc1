use insta::assert_snapshot;

use super::*;
use crate::host::{AccountKind, CredentialFault};

/// Everybody of `staff` may apply what is on main and approved twice.
fn shop() -> Desired {
    let mut rules = approve::tests::rules();
    let rule = rules.spec.changes.iter_mut().find(|it| it.actions.contains(&ChangeAction::Apply));
    let rule = rule.unwrap();
    rule.claims.clear();
    rule.when = None;
    let commit = rule.commit.get_or_insert_default();
    commit.branch = Some("main".to_owned());
    commit.approvals = Some(2);
    rule.identities = vec!["staff".parse().unwrap()];
    rules
}

fn account(id: &str, name: &str) -> Account {
    let (id, name) = (id.to_owned(), name.to_owned());
    Account { host: "bitbucket", id, name, kind: AccountKind::Person }
}

/// Erik, as the Git host knows him.
fn erik(rules: &Desired, permission: Permission) -> (Account, Permission) {
    let person = &rules.people["erik"];
    (account(person.bitbucket.as_ref().unwrap(), "Erik"), permission)
}

fn told(rules: &Desired, protection: Protection, members: Vec<(Account, Permission)>) -> String {
    let branches = BTreeMap::from([("main".to_owned(), Ok(protection))]);
    lines(&judge(rules, &Said { branches, members: Ok(members) }))
}

fn lines(links: &[Link]) -> String {
    let mut text = String::new();
    for Link { name, good, found, repair, notes } in links {
        text.push_str(&format!("{} {name}: {found}\n", if *good { "good" } else { "bad " }));
        for more in notes.iter().chain(repair) {
            text.push_str(&format!("     {more}\n"));
        }
    }
    text
}

fn open() -> Protection {
    Protection {
        pushes: Allowed::Writers,
        merges: Allowed::Writers,
        approvals: 0,
        force: Force::Warned,
        unjudged: 1,
    }
}

fn closed() -> Protection {
    Protection {
        pushes: Allowed::Only { accounts: vec![], groups: vec![] },
        approvals: 2,
        force: Force::Refused,
        unjudged: 0,
        ..open()
    }
}

/// Shows S0.27: holds
#[test]
fn branches_that_nobody_guards_are_told() {
    let rules = shop();
    assert_snapshot!(told(&rules, closed(), vec![]), @r"
    good branch main: is guarded, and merges with 2 approvals
    good people: 0 accounts compared with the rules
    ");
    assert_snapshot!(told(&rules, open(), vec![]), @r"
    bad  branch main: may be pushed to without a pull request, and environments/prod.yaml:7 relies on it
         Repository settings → Branch restrictions → main → no direct writes
    bad  branch main: merges with no approval, and environments/prod.yaml:7 wants 2
         restrictions by branching model are not counted: 1
         Repository settings → Branch restrictions → main → minimum approvals: 2
    good people: 0 accounts compared with the rules
    ");
    let warned = Protection { force: Force::Warned, ..closed() };
    assert!(told(&rules, warned, vec![]).contains("the Git host only warns"));
}

/// Shows S0.24: holds
/// Shows S0.27: holds
#[test]
fn people_who_may_there_what_they_may_not_here_are_told() {
    let mut rules = shop();
    let writer =
        vec![erik(&rules, Permission::Write), (account("{x}", "Mallory"), Permission::Write)];
    assert_snapshot!(told(&rules, closed(), writer.clone()), @r"
    good branch main: is guarded, and merges with 2 approvals
    bad  account Mallory: may merge into main, and is nobody under `people`
         take away that they write, or name their account under `people`
    good people: 2 accounts compared with the rules
    ");
    let reader =
        vec![erik(&rules, Permission::Read), (account("{x}", "Mallory"), Permission::Read)];
    assert_snapshot!(told(&rules, closed(), reader), @r"
    good branch main: is guarded, and merges with 2 approvals
    good people: 2 accounts compared with the rules
         erik may apply to prod by environments/prod.yaml:7 and not merge into main
    ");
    // A group that the host does not open says nothing of anybody.
    let groups = Allowed::Only { accounts: vec![], groups: vec!["mergers".to_owned()] };
    let grouped = Protection { merges: groups, ..closed() };
    assert!(told(&rules, grouped, writer.clone()).contains("2 not compared"));
    // Nobody of the people may apply, and one merges.
    for rule in &mut rules.spec.changes {
        rule.identities = vec!["deployer".parse().unwrap()];
    }
    let writer = vec![erik(&rules, Permission::Write)];
    assert!(
        told(&rules, closed(), writer).contains("bad  person erik: may merge into main, and not")
    );
}

#[test]
fn what_the_git_host_does_not_tell_is_told() {
    let rules = shop();
    let secret = "bitbucket-token".parse().unwrap();
    let fault = CredentialFault::TellsNoPermissions;
    let members = Err(HostError::Credential { secret, fault });
    let missing = Err(HostError::Missing { what: "branch main".to_owned() });
    let branches = BTreeMap::from([("main".to_owned(), missing)]);
    assert_snapshot!(lines(&judge(&rules, &Said { branches, members })), @r"
    bad  branch main: the host knows nothing of branch main
         the host hides what a credential may not read: look whether it reaches the repository
    bad  people: the credential `bitbucket-token` may not ask what an account may do
         use the API token of an administrator of the repository, or an OAuth consumer with `repository:admin`
    ");
}
