//! Laws that hold for every snapshot, by generators that reach every kind of rule, policy and
//! caller: a last test counts that they do.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{Authorizer, Decision, PolicySet};
use gw_model::{
    api::{AccessRule, Who},
    desired::{Desired, PolicyFile},
    id::{IdentityName, SecretName},
    scalar::Method,
    source::Origin,
    workspace::Identity,
};
use proptest::{prelude::*, sample::select, strategy::ValueTree, test_runner::TestRunner};
use time::{Date, OffsetDateTime, macros::date};

use crate::{
    authorize::{Asking, Refusal, Remedy},
    can::{Cell, Column, Matrix, SOMEWHERE},
    cedar::{Call, Kind, Vocabulary},
    decision::Reason,
    principal::{Caller, Principal},
    sample::{self, IP, NOW},
    snapshot::{Rule, Snapshot},
};

const OPERATIONS: &[(&str, Method, &str)] = &[
    ("list", Method::Get, "/items"),
    ("create", Method::Post, "/items"),
    ("get", Method::Get, "/items/{id}"),
    ("delete", Method::Delete, "/items/{id}"),
];

/// The first two are proved by tokens, the last by a client certificate.
const IDENTITIES: [&str; 3] = ["staff", "partners", "machines"];

const OVERFLOWS: &str = "9223372036854775807 + 1 == 0";

const CONDITIONS: &[&str] = &[
    "true",
    "false",
    "principal.subject == \"ann\"",
    "principal.hasTag(\"groups\") && principal.getTag(\"groups\").contains(\"b\")",
    "resource.method == \"GET\"",
    "context.ip.isInRange(ip(\"203.0.113.0/24\"))",
    OVERFLOWS,
];

fn identities() -> impl Strategy<Value = Vec<IdentityName>> {
    proptest::sample::subsequence(IDENTITIES.to_vec(), 1..=3)
        .prop_map(|names| names.into_iter().map(sample::identity).collect())
}

fn claim() -> impl Strategy<Value = (String, Vec<String>)> {
    let values = proptest::sample::subsequence(vec!["a", "b", "c"], 1..=3)
        .prop_map(|values| values.into_iter().map(str::to_owned).collect());
    (select(vec!["groups", "roles"]).prop_map(str::to_owned), values)
}

fn who() -> impl Strategy<Value = Who> {
    let claims = proptest::collection::btree_map(claim().prop_map(|it| it.0), claim(), 0..3)
        .prop_map(|claims| claims.into_iter().map(|(name, (_, values))| (name, values)).collect());
    let when = proptest::option::of(select(CONDITIONS).prop_map(str::to_owned));
    let proven = (identities(), claims, when).prop_map(|(identities, claims, when)| Who::Proven {
        identities,
        claims,
        when,
    });
    prop_oneof![1 => Just(Who::Public), 5 => proven]
}

fn until() -> impl Strategy<Value = Option<Date>> {
    let days = vec![date!(2026 - 09 - 09), date!(2026 - 09 - 10), date!(2027 - 01 - 01)];
    prop_oneof![3 => Just(None), 1 => select(days).prop_map(Some)]
}

fn rule() -> impl Strategy<Value = AccessRule> {
    let methods = vec![Method::Get, Method::Post, Method::Delete];
    let methods = proptest::sample::subsequence(methods, 0..=2);
    let operations = proptest::sample::subsequence(vec!["list", "create", "get", "delete"], 0..=2)
        .prop_map(|ids| ids.into_iter().map(str::to_owned).collect());
    // Few lines, so that several rules stand in one.
    let line = 1..4_u32;
    (methods, operations, who(), until(), line).prop_map(
        |(methods, operations, who, until, line)| {
            let at = Origin { file: "apis/items/api.yaml".to_owned(), line };
            AccessRule { at, methods, operations, who, until }
        },
    )
}

const FORBIDDEN_PRINCIPALS: &[&str] = &[
    "(principal, ",
    "(principal in Gatewright::Identity::\"staff\", ",
    "(principal in Gatewright::Identity::\"machines\", ",
];

