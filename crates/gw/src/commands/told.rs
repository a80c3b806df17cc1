//! A record of the decision log as documents show it: with times as every other document has them.

use gw_policy::decision::{Asker, Record};
use serde::{Serialize, Serializer, ser::Error};
use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// The log counts milliseconds and seconds, because it is written for every refused call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a>(pub(crate) &'a Record);

impl Serialize for Told<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(record) = self;
        let mut document = serde_json::to_value(record).map_err(S::Error::custom)?;
        if let Some(members) = document.as_object_mut() {
            members.remove("atMs");
            let seconds = i64::try_from(record.at_ms / 1000).map_err(S::Error::custom)?;
            members.insert("at".to_owned(), time_of(seconds));
            members.insert("who".to_owned(), record.who.iter().map(asker).collect());
        }
        document.serialize(serializer)
    }
}

fn asker(asker: &Asker) -> Value {
    let Asker { identity, issuer, subject, expires_at, claims, cut } = asker;
    json!({
        "identity": identity,
        "issuer": issuer,
        "subject": subject,
        "expiresAt": expires_at.map(time_of),
        "claims": claims,
        "cut": cut,
    })
}

fn time_of(unix_seconds: i64) -> Value {
    let at = OffsetDateTime::from_unix_timestamp(unix_seconds).ok();
    at.and_then(|at| at.format(&Rfc3339).ok()).into()
}
