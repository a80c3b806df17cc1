//! Who may approve what: each way to get round an approval, against the rules that need one.

use std::fmt::Write as _;

use super::*;

const PEOPLE: &str = "  people:
    bob: { bitbucket: '{00000000-0000-0000-0000-000000626f62}', subjects: { staff: bob } }
    erik: { bitbucket: '{00000000-0000-0000-0000-00006572696b}', subjects: { staff: erik } }
    mira: { bitbucket: '{00000000-0000-0000-0000-00006d697261}', subjects: { staff: mira } }
    nils: { bitbucket: '{00000000-0000-0000-0000-00006e696c73}' }
  teams:
    security: { people: [mira] }
    oncall: { holders: { identity: staff, claims: { groups: [oncall] } } }
";

pub(super) const ONE: &str = "    - { actions: [apply, rollback], identities: [deployer], commit: { branch: main, approvals: 1 }, deletes: true }\n";
const TWO: &str =
    "    - { actions: [apply], identities: [deployer], commit: { branch: main, approvals: 2 } }\n";
const NONE: &str = "    - { actions: [apply], identities: [deployer], commit: { branch: main } }\n";

const SECURITY: &str = r#"@id("widening") forbid (principal, action == Gatewright::Action::"apply", resource)
when { context.plan.widensAccess } unless { context.approverTeams.contains("security") };"#;
const NOT_BOB: &str = r#"@id("not-bob") forbid (principal, action == Gatewright::Action::"apply", resource)
when { context.authors.contains("bob") };"#;
const ERIK: &str = r#"@id("erik") forbid (principal, action == Gatewright::Action::"apply", resource)
unless { context.approvers.contains("erik") };"#;
const MUTED: &str = r#"@id("muted") forbid (principal, action == Gatewright::Action::"approve", resource)
when { principal.subject == "erik" };"#;

/// The host's own approvals are enough.
pub(in super::super) const HOST: Rules<'_> = Rules { people: "", changes: ONE, policy: "" };
pub(in super::super) const DECLARED: Rules<'_> = Rules { people: PEOPLE, changes: ONE, policy: "" };

fn asking(rule: &str) -> String {
    format!("{ONE}    - {rule}\n")
}