const FORBIDDEN_ACTIONS: &[&str] = &[
    " action, ",
    " action == Gatewright::Action::\"call\", ",
    " action == Gatewright::Action::\"apply\", ",
];

const FORBIDDEN_RESOURCES: &[&str] = &[
    " resource) ",
    " resource in Gatewright::Api::\"items\") ",
    " resource in Gatewright::Api::\"other\") ",
    " resource == Gatewright::Operation::\"items/get\") ",
    " resource in Gatewright::Environment::\"prod\") ",
    " resource is Gatewright::Operation) ",
    " resource is Gatewright::Operation in Gatewright::Api::\"items\") ",
];

const FORBIDDEN_WHEN: &[&str] = &[
    " { false }",
    " { true }",
    " { principal.subject == \"bob\" }",
    " { principal.hasTag(\"groups\") && principal.getTag(\"groups\").contains(\"a\") }",
    " { context.at > datetime(\"2026-09-10T00:00:00Z\") }",
    " { 9223372036854775807 + 1 == 0 }",
];

/// One forbid: a principal, an action, a resource, a condition.
fn forbid() -> impl Strategy<Value = String> {
    let word = select(vec!["when", "unless"]);
    let parts = (
        select(FORBIDDEN_PRINCIPALS),
        select(FORBIDDEN_ACTIONS),
        select(FORBIDDEN_RESOURCES),
        word,
        select(FORBIDDEN_WHEN),
    );
    parts.prop_map(|(principal, action, resource, word, condition)| {
        let head = [principal.trim_end(), action.trim_end(), resource.trim_end()].concat();
        format!("forbid {head} {word}{condition};")
    })
}

fn is_valid(text: &str) -> bool {
    let desired = sample::with_policy(world(vec![], &[]), text);
    Snapshot::compile(&desired, &sample::target()).is_ok()
}

fn forbids() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec(forbid().prop_filter("fits the schema", |it| is_valid(it)), 0..3)
}

fn principal() -> impl Strategy<Value = Principal> {
    let held = proptest::collection::btree_map(
        select(vec!["groups", "roles", "other"]).prop_map(str::to_owned),
        proptest::sample::subsequence(vec!["a", "b", "c"], 0..=3)
            .prop_map(|values| values.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()),
        0..3,
    );
    (select(IDENTITIES.to_vec()), select(vec!["ann", "bob"]), held).prop_map(
        |(identity, subject, claims)| Principal {
            claims,
            ..sample::principal(identity, subject, &[])
        },
    )
}

fn caller() -> impl Strategy<Value = Caller> {
    proptest::collection::vec(principal(), 0..3).prop_map(|principals| Caller { principals })
}

fn world(access: Vec<AccessRule>, policies: &[String]) -> Desired {
    let mut desired = sample::desired(&[("items", sample::api(access, OPERATIONS))]);
    let file = |(number, text): (usize, &String)| PolicyFile {
        path: format!("policies/{number}.cedar"),
        text: text.clone(),
    };
    let authorities = vec![SecretName::parse("machines-ca").unwrap()];
    let machines = Identity::ClientCertificate { authorities };
    desired.identities.insert(sample::identity("machines"), machines);
    desired.policies = policies.iter().enumerate().map(file).collect();
    desired
}

/// Whether each operation may be called.
fn decisions(desired: &Desired, caller: &Caller) -> BTreeMap<String, bool> {
    let snapshot = sample::compile(desired);
    let decide = |operation: crate::snapshot::Operation<'_>| {
        (operation.id().to_owned(), operation.authorize(caller, IP, NOW).is_ok())
    };
    snapshot.operations().map(decide).collect()
}

