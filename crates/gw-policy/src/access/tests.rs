use gw_model::{
    api::{AccessRule, ApiSpec, FileRef, Headers, Listen, Native, Upstream, Validate},
    environment::{Deletions, Drift, EnvironmentSpec},
    id::{EnvironmentName, TargetName, WorkspaceName},
    scalar::Period,
    workspace::{Algorithm, Identity, Oidc, Source},
};
use proptest::prelude::*;
use time::macros::date;

use super::*;

const TODAY: Date = date!(2026 - 05 - 01);

fn period(text: &str) -> Period {
    text.parse().unwrap()
}

fn oidc(audiences: &[&str]) -> Identity {
    Identity::Oidc(Oidc {
        issuer: "https://issuer.test".to_owned(),
        audiences: audiences.iter().map(|text| (*text).to_owned()).collect(),
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Rs256],
        clock_skew: period("60s"),
        rename: BTreeMap::new(),
    })
}

fn proven(identity: &str, claims: &[(&str, &[&str])]) -> Who {
    let claims = claims
        .iter()
        .map(|(claim, values)| {
            ((*claim).to_owned(), values.iter().map(|text| (*text).to_owned()).collect())
        })
        .collect();
    Who::Proven { identities: vec![IdentityName::parse(identity).unwrap()], claims, when: None }
}

fn rule(line: u32, methods: &[Method], who: Who) -> AccessRule {
    let at = Origin { file: "api.yaml".to_owned(), line };
    AccessRule { at, methods: methods.to_vec(), operations: vec![], who, until: None }
}

fn api(access: Vec<AccessRule>) -> Api {
    let operation =
        |id: &str, method| Operation { id: id.to_owned(), method, path: "/orders".to_owned() };
    Api {
        at: Origin::default(),
        operations: vec![operation("list", Method::Get), operation("create", Method::Post)],
        spec: ApiSpec {
            owner: None,
            openapi: FileRef::File("openapi.yaml".to_owned()),
            version: None,
            targets: vec![TargetName::parse("default").unwrap()],
            environments: vec![],
            listen: Listen::default(),
            upstream: Upstream {
                url: "https://orders.test".to_owned(),
                timeout: period("30s"),
                auth: None,
                assertion: None,
                health: None,
                pass_authorization: false,
            },
            access,
            limits: vec![],
            cors: None,
            headers: Headers::default(),
            validate: Validate::Off,
            max_body: None,
            native: Native::default(),
        },
    }
}

fn desired(access: Vec<AccessRule>) -> Desired {
    let identity =
        |name: &str, audiences: &[&str]| (IdentityName::parse(name).unwrap(), oidc(audiences));
    Desired {
        workspace: WorkspaceName::parse("shop").unwrap(),
        source: Source::Local {},
        intake: Default::default(),
        environment: EnvironmentName::parse("dev").unwrap(),
        spec: EnvironmentSpec {
            values: BTreeMap::new(),
            targets: BTreeMap::new(),
            secrets: None,
            egress: vec![],
            changes: vec![],
            identities: BTreeMap::new(),
            drift: Drift { every: period("5m"), then: Default::default() },
            on: None,
            deletions: Deletions { mode: Default::default(), ceiling: 5 },
            accept: vec![],
            notify: vec![],
        },
        identities: [identity("staff", &["api://orders"]), identity("shops", &["api://shops"])]
            .into(),
        people: BTreeMap::new(),
        teams: BTreeMap::new(),
        apis: [(ApiName::parse("orders").unwrap(), api(access))].into(),
        policies: vec![],
    }
}

fn describe(desired: &Desired) -> Access {
    Access::describe(desired, TODAY, |_| true, |_, _| vec![])
}

fn told(before: &Desired, after: &Desired) -> String {
    let lines = describe(before).changes_to(&describe(after)).into_iter().map(|change| {
        let sign = if change.direction == Direction::Widens { '+' } else { '-' };
        let Address { path, method, .. } = change.address;
        let within: Vec<String> =
            change.within.iter().map(|part| format!(" → {}", part.beyond(&change.class))).collect();
        format!("{sign} {method} {path}: {}{} ({})\n", change.class, within.join(","), change.at)
    });
    lines.collect()
}