type Case = (&'static str, World);

fn case(
    name: &'static str,
    rules: Rules<'_>,
    approvers: &[&str],
    edit: impl FnOnce(&mut World),
) -> Case {
    let mut world = world(rules.read(), approvers);
    edit(&mut world);
    (name, world)
}

fn pull_request(world: &mut World) -> &mut PullRequest {
    &mut world.candidates[0].pull_request
}

fn shown(world: &mut World) -> &mut Vec<Shown> {
    &mut world.candidates[0].shown
}

fn as_machine(world: &mut World) {
    pull_request(world).approvals[0].by.kind = AccountKind::Machine;
}

/// Who approves, and what the host knows of them.
fn of_the_host() -> Vec<Case> {
    let nothing = |_: &mut World| {};
    vec![
        case("nobody approved", HOST, &[], nothing),
        case("another person approved", HOST, &["erik"], nothing),
        case("whoever opened it approved", HOST, &["bob"], nothing),
        case("whoever opened it approved beside another", HOST, &["bob", "erik"], nothing),
        case("whoever pushed to it approved", HOST, &["erik"], |world| {
            pull_request(world).pushed_by.push(account("erik"));
        }),
        case("a bot approved", HOST, &["ci"], as_machine),
        case("a bot opened it and a person approved", HOST, &["erik"], |world| {
            pull_request(world).opened_by.kind = AccountKind::Machine;
        }),
        case("the approver may only read now", HOST, &["erik"], |world| {
            world.permissions.insert(uuid("erik"), Some(Permission::Read));
        }),
        case("the approver left", HOST, &["erik"], |world| {
            world.permissions.insert(uuid("erik"), Some(Permission::None));
        }),
        case("nobody knows what the approver may do", HOST, &["erik"], |world| {
            world.permissions.insert(uuid("erik"), None);
        }),
        case("one approver left and one stayed", HOST, &["erik", "mira"], |world| {
            world.permissions.insert(uuid("erik"), Some(Permission::None));
        }),
        case("the approver is called like the author", HOST, &["erik"], |world| {
            pull_request(world).approvals[0].by.name = "bob".to_owned();
        }),
        case("the author calls himself otherwise now", HOST, &["bob"], |world| {
            pull_request(world).approvals[0].by.name = "erik".to_owned();
        }),
        case("somebody of another host has such an account", DECLARED, &["erik"], |world| {
            pull_request(world).approvals[0].by.host = "github";
        }),
    ]
}

/// Which head was approved, and what was shown on it.
fn of_the_head() -> Vec<Case> {
    let head_moved = |world: &mut World| pull_request(world).head_since = minute(35);
    vec![
        case("approved before the last push", HOST, &["erik"], head_moved),
        case("approved in the moment of the push", HOST, &["erik"], |world| {
            pull_request(world).head_since = minute(30);
        }),
        case("approved before the last push, and again after it", HOST, &["erik"], |world| {
            head_moved(world);
            pull_request(world).source.commit = Some("h8".to_owned());
            shown(world).push(Shown {
                head: "h8".into(),
                at: minute(36),
                entries: effects(ORDERS),
            });
            pull_request(world).approvals.push(approval("erik", 40));
        }),
        case("approved a new head before its plan was shown", HOST, &["erik"], |world| {
            pull_request(world).source.commit = Some("h8".to_owned());
            pull_request(world).head_since = minute(10);
            shown(world).push(Shown {
                head: "h8".into(),
                at: minute(31),
                entries: effects(ORDERS),
            });
        }),
        case("approved in the moment in which the plan was shown", HOST, &["erik"], |world| {
            shown(world)[0].at = minute(30);
        }),
        case("approved without any plan", HOST, &["erik"], |world| shown(world).clear()),
        case("the host says which commit was approved", HOST, &["erik"], |world| {
            head_moved(world);
            pull_request(world).approvals[0].commit = Some("h7".to_owned());
        }),
        case("the host says that a former commit was approved", HOST, &["erik"], |world| {
            pull_request(world).approvals[0].commit = Some("h6".to_owned());
        }),
        case("the branch is that of a fork", HOST, &["erik"], |world| {
            pull_request(world).source.commit = None;
        }),
    ]
}

/// What was shown, and what is done.
fn of_the_effect() -> Vec<Case> {
    vec![
        case("something else would be done than was shown", HOST, &["erik"], |world| {
            world.changed = effects(&[("api/orders", "newer")]);
        }),
        case("something more would be done than was shown", HOST, &["erik"], |world| {
            world.changed = effects(&[("api/orders", "new"), ("api/pay", "new")]);
        }),
        case("something less would be done than was shown", HOST, &["erik"], |world| {
            shown(world)[0].entries = effects(&[("api/orders", "new"), ("api/pay", "new")]);
        }),
        case("a plan with another effect was shown last", HOST, &["erik"], |world| {
            shown(world).push(Shown {
                head: "h7".to_owned(),
                at: minute(20),
                entries: effects(&[("api/orders", "under other rules")]),
            });
        }),
        case("a plan with another effect was shown afterwards", HOST, &["erik"], |world| {
            shown(world).push(Shown {
                head: "h7".to_owned(),
                at: minute(31),
                entries: effects(&[("api/orders", "under other rules")]),
            });
        }),
        case("the same plan was shown again", HOST, &["erik"], |world| {
            shown(world).push(Shown {
                head: "h7".into(),
                at: minute(31),
                entries: effects(ORDERS),
            });
        }),
        case("nothing would be done", HOST, &[], |world| world.changed = Changed::default()),
        case("an API goes away as it was shown", HOST, &["erik"], |world| {
            world.changed = [("api/orders".to_owned(), None)].into();
            shown(world)[0].entries = world.changed.clone();
        }),
        case("an API goes away that was to be changed", HOST, &["erik"], |world| {
            world.changed = [("api/orders".to_owned(), None)].into();
        }),
        case("the rules of the environment moved as well", HOST, &["erik"], |world| {
            world.changed = effects(&[("api/orders", "new"), ("environment", "new")]);
        }),
    ]
}

/// How it came to the branch.
fn of_the_history() -> Vec<Case> {
    vec![
        case("pushed past every pull request", HOST, &["erik"], |world| {
            world.history = vec!["x1".to_owned()];
        }),
        case("pushed on top of what was approved", HOST, &["erik"], |world| {
            world.history = vec!["m7".to_owned(), "x1".to_owned()];
            world.changed = effects(&[("api/orders", "newer")]);
        }),
        case("merged as another commit", HOST, &["erik"], |world| {
            pull_request(world).merge_commit = Some("squashed".to_owned());
            world.history = vec!["squashed".to_owned()];
        }),
        case("merged by moving the branch forward", HOST, &["erik"], |world| {
            pull_request(world).merge_commit = Some("h7".to_owned());
            world.history = vec!["h7".to_owned()];
        }),
        case("merged where this branch never came from", HOST, &["erik"], |world| {
            pull_request(world).merge_commit = Some("elsewhere".to_owned());
        }),
        case("merged before the change that was last applied", HOST, &["erik"], |world| {
            pull_request(world).merge_commit = Some(LAST_APPLIED.to_owned());
        }),
        case("declined, and its commit pushed", HOST, &["erik"], |world| {
            pull_request(world).state = PullRequestState::Declined;
            world.history = vec!["h7".to_owned()];
        }),
        case("open, and planned for its head", HOST, &["erik"], |world| {
            world.candidates[0] = world.candidates[0].clone().open();
            world.history = vec!["h7".to_owned()];
        }),
        case("open, and planned for another head", HOST, &["erik"], |world| {
            world.candidates[0] = world.candidates[0].clone().open();
            world.history = vec!["h6".to_owned()];
        }),
        case("another team's change came in between", HOST, &["erik"], |world| {
            world.candidates.push(merged(8, "mira", &[("api/pay", "new")]).approved("bob", 50));
            world.history.push("m8".to_owned());
            world.changed = effects(&[("api/orders", "new"), ("api/pay", "new")]);
        }),
        case("another team's change came in between, unapproved", HOST, &["erik"], |world| {
            world.candidates.push(merged(8, "mira", &[("api/pay", "new")]));
            world.history.push("m8".to_owned());
            world.changed = effects(&[("api/orders", "new"), ("api/pay", "new")]);
        }),
        case("the author approves a later one that carries it", HOST, &[], |world| {
            let both = &[("api/orders", "new"), ("api/pay", "new")];
            world.candidates.push(merged(8, "mira", both).approved("bob", 50));
            world.history.push("m8".to_owned());
        }),
        case("another person approves a later one that carries it", HOST, &[], |world| {
            let both = &[("api/orders", "new"), ("api/pay", "new")];
            world.candidates.push(merged(8, "mira", both).approved("erik", 50));
            world.history.push("m8".to_owned());
        }),
    ]
}

/// What later ones make of it.
fn of_later_ones() -> Vec<Case> {
    vec![
        case("changed again by a later one, unapproved", HOST, &["erik"], |world| {
            world.candidates.push(merged(8, "mira", &[("api/orders", "newer")]));
            world.history.push("m8".to_owned());
            world.changed = effects(&[("api/orders", "newer")]);
        }),
        case("changed again by a later one that who made it approves", HOST, &[], |world| {
            let again = merged(8, "mira", &[("api/orders", "newer")]).approved("bob", 50);
            world.candidates.push(again);
            world.history.push("m8".to_owned());
            world.changed = effects(&[("api/orders", "newer")]);
        }),
        case("changed again by a later one that another person approves", HOST, &[], |world| {
            let again = merged(8, "mira", &[("api/orders", "newer")]).approved("erik", 50);
            world.candidates.push(again);
            world.history.push("m8".to_owned());
            world.changed = effects(&[("api/orders", "newer")]);
        }),
        case("changed by a later one and changed back, unapproved", HOST, &["erik"], |world| {
            world.candidates.push(merged(8, "mira", &[("api/orders", "newer")]));
            world.candidates.push(merged(9, "mira", ORDERS));
            world.history.extend(["m8".to_owned(), "m9".to_owned()]);
        }),
    ]
}

/// `people`, and rules that say who approves.
fn of_the_people() -> Vec<Case> {
    let nothing = |_: &mut World| {};
    let ask = asking("{ actions: [approve], identities: [staff] }");
    let other = asking("{ actions: [approve], identities: [deployer] }");
    let claims =
        asking("{ actions: [approve], identities: [staff], claims: { groups: [approvers] } }");
    let when =
        asking("{ actions: [approve], identities: [staff], when: 'context.plan.deletes == 0' }");
    let hours = asking(
        "{ actions: [approve], identities: [staff], hours: { days: [sat], from: '09:00', to: '17:00', zone: UTC } }",
    );
    let with = |changes| Rules { changes, ..DECLARED };
    let muted = Rules { policy: MUTED, ..DECLARED };
    vec![
        case("somebody in `people` approved", DECLARED, &["erik"], nothing),
        case("somebody outside `people` approved", DECLARED, &["eve"], nothing),
        case("somebody outside `people` opened it", DECLARED, &["erik"], |world| {
            pull_request(world).opened_by = account("eve");
        }),
        case("two in `people` have that account", DECLARED, &["erik"], |world| {
            let erik = world.rules.people[&PersonName::parse("erik").unwrap()].clone();
            world.rules.people.insert(PersonName::parse("eric").unwrap(), erik);
        }),
        case("a rule lets them approve", with(&ask), &["erik"], nothing),
        case("a rule lets others approve", with(&other), &["erik"], nothing),
        case("a rule asks for a subject that nobody listed", with(&ask), &["nils"], nothing),
        case(
            "a rule asks, and nobody is in `people`",
            Rules { people: "", ..with(&ask) },
            &["erik"],
            nothing,
        ),
        case("a rule for approvals asks for claims", with(&claims), &["erik"], nothing),
        case("a rule for approvals has a condition", with(&when), &["erik"], nothing),
        case("a rule for approvals has other hours", with(&hours), &["erik"], nothing),
        case("a policy takes approving from him", muted, &["erik"], nothing),
        case("a policy takes approving from somebody else", muted, &["mira"], nothing),
        case("a policy judges whom nobody can name", muted, &["nils"], nothing),
    ]
}

/// Approvals that were given to Gatewright.
fn of_approvals_given() -> Vec<Case> {
    let ask =
        asking("{ actions: [approve], identities: [staff], claims: { groups: [approvers] } }");
    let ask = Rules { changes: &ask, ..DECLARED };
    let give = |subject, groups: &'static [&'static str]| {
        move |world: &mut World| world.given.push(given(subject, groups, ORDERS))
    };
    vec![
        case(
            "given with the claims that the rule asks for",
            ask,
            &[],
            give("erik", &["approvers"]),
        ),
        case("given without these claims", ask, &[], give("erik", &["sales"])),
        case("given by the author", ask, &[], give("bob", &["approvers"])),
        case("given by whom nobody listed", ask, &[], give("eve", &["approvers"])),
        case("given where no rule names `approve`", DECLARED, &[], give("erik", &["approvers"])),
        case("given for another effect", ask, &[], |world| {
            world.given.push(given("erik", &["approvers"], &[("api/orders", "older")]));
        }),
        case("given for another commit with the same effect", ask, &[], |world| {
            world
                .given
                .push(Given { commit: "h3".to_owned(), ..given("erik", &["approvers"], ORDERS) });
        }),
        case("given for the merged commit", ask, &[], |world| {
            world
                .given
                .push(Given { commit: "m7".to_owned(), ..given("erik", &["approvers"], ORDERS) });
        }),
        case("given for what was pushed past every pull request", ask, &[], |world| {
            world.history = vec!["h7".to_owned()];
            world.candidates.clear();
            world.given.push(given("erik", &["approvers"], ORDERS));
        }),
        case("given and approved in the host by the same person", ask, &["erik"], |world| {
            world.given.push(given("erik", &["approvers"], ORDERS));
        }),
        case("given, and pushed to afterwards", ask, &[], |world| {
            world.given.push(given("erik", &["approvers"], ORDERS));
            pull_request(world).pushed_by.push(account("erik"));
        }),
        case(
            "given by a holder of a team's claims",
            ask,
            &[],
            give("erik", &["approvers", "oncall"]),
        ),
    ]
}