fn rules() -> impl Strategy<Value = Vec<AccessRule>> {
    proptest::collection::vec(rule(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Shows S1.5: holds
    #[test]
    fn equal_inputs_give_equal_decisions(
        access in rules(), policies in forbids(), caller in caller(),
    ) {
        let desired = world(access, &policies);
        let (one, two) = (sample::compile(&desired), sample::compile(&desired.clone()));
        for (one, two) in one.operations().zip(two.operations()) {
            let first = one.authorize(&caller, IP, NOW);
            let second = two.authorize(&caller, IP, NOW);
            match (first, second) {
                (Ok(first), Ok(second)) => {
                    prop_assert_eq!(first.rule(), second.rule());
                    prop_assert_eq!(first.principal(), second.principal());
                }
                (Err(first), Err(second)) => prop_assert_eq!(first, second),
                (first, second) => prop_assert!(false, "{first:?} is not {second:?}"),
            }
        }
    }

    #[test]
    fn the_order_of_rules_and_files_does_not_matter(
        access in rules(), policies in forbids(), caller in caller(),
    ) {
        let (mut turned, mut files) = (access.clone(), policies.clone());
        turned.reverse();
        files.reverse();
        let one_file = [policies.concat()];
        let expected = decisions(&world(access, &policies), &caller);
        prop_assert_eq!(&expected, &decisions(&world(turned.clone(), &files), &caller));
        prop_assert_eq!(&expected, &decisions(&world(turned, &one_file), &caller));
    }

    #[test]
    fn a_grant_that_is_added_takes_nothing_away(
        access in rules(), more in rule(), policies in forbids(), caller in caller(),
    ) {
        let mut wider = access.clone();
        wider.push(more);
        let before = decisions(&world(access, &policies), &caller);
        let after = decisions(&world(wider, &policies), &caller);
        prop_assert!(before.iter().all(|(id, allowed)| !allowed || after[id]));
    }

    #[test]
    fn a_forbid_that_is_added_opens_nothing(
        access in rules(), policies in forbids(), more in forbids(), caller in caller(),
    ) {
        let stricter = [policies.clone(), more].concat();
        let before = decisions(&world(access.clone(), &policies), &caller);
        let after = decisions(&world(access, &stricter), &caller);
        prop_assert!(after.iter().all(|(id, allowed)| !allowed || before[id]));
    }

    #[test]
    fn a_proof_that_is_added_takes_nothing_away(
        access in rules(), caller in caller(), more in principal(),
    ) {
        let mut both = caller.clone();
        both.principals.push(more);
        let before = decisions(&world(access.clone(), &[]), &caller);
        let after = decisions(&world(access, &[]), &both);
        prop_assert!(before.iter().all(|(id, allowed)| !allowed || after[id]));
    }

    #[test]
    fn whoever_does_what_the_cure_says_may_call(
        access in rules(), policies in forbids(), caller in caller(),
    ) {
        for (id, ..) in OPERATIONS {
            let mut world = World { access: access.clone(), policies: policies.clone(), caller: caller.clone() };
            // The second time there is nothing left but policies, which may forbid what a rule now
            // grants.
            let mut cured = world.cure(id);
            if cured == Cured::Rules {
                cured = world.cure(id);
                prop_assert_ne!(cured, Cured::Rules, "{} of {:?}", id, world);
            }
            if cured == Cured::Policies {
                cured = world.cure(id);
            }
            prop_assert_eq!(cured, Cured::MayCall, "{} of {:?}", id, world);
        }
    }

    #[test]
    fn printed_cedar_and_native_evaluation_agree(
        access in rules(), policies in forbids(), principal in proptest::option::of(principal()),
    ) {
        let desired = world(access, &policies);
        let snapshot = sample::compile(&desired);
        let caller = Caller { principals: principal.iter().cloned().collect() };
        let printed: PolicySet = snapshot.printed().parse().unwrap();
        for operation in snapshot.operations() {
            let native = operation.authorize(&caller, IP, NOW);
            let (cedar, failed) = ask_cedar(&printed, operation, principal.as_ref(), NOW);
            // Cedar skips a forbid that fails, and so is more generous exactly there.
            let refused_for_error =
                native.as_ref().is_err_and(|denial| denial.reason == Reason::PolicyError);
            prop_assert!(native.is_ok() == cedar || (failed && refused_for_error));
        }
    }
}

proptest! {
    // Each case asks for every caller of every class.
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// A cell of the table holds for every caller of its class. Without conditions and policies it
    /// leaves open only what differs among them.
    #[test]
    fn the_table_of_access_holds_for_every_caller_of_a_class(
        access in rules(), policies in proptest::collection::vec(forbid_of_class(), 0..2),
    ) {
        let conditional = |rule: &AccessRule| matches!(&rule.who, Who::Proven { when: Some(_), .. });
        let plain = policies.is_empty() && !access.iter().any(conditional);
        let snapshot = sample::compile(&world(access, &policies));
        let Matrix { columns, rows } = snapshot.matrix(NOW);
        for (row, operation) in rows.iter().zip(snapshot.operations()) {
            for (cell, column) in row.cells.iter().zip(&columns) {
                let (mut some_may, mut some_may_not) = (false, false);
                for caller in callers_of(column) {
                    for ip in [IP, SOMEWHERE] {
                        let asking = Asking { operation, caller: &caller, ip, now: NOW };
                        let may = asking.decide().is_ok();
                        some_may |= may;
                        some_may_not |= !may;
                    }
                    if some_may && some_may_not {
                        break;
                    }
                }
                let place = format!("{} for {column}: {cell:?}", row.operation);
                match cell {
                    Cell::Allowed(_) => prop_assert!(!some_may_not, "{}", place),
                    Cell::Refused => prop_assert!(!some_may, "{}", place),
                    Cell::Depends(_) if plain => prop_assert!(some_may && some_may_not, "{}", place),
                    Cell::Depends(_) => {}
                }
            }
        }
    }
}

/// Forbids whose scope touches the API.
fn forbid_of_class() -> impl Strategy<Value = String> {
    let word = select(vec!["when", "unless"]);
    let further = [
        " { principal.hasTag(\"roles\") && principal.getTag(\"roles\").contains(\"b\") }",
        " { context.ip.isLoopback() }",
    ];
    let conditions = FORBIDDEN_WHEN.iter().copied().chain(further).collect::<Vec<_>>();
    (select(FORBIDDEN_PRINCIPALS), word, select(conditions)).prop_map(
        |(principal, word, condition)| {
            format!("forbid {principal}action == Gatewright::Action::\"call\", resource) {word}{condition};")
        },
    )
}

/// Everybody who proves the identity of a class and holds just the values that it lists; of the
/// other claims that rules and policies look at, every form that they can tell apart.
fn callers_of(column: &Column) -> Vec<Caller> {
    let Some(identity) = &column.identity else { return vec![Caller::default()] };
    let mut held: Vec<BTreeMap<String, BTreeSet<String>>> = vec![BTreeMap::new()];
    let of_groups = [&[] as &[&str], &["a"], &["b"], &["a", "b", "c"]];
    let of_roles = [&["a", "b", "c"] as &[&str]];
    for (name, some) in [("groups", &of_groups as &[&[&str]]), ("roles", &of_roles)] {
        let forms: Vec<Option<BTreeSet<String>>> = match column.claims.get(name) {
            Some(value) => vec![Some([value.clone()].into())],
            None => {
                let set = |it: &&[&str]| it.iter().map(|value| (*value).to_owned()).collect();
                some.iter().map(|it| Some(set(it))).chain([None]).collect()
            }
        };
        let longer = |known: &BTreeMap<String, BTreeSet<String>>| {
            let known = known.clone();
            let with = move |form: &Option<BTreeSet<String>>| {
                let mut known = known.clone();
                known.extend(form.clone().map(|values| (name.to_owned(), values)));
                known
            };
            forms.iter().map(with).collect::<Vec<_>>()
        };
        held = held.iter().flat_map(longer).collect();
    }
    let caller = |subject: &'static str| {
        move |claims: &BTreeMap<String, BTreeSet<String>>| {
            let proof = sample::principal(identity.as_str(), subject, &[]);
            Caller { principals: vec![Principal { claims: claims.clone(), ..proof }] }
        }
    };
    ["ann", "bob"].into_iter().flat_map(|subject| held.iter().map(caller(subject))).collect()
}

/// Everything that decides a call.
#[derive(Debug)]
struct World {
    access: Vec<AccessRule>,
    policies: Vec<String>,
    caller: Caller,
}

/// What stood in the way of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cured {
    MayCall,
    Rules,
    Policies,
}

