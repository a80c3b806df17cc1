use gw_audit::note::Signer;
use time::macros::{date, datetime};

use super::*;

const NOW: OffsetDateTime = datetime!(2026-09-10 12:00 UTC);

fn credential(owner: Option<&str>, expires: Option<Date>) -> Credential {
    Credential {
        name: "bitbucket-token".parse().unwrap(),
        purpose: "the Git host".to_owned(),
        owner: owner.map(str::to_owned),
        source: "/secrets/bitbucket-token".to_owned(),
        expires,
        cure: "name them".to_owned(),
    }
}

fn warnings(credential: Credential, unused_days: i64) -> Vec<String> {
    let last_used = Some(NOW - Duration::days(unused_days));
    let known = Known { since: NOW - Duration::days(400), last_used };
    Standing::of(credential, None, Some(known), NOW).warnings
}

/// Shows S2.6: part (what others issued is told; whoever issued it ends it)
/// Shows S2.24: part (what is unused, ended or nobody's is told; whoever issued it takes it away)
#[test]
fn what_nobody_uses_or_answers_for_is_a_warning() {
    let good = credential(Some("platform"), Some(date!(2027 - 03 - 01)));
    assert_eq!(warnings(good.clone(), 89), Vec::<String>::new());
    let told = warnings(good.clone(), 90);
    assert!(told[0].starts_with("not used for 90 days: revoke it"), "{told:?}");
    assert_eq!(warnings(credential(None, None), 0), ["nobody answers for it: name them"]);
    let ended = credential(Some("platform"), Some(date!(2026 - 09 - 10)));
    assert!(warnings(ended, 0)[0].starts_with("it ended on 2026-09-10"));
    let soon = credential(Some("platform"), Some(date!(2026 - 09 - 24)));
    assert!(warnings(soon, 0)[0].starts_with("it ends on 2026-09-24"));
    // Never used: since it is known, and no longer.
    let new = Known { since: NOW - Duration::days(89), last_used: None };
    assert!(Standing::of(good.clone(), None, Some(new), NOW).warnings.is_empty());
    let old = Known { since: NOW - Duration::days(90), last_used: None };
    assert_eq!(Standing::of(good.clone(), None, Some(old), NOW).warnings.len(), 1);
    let missing = SecretRefusal::Missing { name: good.name.clone() };
    let told = Standing::of(good, Some(Err(missing)), None, NOW).warnings;
    assert!(told[0].contains("holds no `bitbucket-token`: put it there: /secrets/"), "{told:?}");
}

#[tokio::test]
async fn a_use_is_remembered_until_the_secret_is_named_no_more() {
    let signer = Signer::new("gatewright/test", &[7; 32]).unwrap();
    let store = Store::blank(signer.verifier().clone()).await.unwrap();
    let token: SecretName = "token".parse().unwrap();
    let (day, later) = (Duration::days(1), Duration::days(2));
    store.keep_credentials(&BTreeMap::from([(token.clone(), None)]), NOW).await.unwrap();
    let used = BTreeMap::from([(token.clone(), Some(NOW + day))]);
    store.keep_credentials(&used, NOW + day).await.unwrap();
    // Started again: nothing was used since.
    store.keep_credentials(&BTreeMap::from([(token.clone(), None)]), NOW + later).await.unwrap();
    let known = store.credentials().await.unwrap();
    assert_eq!(known[&token], Known { since: NOW, last_used: Some(NOW + day) });
    store.keep_credentials(&BTreeMap::new(), NOW + later).await.unwrap();
    assert!(store.credentials().await.unwrap().is_empty());
}
