//! Bearer tokens: a JWT, the issuer that is declared and its keys become who the caller is.
//!
//! No I/O and no clock: keys and time are arguments. Every step refuses what it does not
//! understand; a refusal says why in words that never repeat a byte of the token.

mod refusal;
#[cfg(test)]
pub(crate) mod tests;
use std::collections::BTreeMap;

use gw_model::{
    id::IdentityName,
    workspace::{Algorithm, Identity, Oidc},
};

pub use self::refusal::{Moment, Part, Purpose, TokenRefusal};
pub use crate::json::JsonFault;
use crate::{
    claims,
    json::{Limits, Object, Value},
    jws::Jws,
    keys::KeySet,
    principal::Principal,
};

const CLAIM_LIMITS: Limits = Limits { bytes: 16 * 1024, depth: 16, values: 512 };

/// The last second of the year 9999: a later date is a mistake, not a date.
const LAST_DATE: i64 = 253_402_300_799;

/// The issuers that are trusted, by their exact URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedIssuers(BTreeMap<String, TrustedIssuer>);

/// One issuer and every declared identity that its tokens may prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustedIssuer {
    url: String,
    identities: Vec<(IdentityName, Oidc)>,
}

/// A token taken apart. What it says is only a claim until [`verify`] has seen the keys.
#[derive(Debug)]
pub struct Unverified<'a> {
    jws: Jws<'a>,
    claims: Object,
    issuer: String,
}

impl TrustedIssuers {
    /// Takes the identities that are proved by a token.
    pub fn of(identities: &BTreeMap<IdentityName, Identity>) -> Self {
        let mut issuers = BTreeMap::<String, TrustedIssuer>::new();
        for (name, identity) in identities {
            let Identity::Oidc(oidc) = identity else { continue };
            let url = &oidc.issuer;
            let issuer = issuers
                .entry(url.clone())
                .or_insert_with(|| TrustedIssuer { url: url.clone(), identities: vec![] });
            issuer.identities.push((name.clone(), oidc.clone()));
        }
        Self(issuers)
    }

    /// The issuer with exactly this URL: no spelling of it is like another.
    pub fn get(&self, url: &str) -> Result<&TrustedIssuer, TokenRefusal> {
        self.0.get(url).ok_or(TokenRefusal::UnknownIssuer)
    }

    pub fn iter(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.0.values()
    }
}

impl TrustedIssuer {
    pub fn url(&self) -> &str {
        &self.url
    }

    fn algorithms(&self) -> Vec<Algorithm> {
        let all = self.identities.iter().flat_map(|(_, oidc)| oidc.algorithms.iter().copied());
        all.collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }
}

impl<'a> Unverified<'a> {
    pub fn parse(token: &'a str) -> Result<Self, TokenRefusal> {
        let jws = Jws::parse(token)?;
        if !matches!(jws.media_type.as_deref(), None | Some("jwt" | "at+jwt")) {
            return Err(TokenRefusal::MediaType);
        }
        let claims = Object::parse(&jws.payload, CLAIM_LIMITS)
            .map_err(|fault| TokenRefusal::Unreadable { part: Part::Claims, fault })?;
        let issuer = claims.get("iss").and_then(Value::text).ok_or(TokenRefusal::NoIssuer)?;
        let issuer = issuer.to_owned();
        Ok(Self { jws, claims, issuer })
    }

    /// Who the token says made it: good for choosing the keys, and for nothing else.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whether the issuer says that it left this claim out, as some do where it would be too long.
    pub fn leaves_out(&self, claim: &str) -> bool {
        let elsewhere = self.claims.get("_claim_names").and_then(Value::object);
        elsewhere.is_some_and(|names| names.has(claim))
            || (claim == "groups" && self.claims.has("hasgroups"))
    }
}

/// Who the token proves its bearer to be: one principal for each identity of the issuer that holds.
/// Never an empty list. `now` is in Unix seconds.
pub fn verify(
    token: &Unverified<'_>,
    issuer: &TrustedIssuer,
    keys: &KeySet,
    now: i64,
) -> Result<Vec<Principal>, TokenRefusal> {
    if token.issuer != issuer.url {
        return Err(TokenRefusal::UnknownIssuer);
    }
    let algorithm = token.jws.algorithm;
    if !issuer.identities.iter().any(|(_, oidc)| oidc.algorithms.contains(&algorithm)) {
        return Err(TokenRefusal::Algorithm { used: algorithm, declared: issuer.algorithms() });
    }
    token.jws.verify(keys)?;
    who(token, issuer, now)
}

/// Who the token would prove its bearer to be if its signature holds. For questions about a token
/// that somebody holds, asked without the keys; never for a call.
pub fn claimed(
    token: &Unverified<'_>,
    issuer: &TrustedIssuer,
    now: i64,
) -> Result<Vec<Principal>, TokenRefusal> {
    if token.issuer == issuer.url {
        who(token, issuer, now)
    } else {
        Err(TokenRefusal::UnknownIssuer)
    }
}