impl World {
    /// Does what the cure for a call says.
    fn cure(&mut self, id: &str) -> Cured {
        let snapshot = sample::compile(&world(self.access.clone(), &self.policies));
        let caller = self.caller.clone();
        let operation = sample::operation(&snapshot, id);
        let asking = Asking { operation, caller: &caller, ip: IP, now: NOW };
        let Err(hits) = asking.decide() else { return Cured::MayCall };
        let remedies = Refusal::of(asking, hits).remedies();
        let rules = &snapshot.apis()[0].rules;
        let place = |rule: &Rule| rules.iter().position(|it| std::ptr::eq(it, rule)).unwrap();
        let mut cured = Cured::Rules;
        for remedy in remedies {
            match remedy {
                Remedy::Policy(hit) => {
                    let name = hit.source.file.strip_prefix("policies/").unwrap();
                    let number: usize = name.strip_suffix(".cedar").unwrap().parse().unwrap();
                    self.policies[number].clear();
                    cured = Cured::Policies;
                }
                Remedy::AddRule => {
                    let rule = sample::rule(1, &[operation.method()], Who::Public);
                    self.access.push(rule);
                }
                Remedy::SignIn(rule) => self.sign_in(place(rule)),
                Remedy::Claim { principal, name, accepted } => {
                    let mut all = caller.principals.iter();
                    let number = all.position(|it| std::ptr::eq(it, principal)).unwrap();
                    let claims = &mut self.caller.principals[number].claims;
                    claims.entry(name.to_owned()).or_default().insert(accepted[0].clone());
                }
                Remedy::Identity { rule, principal } => {
                    let Who::Proven { identities, .. } = &mut self.access[place(rule)].who else {
                        panic!("a public rule asks for no identity");
                    };
                    identities.push(principal.identity.clone());
                }
                Remedy::Condition(rule) | Remedy::BrokenCondition(rule) => {
                    self.drop_condition(place(rule));
                }
                Remedy::Until(rule) => self.access[place(rule)].until = None,
            }
        }
        cured
    }

