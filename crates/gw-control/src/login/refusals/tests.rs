use gw_policy::token::TokenRefusal;
use proptest::prelude::*;
use time::{Duration, OffsetDateTime};

use super::{Counted, Refusals};
use crate::login::refused::{AwsRefusal, Refused};

fn forged() -> Refused {
    Refused::Token { issuer: None, why: TokenRefusal::Signature }
}

fn told(counted: &[Counted]) -> Vec<(&'static str, u64)> {
    counted.iter().map(|it| (it.kind.reason, it.times)).collect()
}

#[test]
fn the_first_is_told_at_once_and_equal_ones_after_the_minute() {
    let (refusals, start) = (Refusals::default(), OffsetDateTime::UNIX_EPOCH);
    let at = |seconds| start + Duration::seconds(seconds);
    assert_eq!(told(&refusals.count(&forged(), at(0))), [("token-signature", 1)]);
    assert_eq!(told(&refusals.count(&forged(), at(1))), []);
    assert_eq!(told(&refusals.count(&forged(), at(59))), []);
    let other = Refused::Aws(AwsRefusal::Audience);
    assert_eq!(told(&refusals.count(&other, at(59))), [("aws-audience", 1)]);
    assert_eq!(told(&refusals.due(at(59))), []);
    assert_eq!(
        told(&refusals.count(&forged(), at(60))),
        [("token-signature", 2), ("token-signature", 1)]
    );
    // What came alone is not told twice.
    assert_eq!(told(&refusals.due(at(600))), []);
}

#[test]
fn a_flood_is_two_entries_a_minute() {
    let (refusals, start) = (Refusals::default(), OffsetDateTime::UNIX_EPOCH);
    let mut entries = 0;
    for number in 0..100_000 {
        entries += refusals.count(&forged(), start + Duration::milliseconds(number)).len();
    }
    assert_eq!(entries, 3, "100 seconds: two beginnings and one count");
}

proptest! {
    /// Nothing is lost and nothing told twice, whatever the clock does.
    #[test]
    fn every_refusal_is_counted_once(steps in prop::collection::vec(-90_i64..90, 1..200)) {
        let refusals = Refusals::default();
        let mut now = OffsetDateTime::UNIX_EPOCH;
        let mut told = 0;
        for step in &steps {
            now += Duration::seconds(*step);
            told += refusals.count(&forged(), now).iter().map(|it| it.times).sum::<u64>();
        }
        let rest = refusals.due(now + Duration::days(1));
        told += rest.iter().map(|it| it.times).sum::<u64>();
        prop_assert_eq!(told, u64::try_from(steps.len()).unwrap());
    }
}