fn between(before: Vec<AccessRule>, after: Vec<AccessRule>) -> String {
    told(&desired(before), &desired(after))
}

const POST: &[Method] = &[Method::Post];

#[test]
fn one_more_group_gains_and_nobody_else() {
    insta::assert_snapshot!(
        between(
            vec![rule(15, POST, proven("staff", &[("groups", &["orders-team"])]))],
            vec![rule(16, POST, proven("staff", &[("groups", &["orders-team", "sales"])]))],
        ),
        @"+ POST /orders: group sales (staff) (api.yaml:16)"
    );
}

#[test]
fn a_rule_that_others_cover_together_changes_nothing() {
    let split = vec![
        rule(1, POST, proven("staff", &[("groups", &["a"])])),
        rule(2, POST, proven("staff", &[("groups", &["b"])])),
    ];
    let one = vec![rule(1, POST, proven("staff", &[("groups", &["a", "b"])]))];
    assert_eq!(between(split.clone(), one.clone()), "");
    assert_eq!(between(one, split), "");
}

#[test]
fn dropping_a_claim_lets_everybody_in() {
    insta::assert_snapshot!(
        between(
            vec![rule(1, POST, proven("staff", &[("groups", &["a"])]))],
            vec![rule(1, POST, proven("staff", &[]))],
        ),
        @"+ POST /orders: any staff → only group a (api.yaml:1)"
    );
}

#[test]
fn a_public_operation_is_named_as_such() {
    insta::assert_snapshot!(
        between(vec![rule(1, POST, proven("staff", &[]))], vec![rule(2, POST, Who::Public)]),
        @"+ POST /orders: anyone, without proof → only any staff (api.yaml:2)"
    );
}

#[test]
fn a_claim_more_narrows_for_the_others() {
    insta::assert_snapshot!(
        between(
            vec![rule(1, POST, proven("staff", &[("groups", &["a"])]))],
            vec![rule(1, POST, proven("staff", &[("groups", &["a"]), ("level", &["3"])]))],
        ),
        @"- POST /orders: group a (staff) → only level 3 (api.yaml:1)"
    );
}

#[test]
fn one_more_audience_is_a_widening_of_that_audience() {
    let before = desired(vec![rule(1, POST, proven("staff", &[]))]);
    let mut after = before.clone();
    after
        .identities
        .insert(IdentityName::parse("staff").unwrap(), oidc(&["api://orders", "api://old"]));
    insta::assert_snapshot!(
        told(&before, &after),
        @"+ POST /orders: any staff with audience api://old (api.yaml:1)"
    );
}