fn who(
    token: &Unverified<'_>,
    issuer: &TrustedIssuer,
    now: i64,
) -> Result<Vec<Principal>, TokenRefusal> {
    only_access(token)?;
    let mut nearest = None::<TokenRefusal>;
    let mut principals = Vec::new();
    for (name, oidc) in &issuer.identities {
        match principal(token, name, oidc, now) {
            Ok(principal) => principals.push(principal),
            Err(refusal) => {
                nearest = nearest.into_iter().chain([refusal]).max_by_key(TokenRefusal::progress);
            }
        }
    }
    match nearest {
        Some(refusal) if principals.is_empty() => Err(refusal),
        Some(_) | None => Ok(principals),
    }
}

/// Refuses what the issuer signs for another purpose. `at+jwt` says what the token is for; without
/// it an ID token can only be known by the members that nothing else has.
fn only_access(token: &Unverified<'_>) -> Result<(), TokenRefusal> {
    let claims = &token.claims;
    if claims.has("cnf") {
        return Err(TokenRefusal::Bound);
    }
    if claims.has("events") {
        return Err(TokenRefusal::Purpose(Purpose::Event));
    }
    let purpose = claims.get("typ").and_then(Value::text).map(str::to_ascii_lowercase);
    match purpose.as_deref() {
        Some("id") => return Err(TokenRefusal::Purpose(Purpose::Identity)),
        Some("refresh" | "offline") => return Err(TokenRefusal::Purpose(Purpose::Refresh)),
        Some("logout") => return Err(TokenRefusal::Purpose(Purpose::Event)),
        Some(_) | None => {}
    }
    let of_identity = ["nonce", "at_hash", "c_hash", "s_hash"];
    let untyped = token.jws.media_type.as_deref() != Some("at+jwt");
    if untyped && of_identity.iter().any(|name| claims.has(name)) {
        return Err(TokenRefusal::Purpose(Purpose::Identity));
    }
    Ok(())
}

/// What this identity asks of the token, in an order that makes the last refusal the nearest one.
fn principal(
    token: &Unverified<'_>,
    name: &IdentityName,
    oidc: &Oidc,
    now: i64,
) -> Result<Principal, TokenRefusal> {
    let algorithm = token.jws.algorithm;
    if !oidc.algorithms.contains(&algorithm) {
        let declared = oidc.algorithms.clone();
        return Err(TokenRefusal::Algorithm { used: algorithm, declared });
    }
    if !has_audience(&token.claims, &oidc.audiences) {
        return Err(TokenRefusal::Audience { accepted: oidc.audiences.clone() });
    }
    let expires_at = valid_until(&token.claims, oidc, now)?;
    let subject = claims::claim(&token.claims, &oidc.subject, &oidc.rename)
        .and_then(Value::text)
        .filter(|subject| !subject.is_empty())
        .ok_or_else(|| TokenRefusal::Subject { claim: oidc.subject.clone() })?;
    Ok(Principal {
        identity: name.clone(),
        issuer: token.issuer.clone(),
        subject: subject.to_owned(),
        claims: claims::claims(&token.claims, &oidc.rename),
        expires_at: Some(expires_at),
    })
}

fn has_audience(claims: &Object, accepted: &[String]) -> bool {
    let names = |value: &Value| value.text().is_some_and(|text| accepted.iter().any(|a| a == text));
    match claims.get("aud") {
        Some(Value::List(audiences)) => {
            audiences.iter().all(|one| one.text().is_some()) && audiences.iter().any(names)
        }
        Some(one) => names(one),
        None => false,
    }
}

/// The first second at which the token is worth nothing, the allowed skew included.
fn valid_until(claims: &Object, oidc: &Oidc, now: i64) -> Result<i64, TokenRefusal> {
    let skew = i64::try_from(oidc.clock_skew.as_ms() / 1_000).unwrap_or(LAST_DATE);
    let expiry = date(claims, "exp")?.ok_or(TokenRefusal::NoExpiry)?;
    let until = expiry.saturating_add(skew);
    if now >= until {
        return Err(TokenRefusal::Time(Moment::Expired { seconds: now.saturating_sub(expiry) }));
    }
    let ahead = |date: i64| date.saturating_sub(now);
    if let Some(start) = date(claims, "nbf")?.filter(|start| ahead(*start) > skew) {
        return Err(TokenRefusal::Time(Moment::NotYet { seconds: ahead(start) }));
    }
    if let Some(issue) = date(claims, "iat")?.filter(|issue| ahead(*issue) > skew) {
        return Err(TokenRefusal::Time(Moment::IssuedLater { seconds: ahead(issue) }));
    }
    Ok(until)
}

/// A whole number of seconds: no sign, no fraction, no exponent.
fn date(claims: &Object, name: &'static str) -> Result<Option<i64>, TokenRefusal> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let Value::Number(written) = value else { return Err(TokenRefusal::Date { claim: name }) };
    let date = written.parse().ok().filter(|date| (0..=LAST_DATE).contains(date));
    date.map(Some).ok_or(TokenRefusal::Date { claim: name })
}
