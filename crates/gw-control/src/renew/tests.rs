use gw_model::id::SecretName;
use time::macros::datetime;

use super::*;
use crate::host::HostError;

#[test]
fn it_is_told_what_ends_when_and_why_nothing_takes_its_place() {
    let at = datetime!(2027-03-01 0:00 UTC);
    let ending =
        |trouble| Ending { secret: SecretName::parse("bitbucket-token").unwrap(), at, trouble };
    let away = || Some(HostError::Failing { host: "bitbucket.org".to_owned(), status: 503 });
    let told = [
        words(&ending(None), Duration::days(14)),
        words(&ending(None), Duration::hours(-1)),
        words(&ending(away()), Duration::minutes(5)),
        words(&ending(away()), Duration::ZERO),
    ];
    insta::assert_snapshot!(told.join("\n"), @"
    `bitbucket-token`, by which the Git host is asked, ends on 2027-03-01: in 14 days
    `bitbucket-token`, by which the Git host is asked, ended on 2027-03-01
    the token by `bitbucket-token` cannot be renewed, and ends at 2027-03-01 00:00 UTC: bitbucket.org has trouble: it answers 503
    there is no token by `bitbucket-token`: bitbucket.org has trouble: it answers 503
    ");
}