    /// Brings a proof that a rule takes, where its condition holds.
    fn sign_in(&mut self, rule: usize) {
        let Who::Proven { identities, claims, .. } = &self.access[rule].who else {
            panic!("a public rule asks for no proof");
        };
        let held = claims.iter().map(|(name, values)| (name.clone(), [values[0].clone()].into()));
        let proof = sample::principal(identities[0].as_str(), "cy", &[]);
        self.caller.principals.push(Principal { claims: held.collect(), ..proof });
        self.drop_condition(rule);
    }

    fn drop_condition(&mut self, rule: usize) {
        if let Who::Proven { when, .. } = &mut self.access[rule].who {
            *when = None;
        }
    }
}

fn ask_cedar(
    printed: &PolicySet,
    operation: crate::snapshot::Operation<'_>,
    principal: Option<&Principal>,
    now: OffsetDateTime,
) -> (bool, bool) {
    let words = Vocabulary::get().unwrap();
    let environment = words.uid(Kind::Environment, "prod");
    let call = Call { operation, principal, also: &[], ip: IP, now };
    let (request, entities) = call.lower(words, &environment).unwrap();
    let response = Authorizer::new().is_authorized(&request, printed, &entities);
    let failed = response.diagnostics().errors().next().is_some();
    (response.decision() == Decision::Allow, failed)
}