#[test]
fn a_narrowed_rule_says_who_keeps_the_operation() {
    let any = || rule(1, POST, proven("staff", &[]));
    let narrowed = |edit: fn(&mut AccessRule)| {
        let mut narrow = any();
        edit(&mut narrow);
        between(vec![any()], vec![narrow])
    };
    let until: fn(&mut AccessRule) = |rule| rule.until = Some(date!(2026 - 12 - 25));
    let when: fn(&mut AccessRule) = |rule| {
        if let Who::Proven { when, .. } = &mut rule.who {
            *when = Some("resource.owner == \"a\"".to_owned());
        }
    };
    insta::assert_snapshot!([narrowed(until), narrowed(when)].concat(), @r#"
    - POST /orders: any staff → until 2026-12-25 (api.yaml:1)
    - POST /orders: any staff → only when resource.owner == "a" (api.yaml:1)
    "#);
    insta::assert_snapshot!(
        between(
            vec![any()],
            vec![
                rule(2, POST, proven("staff", &[("groups", &["a"])])),
                rule(3, POST, proven("staff", &[("groups", &["a"]), ("level", &["3"])])),
                rule(4, POST, proven("staff", &[("level", &["3"])])),
            ],
        ),
        @"- POST /orders: any staff → only group a, → only level 3 (api.yaml:1)"
    );
    insta::assert_snapshot!(between(vec![rule(1, POST, Who::Public)], vec![any()]), @"- POST /orders: anyone, without proof → only any staff (api.yaml:1)");
}

#[test]
fn another_issuer_is_told_by_its_name() {
    let with = |edit: fn(&mut Oidc)| {
        let before = desired(vec![rule(1, POST, proven("staff", &[]))]);
        let mut after = before.clone();
        if let Some(Identity::Oidc(oidc)) = after.identities.get_mut("staff") {
            edit(oidc);
        }
        told(&before, &after)
    };
    let edits: [fn(&mut Oidc); 7] = [
        |oidc| oidc.issuer = "https://evil.test".to_owned(),
        |oidc| oidc.algorithms = vec![Algorithm::Es256],
        |oidc| oidc.algorithms.push(Algorithm::Es256),
        |oidc| oidc.subject = "uid".to_owned(),
        |oidc| oidc.clock_skew = period("2m"),
        |oidc| drop(oidc.rename.insert("groups".to_owned(), "realm.groups".to_owned())),
        |oidc| {
            oidc.audiences.push("api://new".to_owned());
            oidc.algorithms.push(Algorithm::Es256);
        },
    ];
    let table: Vec<String> = edits.into_iter().map(with).collect();
    insta::assert_snapshot!(table.join("\n"), @r"
    - POST /orders: any staff with issuer https://issuer.test (api.yaml:1)
    + POST /orders: any staff with issuer https://evil.test (api.yaml:1)

    - POST /orders: any staff with algorithm RS256 (api.yaml:1)
    + POST /orders: any staff with algorithm ES256 (api.yaml:1)

    + POST /orders: any staff with algorithm ES256 (api.yaml:1)

    - POST /orders: any staff with subject sub (api.yaml:1)
    + POST /orders: any staff with subject uid (api.yaml:1)

    + POST /orders: any staff with clock skew 2m (api.yaml:1)

    - POST /orders: any staff with claims as they are (api.yaml:1)
    + POST /orders: any staff with claims groups from realm.groups (api.yaml:1)

    + POST /orders: any staff with algorithm ES256 and audience api://orders and claims as they are and clock skew 1m and issuer https://issuer.test and kind token and subject sub or algorithm RS256 and audience api://new and claims as they are and clock skew 1m and issuer https://issuer.test and kind token and subject sub or algorithm ES256 and audience api://new and claims as they are and clock skew 1m and issuer https://issuer.test and kind token and subject sub (api.yaml:1)
    ");
}

#[test]
fn a_rule_that_ended_lets_nobody_in() {
    let mut ended = rule(1, POST, proven("staff", &[]));
    ended.until = Some(date!(2026 - 04 - 30));
    assert_eq!(between(vec![], vec![ended.clone()]), "");
    ended.until = Some(TODAY);
    insta::assert_snapshot!(
        between(vec![], vec![ended]),
        @"+ POST /orders: any staff until 2026-05-01 (api.yaml:1)"
    );
}

#[test]
fn a_policy_less_widens_and_a_policy_more_narrows() {
    let plain = desired(vec![rule(1, POST, proven("staff", &[]))]);
    let forbid = Forbid {
        id: "not-bob".to_owned(),
        text: "forbid(principal, action, resource);".to_owned(),
        at: Origin { file: "policies/x.cedar".to_owned(), line: 1 },
    };
    let with = Access::describe(&plain, TODAY, |_| true, |_, _| vec![forbid.clone()]);
    let without = describe(&plain);
    let directions = |changes: Vec<AccessChange>| {
        changes.iter().map(|change| change.direction).collect::<Vec<_>>()
    };
    assert_eq!(directions(with.changes_to(&without)), [Direction::Widens; 2]);
    assert_eq!(directions(without.changes_to(&with)), [Direction::Narrows; 2]);
}

#[test]
fn an_operation_that_moves_to_another_api_changes_nothing_for_callers() {
    let before = desired(vec![rule(1, POST, proven("staff", &[]))]);
    let mut after = before.clone();
    let api = after.apis.remove("orders").unwrap();
    after.apis.insert(ApiName::parse("sales").unwrap(), api);
    assert_eq!(told(&before, &after), "");
}

/// A rule set and a token, both small enough that everything meets.
fn rules() -> impl Strategy<Value = Vec<AccessRule>> {
    let values = || prop::sample::subsequence(vec!["a", "b", "c"], 1..=3);
    let claims = prop::collection::btree_map(
        prop::sample::select(vec!["groups", "level", "site"]),
        values(),
        0..=3,
    );
    let identity = prop::sample::select(vec!["staff", "shops"]);
    let rule =
        (prop::bool::weighted(0.1), identity, claims).prop_map(|(public, identity, claims)| {
            if public {
                return rule(1, POST, Who::Public);
            }
            let claims: Vec<(&str, &[&str])> =
                claims.iter().map(|(claim, values)| (*claim, values.as_slice())).collect();
            rule(1, POST, proven(identity, &claims))
        });
    prop::collection::vec(rule, 0..4)
}

fn admits(rules: &[AccessRule], identity: &str, token: &BTreeMap<&str, Vec<&str>>) -> bool {
    rules.iter().any(|rule| match &rule.who {
        Who::Public => true,
        Who::Proven { identities, claims, .. } => {
            identities.iter().any(|name| name.as_str() == identity)
                && claims.iter().all(|(claim, values)| {
                    token.get(claim.as_str()).is_some_and(|held| {
                        held.iter().any(|value| values.iter().any(|wanted| wanted == value))
                    })
                })
        }
    })
}

/// The same with last days and conditions.
fn rules_in_time() -> impl Strategy<Value = Vec<AccessRule>> {
    let until = prop::sample::select(vec![None, None, Some(TODAY), Some(date!(2026 - 06 - 01))]);
    let when = prop::sample::select(vec![None, None, Some("x"), Some("y")]);
    (rules(), prop::collection::vec((until, when), 4)).prop_map(|(mut rules, further)| {
        for (rule, (until, condition)) in rules.iter_mut().zip(further) {
            rule.until = until;
            if let Who::Proven { when, .. } = &mut rule.who {
                *when = condition.map(str::to_owned);
            }
        }
        rules
    })
}

/// A moment at which a call is decided: a day, and the conditions that hold.
type Moment = (Date, &'static [&'static str]);

fn moments() -> impl Iterator<Item = Moment> {
    let truths: [&[&str]; 4] = [&[], &["x"], &["y"], &["x", "y"]];
    let days = [TODAY, date!(2026 - 05 - 15), date!(2026 - 07 - 01)];
    days.into_iter().flat_map(move |day| truths.into_iter().map(move |truth| (day, truth)))
}

/// The rules that can grant at a moment, without their days and conditions.
fn at_moment(rules: &[AccessRule], (day, truth): Moment) -> Vec<AccessRule> {
    let speaks = |rule: &&AccessRule| {
        rule.until.is_none_or(|until| until >= day)
            && match &rule.who {
                Who::Proven { when: Some(when), .. } => truth.contains(&when.as_str()),
                Who::Proven { when: None, .. } | Who::Public => true,
            }
    };
    rules.iter().filter(speaks).cloned().collect()
}

/// Whether a class of callers has such a token.
fn is_in(class: &CallerClass, identity: &str, token: &BTreeMap<&str, Vec<&str>>) -> bool {
    match class {
        CallerClass::Anyone => true,
        CallerClass::Proven { identity: name, claims, .. } => {
            let holds = |(claim, values): (&String, &Vec<String>)| {
                let held = token.get(claim.as_str());
                held.is_some_and(|held| held.iter().any(|it| values.iter().any(|want| want == it)))
            };
            name.as_str() == identity && claims.iter().all(holds)
        }
        CallerClass::NamedByPolicy { .. } => false,
    }
}

/// Every token that holds at most two values of each claim.
fn all_tokens() -> Vec<BTreeMap<&'static str, Vec<&'static str>>> {
    let sets: [&[&str]; 8] =
        [&[], &["a"], &["b"], &["c"], &["a", "b"], &["a", "c"], &["b", "c"], &["a", "b", "c"]];
    let mut tokens = vec![];
    for groups in sets {
        for level in sets {
            for site in sets {
                tokens.push(
                    [
                        ("groups", groups.to_vec()),
                        ("level", level.to_vec()),
                        ("site", site.to_vec()),
                    ]
                    .into(),
                );
            }
        }
    }
    tokens
}

proptest! {
    #[test]
    fn a_widening_is_told_exactly_when_somebody_gains(before in rules(), after in rules()) {
        let told = describe(&desired(before.clone())).changes_to(&describe(&desired(after.clone())));
        for direction in [Direction::Widens, Direction::Narrows] {
            let (had, has) =
                if direction == Direction::Widens { (&before, &after) } else { (&after, &before) };
            let anyone = !had.iter().any(|rule| rule.who == Who::Public)
                && has.iter().any(|rule| rule.who == Who::Public);
            let somebody = anyone || ["staff", "shops"].iter().any(|identity| {
                all_tokens().iter().any(|token| {
                    !admits(had, identity, token) && admits(has, identity, token)
                })
            });
            let says = told.iter().any(|change| change.direction == direction);
            prop_assert_eq!(says, somebody, "{:?}: {:?}", direction, told);
        }
    }

    #[test]
    fn days_conditions_and_audiences_are_told_exactly_too(
        before in rules_in_time(), after in rules_in_time(),
        old in prop::sample::subsequence(vec!["p", "q"], 1..=2),
        new in prop::sample::subsequence(vec!["p", "q"], 1..=2),
    ) {
        let state = |rules: &[AccessRule], audiences: &[&str]| {
            let mut desired = desired(rules.to_vec());
            desired.identities.insert(IdentityName::parse("staff").unwrap(), oidc(audiences));
            describe(&desired)
        };
        let told = state(&before, &old).changes_to(&state(&after, &new));
        // What a rule asks for is asked with one value of each claim: more of them change nothing.
        let mut tokens = all_tokens();
        tokens.retain(|token| token.values().all(|held| held.len() <= 1));
        for direction in [Direction::Widens, Direction::Narrows] {
            let ((had, known), (has, knows)) = if direction == Direction::Widens {
                ((&before, &old), (&after, &new))
            } else {
                ((&after, &new), (&before, &old))
            };
            let somebody = moments().any(|moment| {
                let (had, has) = (at_moment(had, moment), at_moment(has, moment));
                let public = |rules: &[AccessRule]| rules.iter().any(|it| it.who == Who::Public);
                let proofs = [("staff", Some("p")), ("staff", Some("q")), ("shops", None)];
                let may = |rules: &[AccessRule], trusted: &[&str], (identity, audience), token: &_| {
                    public(rules)
                        || (Option::is_none_or(audience, |it| trusted.contains(&it))
                            && admits(rules, identity, token))
                };
                (!public(&had) && public(&has))
                    || proofs.into_iter().any(|proof| {
                        tokens.iter().any(|token| {
                            !may(&had, known, proof, token) && may(&has, knows, proof, token)
                        })
                    })
            });
            let says = told.iter().any(|change| change.direction == direction);
            prop_assert_eq!(says, somebody, "{:?}: {:?}", direction, told);
        }
    }

    /// Those who are said to keep an operation do, and they are some of those who lose it.
    #[test]
    fn who_keeps_an_operation_may_still_call(before in rules(), after in rules()) {
        let told = describe(&desired(before.clone())).changes_to(&describe(&desired(after.clone())));
        for AccessChange { direction, class, within, .. } in told {
            let (had, has) =
                if direction == Direction::Widens { (&after, &before) } else { (&before, &after) };
            for part in within {
                for identity in ["staff", "shops"] {
                    for token in all_tokens().iter().filter(|token| is_in(&part, identity, token)) {
                        prop_assert!(is_in(&class, identity, token), "{} in {}", part, class);
                        prop_assert!(admits(had, identity, token) && admits(has, identity, token));
                    }
                }
            }
        }
    }

    #[test]
    fn equal_rules_in_any_order_change_nothing(rules in rules(), seed in any::<u64>()) {
        let mut shuffled = rules.clone();
        let places = shuffled.len().max(1);
        shuffled.rotate_left(usize::try_from(seed % places as u64).unwrap());
        prop_assert_eq!(between(rules, shuffled), "");
    }
}
