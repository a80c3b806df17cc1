//! What a signed request must be before anybody is asked about it.

use std::collections::BTreeSet;

use time::{
    Duration, OffsetDateTime, PrimitiveDateTime, format_description::BorrowedFormatItem,
    macros::format_description,
};
use url::Url;

use super::{LONGEST, SignedRequest};
use crate::login::refused::AwsRefusal;

/// Ours: whom the request is signed for.
pub(super) const AUDIENCE: &str = "x-gatewright-audience";
const DATE: &str = "x-amz-date";
const TOKEN: &str = "x-amz-security-token";
/// What is sent on, and what AWS signs of it. A header that is not here changes what is asked.
const SENT: [&str; 6] =
    ["authorization", AUDIENCE, "content-type", "x-amz-content-sha256", DATE, TOKEN];
/// What every client adds for itself, and so do we.
const OWN: [&str; 3] = ["content-length", "host", "user-agent"];
const FORM: &str = "application/x-www-form-urlencoded";
/// STS takes a signature for so long.
const LIFE: Duration = Duration::minutes(15);
/// How far clocks may differ.
const SKEW: Duration = Duration::minutes(5);
const WRITTEN: &[BorrowedFormatItem<'_>] =
    format_description!("[year][month][day]T[hour][minute][second]Z");

/// A request that may be sent on.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    /// Of the settings, never of the request.
    pub(super) host: &'a Url,
    pub(super) headers: Vec<(&'a str, &'a str)>,
    pub(super) body: &'a str,
    pub(super) audience: &'a str,
    pub(super) signature: &'a str,
    /// Unix seconds.
    pub(super) until: i64,
}

pub(super) fn check<'a>(
    request: &'a SignedRequest,
    hosts: &'a [Url],
    now: OffsetDateTime,
) -> Result<Checked<'a>, AwsRefusal> {
    let SignedRequest { url, headers, body } = request;
    let length = |(name, value): &(String, String)| name.len() + value.len();
    if url.len() + body.len() + headers.iter().map(length).sum::<usize>() > LONGEST {
        return Err(AwsRefusal::TooLong);
    }
    let host = hosts.iter().find(|host| host.as_str() == url).ok_or(AwsRefusal::Host)?;
    if !is_question(body) {
        return Err(AwsRefusal::Body);
    }
    let mut seen = BTreeSet::new();
    let mut sent: Vec<(&str, &str)> = vec![];
    for (written, value) in headers {
        let name = written.to_ascii_lowercase();
        if !seen.insert(name.clone()) {
            return Err(AwsRefusal::HeaderTwice);
        }
        if let Some(known) = SENT.iter().find(|known| **known == name) {
            sent.push((known, value.as_str()));
        } else if !OWN.contains(&name.as_str()) {
            return Err(AwsRefusal::Header);
        }
    }
    let header =
        |name: &str| sent.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
    let content = header("content-type").map(|it| it.split(';').next().unwrap_or_default());
    if content.is_none_or(|content| content.trim() != FORM) {
        return Err(AwsRefusal::Body);
    }
    let authorization = header("authorization").and_then(Authorization::parse);
    let authorization = authorization.ok_or(AwsRefusal::Signature)?;
    for name in ["host", DATE, AUDIENCE] {
        authorization.must_sign(name)?;
    }
    if header(TOKEN).is_some() {
        authorization.must_sign(TOKEN)?;
    }
    let date = header(DATE).ok_or(AwsRefusal::Signature)?;
    let audience = header(AUDIENCE).ok_or(AwsRefusal::NotSigned { header: AUDIENCE })?;
    // Whatever else is signed is sent as it was signed, or the signature could not hold.
    let signed = |name: &&str| *name == "host" || header(name).is_some();
    if !authorization.signed.iter().all(signed) {
        return Err(AwsRefusal::Header);
    }
    let at = PrimitiveDateTime::parse(date, WRITTEN).map_err(|_| AwsRefusal::Signature)?;
    let at = at.assume_utc();
    if !date.starts_with(authorization.day) {
        return Err(AwsRefusal::Signature);
    }
    if now >= at + LIFE || at > now + SKEW {
        return Err(AwsRefusal::Date);
    }
    let until = (at + LIFE).unix_timestamp();
    let signature = authorization.signature;
    Ok(Checked { host, headers: sent, body, audience, signature, until })
}

/// Whether a body asks who somebody is, and nothing else.
fn is_question(body: &str) -> bool {
    let mut parts: Vec<&str> = body.split('&').collect();
    parts.sort_unstable();
    parts == ["Action=GetCallerIdentity", "Version=2011-06-15"]
}

/// `AWS4-HMAC-SHA256 Credential=ID/DAY/REGION/sts/aws4_request, SignedHeaders=a;b, Signature=…`
struct Authorization<'a> {
    day: &'a str,
    signed: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Authorization<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let fields = text.strip_prefix("AWS4-HMAC-SHA256 ")?;
        let mut fields = fields.split(',').map(str::trim);
        let credential = fields.next()?.strip_prefix("Credential=")?;
        let signed = fields.next()?.strip_prefix("SignedHeaders=")?;
        let signature = fields.next()?.strip_prefix("Signature=")?;
        let mut scope = credential.split('/');
        let (id, day, region) = (scope.next()?, scope.next()?, scope.next()?);
        let service = scope.next() == Some("sts") && scope.next() == Some("aws4_request");
        let over = fields.next().is_none() && scope.next().is_none();
        let is_day = day.len() == 8 && day.bytes().all(|byte| byte.is_ascii_digit());
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let is_signature = signature.len() == 64 && signature.bytes().all(hex);
        let signed: Vec<_> = signed.split(';').collect();
        let sorted = signed.is_sorted_by(|one, two| one < two);
        let whole = service && over && is_day && is_signature && sorted;
        (whole && !id.is_empty() && !region.is_empty()).then_some(Self { day, signed, signature })
    }

    fn must_sign(&self, header: &'static str) -> Result<(), AwsRefusal> {
        let signed = self.signed.contains(&header);
        if signed { Ok(()) } else { Err(AwsRefusal::NotSigned { header }) }
    }
}
