use gw_model::{
    api::{ApiSpec, FileRef, Headers, Listen, Native, Upstream, Validate},
    environment::{Deletions, Drift, EnvironmentSpec},
    id::{EnvironmentName, TargetName, WorkspaceName},
    scalar::Period,
    workspace::{Algorithm, Oidc, Source},
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
        format!("{sign} {method} {path}: {} ({})\n", change.class, change.at)
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
        @"+ POST /orders: any staff (api.yaml:1)"
    );
}

#[test]
fn a_public_operation_is_named_as_such() {
    insta::assert_snapshot!(
        between(vec![rule(1, POST, proven("staff", &[]))], vec![rule(2, POST, Who::Public)]),
        @"+ POST /orders: anyone, without proof (api.yaml:2)"
    );
}

#[test]
fn a_claim_more_narrows_for_the_others() {
    insta::assert_snapshot!(
        between(
            vec![rule(1, POST, proven("staff", &[("groups", &["a"])]))],
            vec![rule(1, POST, proven("staff", &[("groups", &["a"]), ("level", &["3"])]))],
        ),
        @"- POST /orders: group a (staff) (api.yaml:1)"
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
        @"+ POST /orders: any staff, only audience api://old, Rs256 (api.yaml:1)"
    );
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
    fn equal_rules_in_any_order_change_nothing(rules in rules(), seed in any::<u64>()) {
        let mut shuffled = rules.clone();
        let places = shuffled.len().max(1);
        shuffled.rotate_left(usize::try_from(seed % places as u64).unwrap());
        prop_assert_eq!(between(rules, shuffled), "");
    }
}