/// Rules that look at who approved.
fn of_the_rules() -> Vec<Case> {
    let two = Rules { changes: TWO, ..HOST };
    let policy = |policy| Rules { policy, changes: NONE, ..DECLARED };
    let widens = |world: &mut World| world.facts.widens_access = true;
    let nothing = |_: &mut World| {};
    let deletes = |world: &mut World| {
        world.facts.deletes = 6;
        world.facts.objects = 10;
    };
    vec![
        case("two are needed and one approved", two, &["erik"], nothing),
        case("two are needed and two approved", two, &["erik", "mira"], nothing),
        case("two are needed and one of them is the author", two, &["erik", "bob"], nothing),
        case("two are needed and one approved each entry", two, &["erik"], |world| {
            world.candidates.push(merged(8, "erik", &[("api/pay", "new")]).approved("mira", 50));
            world.history.push("m8".to_owned());
            world.changed = effects(&[("api/orders", "new"), ("api/pay", "new")]);
        }),
        case("it deletes much and one approved", HOST, &["erik"], deletes),
        case("it deletes much and two approved", HOST, &["erik", "mira"], deletes),
        case("it widens and security approved", policy(SECURITY), &["mira"], widens),
        case("it widens and others approved", policy(SECURITY), &["erik"], widens),
        case("it widens and security made it", policy(SECURITY), &["mira"], |world| {
            widens(world);
            pull_request(world).pushed_by.push(account("mira"));
        }),
        case(
            "it widens and security approved one of two entries",
            policy(SECURITY),
            &["mira"],
            |world| {
                widens(world);
                world.candidates.push(merged(8, "bob", &[("api/pay", "new")]).approved("erik", 50));
                world.history.push("m8".to_owned());
                world.changed = effects(&[("api/orders", "new"), ("api/pay", "new")]);
            },
        ),
        case(
            "it widens and nobody is asked about another effect",
            policy(SECURITY),
            &["mira"],
            |world| {
                widens(world);
                world.changed = effects(&[("api/orders", "newer")]);
            },
        ),
        case("a policy wants erik and he approved", policy(ERIK), &["erik", "mira"], nothing),
        case("a policy wants erik and mira approved", policy(ERIK), &["mira"], nothing),
        case("a policy looks at the author", policy(NOT_BOB), &["erik"], nothing),
        case(
            "a policy looks at the author of another entry",
            policy(NOT_BOB),
            &["erik"],
            |world| {
                pull_request(world).opened_by = account("mira");
                pull_request(world).pushed_by.clear();
            },
        ),
        case("a policy cannot be read", policy(ERIK), &["erik"], |world| {
            world.rules.policies[0].text = "forbid (".to_owned();
        }),
    ]
}