/// What the rules of a world are made of, in the words of the test below.
fn seen_in_rule(rule: &AccessRule, seen: &mut BTreeSet<String>) {
    let mut see = |what: String| {
        seen.insert(what);
    };
    let all_or_some = |empty: bool| if empty { "all" } else { "some" };
    see(format!("{} methods", all_or_some(rule.methods.is_empty())));
    see(format!("{} operations", all_or_some(rule.operations.is_empty())));
    match rule.until {
        None => see("no end".to_owned()),
        Some(day) if day < NOW.date() => see("ended".to_owned()),
        Some(_) => see("an end ahead".to_owned()),
    }
    let Who::Proven { identities, claims, when } = &rule.who else {
        return see("public".to_owned());
    };
    see(format!("{} identities", identities.len()));
    identities.iter().for_each(|name| see(format!("rule for {name}")));
    see(format!("{} claims", claims.len()));
    see(when.as_ref().map_or("no when".to_owned(), |when| format!("when {when}")));
}

fn seen_in_world(policies: &[String], caller: &Caller, seen: &mut BTreeSet<String>) {
    let parts = [FORBIDDEN_PRINCIPALS, FORBIDDEN_ACTIONS, FORBIDDEN_RESOURCES, FORBIDDEN_WHEN];
    for text in policies {
        let words = [" when ", " unless "].into_iter();
        let held =
            parts.concat().into_iter().chain(words).filter(|part| text.contains(part.trim_end()));
        seen.extend(held.map(|part| format!("forbid {}", part.trim())));
    }
    seen.insert(format!("{} proofs", caller.principals.len()));
    for principal in &caller.principals {
        seen.insert(format!("proof of {}", principal.identity));
    }
}

/// Whatever a rule, a policy and a caller can be, and a decision can come to, is met by the generators
/// above.
#[test]
fn the_generators_reach_every_variant() {
    let mut runner = TestRunner::deterministic();
    let mut seen = BTreeSet::new();
    for _ in 0..600 {
        let value = (rules(), forbids(), caller()).new_tree(&mut runner).unwrap().current();
        let (access, policies, caller) = value;
        access.iter().for_each(|rule| seen_in_rule(rule, &mut seen));
        seen_in_world(&policies, &caller, &mut seen);
        let snapshot = sample::compile(&world(access, &policies));
        for operation in snapshot.operations() {
            let guarded = operation.forbids().next().is_some();
            seen.insert(if guarded { "guarded" } else { "free" }.to_owned());
            seen.insert(match operation.authorize(&caller, IP, NOW) {
                Ok(permit) => permit.principal().map_or("granted to anyone".to_owned(), |one| {
                    format!("granted to {}", one.identity)
                }),
                Err(denial) => denial.reason.code().to_owned(),
            });
        }
    }
    let named = [
        "all methods",
        "all operations",
        "an end ahead",
        "ended",
        "forbid unless",
        "forbid when",
        "forbidden_by_policy",
        "free",
        "granted to anyone",
        "guarded",
        "no end",
        "no when",
        "not_granted",
        "not_signed_in",
        "policy_error",
        "public",
        "some methods",
        "some operations",
    ];
    let parts = [FORBIDDEN_PRINCIPALS, FORBIDDEN_ACTIONS, FORBIDDEN_RESOURCES, FORBIDDEN_WHEN];
    let forbidden = parts.concat().into_iter().map(|part| format!("forbid {}", part.trim()));
    let conditions = CONDITIONS.iter().map(|when| format!("when {when}"));
    let numbers = ["identities", "claims", "proofs"].into_iter().flat_map(|what| {
        let least = usize::from(what == "identities");
        (least..least + 3).map(move |number| format!("{number} {what}"))
    });
    let identities = IDENTITIES.iter().flat_map(|name| {
        ["rule for", "proof of", "granted to"].map(|what| format!("{what} {name}"))
    });
    let expected = named.map(str::to_owned).into_iter();
    let expected = expected.chain(forbidden).chain(conditions).chain(numbers).chain(identities);
    assert_eq!(seen, expected.collect());
}
