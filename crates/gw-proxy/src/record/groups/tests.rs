use gw_model::{
    id::{ApiName, IdentityName},
    source::Origin,
};
use gw_policy::{
    decision::{Asked, Asker},
    denial::Candidate,
};

use super::*;
use crate::record::tests::{id, record};

fn from(number: u64, client: &str) -> Record {
    let mut record = record(number);
    record.client = Some(client.parse().expect("an address"));
    record
}

#[test]
fn a_cause_is_reason_operation_caller_and_rule() {
    let asked = |operation: &str| Asked {
        api: ApiName::parse("orders").expect("a name"),
        operation: operation.to_owned(),
        owner: None,
    };
    let asker = |subject: &str| Asker {
        identity: IdentityName::parse("staff").expect("a name"),
        issuer: "https://id.example".to_owned(),
        subject: subject.to_owned(),
        expires_at: None,
        claims: Default::default(),
        cut: Default::default(),
    };
    let first = || {
        let mut record = from(1, "192.0.2.1");
        record.operation = Some(asked("read"));
        record.who = vec![asker("bob")];
        record
    };
    type Change = fn(&mut Record);
    let rows: &[(Change, bool)] = &[
        (|_| {}, true),
        (|other| other.path = "/made/up".to_owned(), true),
        (|other| other.method = "PUT".to_owned(), true),
        (|other| other.client = "192.0.2.2".parse().ok(), true),
        (|other| other.reason = Reason::PolicyError, false),
        (|other| other.generation = Some(2), false),
        (|other| other.operation.iter_mut().for_each(|it| it.operation = "list".to_owned()), false),
        (|other| other.operation = None, false),
        (|other| other.who.iter_mut().for_each(|who| who.subject = "eve".to_owned()), false),
        (
            |other| {
                let rule = Origin { file: "api.yaml".to_owned(), line: 7 };
                other.candidates = vec![Candidate { rule, parts: vec![] }];
            },
            false,
        ),
    ];
    for (place, (change, same)) in rows.iter().enumerate() {
        let (mut groups, mut other) = (Groups::default(), first());
        change(&mut other);
        groups.admit(&first(), "", Instant::now());
        let further = groups.admit(&other, "", Instant::now()) != Place::First;
        assert_eq!(further, *same, "row {place}");
    }
    // Nobody in particular is known by where the call comes from.
    for (one, other, same) in [
        ("192.0.2.1", "192.0.2.1", true),
        ("192.0.2.1", "192.0.2.2", false),
        ("2001:db8:1:2::1", "2001:db8:1:2::ffff", true),
    ] {
        let mut groups = Groups::default();
        groups.admit(&from(1, one), "", Instant::now());
        let further = groups.admit(&from(2, other), "", Instant::now()) != Place::First;
        assert_eq!(further, same, "{one} {other}");
    }
}

#[test]
fn one_refusal_of_a_token_hides_no_other() {
    let (mut groups, now) = (Groups::default(), Instant::now());
    let mut admit = |kind| groups.admit(&from(1, "192.0.2.1"), kind, now);
    assert_eq!(admit("token-malformed"), Place::First);
    assert_eq!(admit("token-signature"), Place::First);
    assert_ne!(admit("token-malformed"), Place::First);
    // Nor where there are too many causes to tell all of them apart.
    for number in 0..2 * CAUSES as u128 {
        let address = Ipv6Addr::from_bits(number << 64).to_string();
        groups.admit(&from(2, &address), "token-malformed", now);
    }
    let forged = from(3, "198.51.100.7");
    assert_eq!(groups.admit(&forged, "token-signature", now), Place::First);
}

#[test]
fn a_flood_of_ever_new_causes_is_bounded_too() {
    let (mut groups, now) = (Groups::default(), Instant::now());
    let mut whole = 0;
    for number in 0..20_000_u32 {
        let address = Ipv6Addr::from_bits(u128::from(number) << 64);
        let refused = from(u64::from(number), &address.to_string());
        whole += usize::from(groups.admit(&refused, "", now) == Place::First);
    }
    assert_eq!(whole, CAUSES + 1);
}

#[test]
fn a_group_ends_with_its_while_and_is_told_where_it_is_more_than_one() {
    let (mut groups, begun) = (Groups::default(), Instant::now());
    for number in 1..=3 {
        groups.admit(&from(number, "192.0.2.1"), "", begun);
    }
    groups.admit(&from(4, "192.0.2.2"), "", begun);
    assert_eq!(groups.close(|began| begun.duration_since(began) >= WHILE), []);
    let open = groups.find(&id(3)).map(|repeats| (repeats.first, repeats.count));
    assert_eq!(open, Some((id(1), 3)));
    let closed = groups.close(|_| true);
    let expected =
        Repeats { reason: Reason::NotGranted, first: id(1), count: 3, ids: vec![id(2), id(3)] };
    assert_eq!(closed, [expected]);
    assert_eq!(groups.find(&id(3)), None);
    assert_eq!(groups.admit(&from(5, "192.0.2.1"), "", begun), Place::First);
}
