use gw_model::{environment::ChangeAction, id::EnvironmentName};
use proptest::{prelude::*, sample::subsequence};

use super::{RequestFault, Scope};

fn prod() -> EnvironmentName {
    EnvironmentName::parse("prod").unwrap()
}

#[test]
fn reads_actions_and_environment() {
    let rows = [
        ("plan", "urn:gatewright:prod", Ok(("plan", None))),
        ("apply plan", "urn:gatewright:prod:p-4711", Ok(("plan apply", Some("p-4711")))),
        ("plan plan", "urn:gatewright:prod", Ok(("plan", None))),
        ("", "urn:gatewright:prod", Err(RequestFault::Scope)),
        ("plan  apply", "urn:gatewright:prod", Err(RequestFault::Scope)),
        ("Plan", "urn:gatewright:prod", Err(RequestFault::Scope)),
        ("everything", "urn:gatewright:prod", Err(RequestFault::Scope)),
        ("plan", "prod", Err(RequestFault::Resource)),
        ("plan", "urn:gatewright:", Err(RequestFault::Resource)),
        ("plan", "urn:gatewright:*", Err(RequestFault::Resource)),
        ("plan", "urn:gatewright:prod:", Err(RequestFault::Resource)),
        ("plan", "urn:gatewright:prod:p-1:more", Err(RequestFault::Resource)),
        ("plan", "https://gateway.example/prod", Err(RequestFault::Resource)),
    ];
    for (scope, resource, expected) in rows {
        let read = Scope::parse(scope, resource);
        let seen = read.map(|it| (it.words(), it.plan));
        let expected = expected.map(|(words, plan)| (words.to_owned(), plan.map(str::to_owned)));
        assert_eq!(seen, expected, "{scope} {resource}");
    }
}

proptest! {
    /// A token is never for more than it was asked for.
    #[test]
    fn covers_what_it_names(
        actions in subsequence(ChangeAction::ALL.to_vec(), 1..=ChangeAction::ALL.len()),
        asked in prop::sample::select(ChangeAction::ALL.to_vec()),
        own in prop::option::of("p-[0-9]{1,3}"),
        plan in prop::option::of("p-[0-9]{1,3}"),
        elsewhere in any::<bool>(),
    ) {
        let environment = if elsewhere { "dev" } else { "prod" };
        let environment = EnvironmentName::parse(environment).unwrap();
        let scope = Scope {
            environment: prod(),
            actions: actions.iter().copied().collect(),
            plan: own.clone(),
        };
        let covers = scope.covers(&environment, asked, plan.as_deref());
        let fits = own.is_none() || own == plan;
        prop_assert_eq!(covers, !elsewhere && actions.contains(&asked) && fits);
        let reads = [ChangeAction::View, ChangeAction::Plan];
        prop_assert_eq!(scope.writes(), actions.iter().any(|it| !reads.contains(it)));
    }
}