/// Threats G3 and G7, without the parts around it: the whole way is walked elsewhere.
#[test]
fn each_way_round_an_approval_is_judged() {
    let cases: Vec<(&str, Vec<Case>)> = vec![
        ("who approves", of_the_host()),
        ("which head", of_the_head()),
        ("which effect", of_the_effect()),
        ("how it came to the branch", of_the_history()),
        ("what later ones make of it", of_later_ones()),
        ("people and rules for approving", of_the_people()),
        ("given to Gatewright", of_approvals_given()),
        ("what the rules ask for", of_the_rules()),
    ];
    let mut told = String::new();
    let mut count = 0;
    for (group, cases) in cases {
        writeln!(told, "# {group}").unwrap();
        for (name, world) in cases {
            count += 1;
            told.push_str(&line(name, &world));
        }
        told.push('\n');
    }
    assert!(count >= 60, "{count}");
    insta::assert_snapshot!("matrix", told);
}

fn line(name: &str, world: &World) -> String {
    let Approved { approvers, teams, authors, count, unshown, refused, .. } = world.judge();
    let judged = gw_policy::change::judge(&world.rules, &world.asked(), &world.facts);
    let mut line = String::new();
    let sign = if judged.is_ok() { "✔" } else { "✘" };
    let count = if count == u32::MAX { "all".to_owned() } else { count.to_string() };
    write!(line, "{sign} {name}: {count}").unwrap();
    let mut list = |label: &str, names: Vec<String>| {
        if !names.is_empty() {
            write!(line, " · {label} {}", names.join(", ")).unwrap();
        }
    };
    list("by", approvers.iter().map(ToString::to_string).collect());
    list("teams", teams.iter().map(ToString::to_string).collect());
    list("authors", authors.iter().map(ToString::to_string).collect());
    list("unshown", unshown.into_iter().collect());
    line.push('\n');
    for refused in refused {
        writeln!(line, "    - {refused}").unwrap();
    }
    if let Err(denial) = judged {
        writeln!(line, "    = {}", denial.why).unwrap();
    }
    line
}
