//! A token that somebody holds, tested as a gateway tests it, beside the rules that name whom it
//! proves. Nothing of it is told but its subject and the claims that rules ask for.

use std::{collections::BTreeMap, fs, path::Path};

use gw_model::{
    api::{AccessRule, Who},
    clock::Clock,
    desired::Desired,
};
use gw_net::{client::Client, issuer::published};
use gw_policy::{
    keys::KeySet,
    principal::Principal,
    token::{TokenRefusal, TrustedIssuers, Unverified, claimed, verify},
};

use super::Link;
use crate::{compose::SystemClock, exit::Failure, words::clock_text};

/// More values of a claim, or more rules, than these are counted and not listed.
const LISTED_MAX: usize = 8;

/// What was found out about a token.
struct Tested {
    principals: Vec<Principal>,
    /// Why its signature could not be looked at.
    unproven: Option<String>,
}

/// The token beside the rules that name whom it proves. A rule that does not match it may well be
/// meant for others, so none of this makes the token a broken one.
#[derive(Default)]
struct Beside<'a> {
    met: Vec<String>,
    /// Claims that it does not have, and the rules that ask for them.
    absent: BTreeMap<&'a str, Vec<String>>,
    /// What it has, and rules want otherwise.
    others: Vec<String>,
}

/// What of a rule no call with the token can fulfil.
enum Lack<'a> {
    /// The token has no claim of that name.
    Absent(&'a str),
    /// It has the claim, and none of the values that the rule accepts.
    Other { claim: &'a str, accepted: &'a [String] },
}

/// Whether a gateway takes the token, and which rules it meets.
pub(super) async fn test(desired: &Desired, client: &Client, file: &Path) -> Result<Link, Failure> {
    let text = fs::read_to_string(file)
        .map_err(|error| Failure::wrong(format!("cannot read `{}`: {error}", file.display())))?;
    let name = format!("token {}", file.file_name().unwrap_or_default().to_string_lossy());
    Ok(examine(desired, client, &name, text.trim()).await)
}

async fn examine(desired: &Desired, client: &Client, name: &str, text: &str) -> Link {
    let refused = |refusal: TokenRefusal| Link::broken(name, refusal.operator(), repair(&refusal));
    let token = match Unverified::parse(text) {
        Ok(token) => token,
        Err(refusal) => return refused(refusal),
    };
    let Tested { principals, unproven } = match prove(desired, client, &token).await {
        Ok(tested) => tested,
        Err(refusal) => return refused(refusal),
    };
    let found = held(&principals);
    let mut link = match unproven {
        None => Link::good(name, format!("{found}, its signature holds")),
        Some(why) => Link::broken(
            name,
            format!("{found}, if its signature holds: {why}"),
            "see the identity above: without keys the gateway refuses every token of it",
        ),
    };
    link.notes = Beside::of(desired, &principals).notes(&principals, &token);
    link
}

impl<'a> Beside<'a> {
    /// Looks at every rule that names one of them and has not ended.
    fn of(desired: &'a Desired, principals: &'a [Principal]) -> Self {
        let today = SystemClock.now().date();
        let mut beside = Self::default();
        let rules = desired.apis.values().flat_map(|api| &api.spec.access);
        let rules = rules.filter(|rule| rule.until.is_none_or(|until| today <= until));
        for (rule, (principal, lacks)) in
            rules.filter_map(|rule| Some((rule, nearest(rule, principals)?)))
        {
            let at = rule.at.to_string();
            if lacks.is_empty() {
                beside.met.push(met(rule, &at));
            }
            for lack in lacks {
                match lack {
                    Lack::Absent(claim) => beside.absent.entry(claim).or_default().push(at.clone()),
                    Lack::Other { claim, accepted } => {
                        beside.others.push(other(principal, claim, accepted, &at));
                    }
                }
            }
        }
        beside
    }

    fn notes(self, principals: &[Principal], token: &Unverified<'_>) -> Vec<String> {
        let Self { met, absent, mut others } = self;
        let names = names(principals);
        if met.is_empty() && absent.is_empty() && others.is_empty() {
            return vec![format!("no rule names {names}: it may call what is public")];
        }
        let mut notes = vec![match met.as_slice() {
            [] => format!("it meets no rule that names {names}"),
            rules => format!("it meets {}", listed(rules)),
        }];
        for (claim, rules) in &absent {
            notes.push(missing(token.issuer(), claim, rules, token.leaves_out(claim)));
        }
        let more = others.len().saturating_sub(LISTED_MAX);
        others.truncate(LISTED_MAX);
        notes.extend(others);
        if more > 0 {
            notes.push(format!("and {more} more that do not match it"));
        }
        notes
    }
}

/// What of a rule is left to decide when the claims are as it wants them.
fn met(rule: &AccessRule, at: &str) -> String {
    match &rule.who {
        Who::Proven { when: Some(_), .. } => format!("{at} (where its condition holds)"),
        Who::Proven { when: None, .. } | Who::Public => at.to_owned(),
    }
}

/// Whom the token proves its holder to be, by the keys that its issuer publishes now.
async fn prove(
    desired: &Desired,
    client: &Client,
    token: &Unverified<'_>,
) -> Result<Tested, TokenRefusal> {
    let now = SystemClock.now().unix_timestamp();
    let issuers = TrustedIssuers::of(&desired.identities);
    let issuer = issuers.get(token.issuer())?;
    let keys = match published(issuer.url(), client).await {
        Ok(bytes) => KeySet::parse(&bytes).map_err(|refusal| refusal.to_string()),
        Err(error) => Err(error.to_string()),
    };
    let unproven = |why| {
        claimed(token, issuer, now).map(|principals| Tested { principals, unproven: Some(why) })
    };
    match keys {
        Ok(keys) => verify(token, issuer, &keys, now)
            .map(|principals| Tested { principals, unproven: None }),
        Err(why) => unproven(why),
    }
}

/// The principal that a rule names and that lacks least of it; none where it names nobody of them.
fn nearest<'a>(
    rule: &'a AccessRule,
    principals: &'a [Principal],
) -> Option<(&'a Principal, Vec<Lack<'a>>)> {
    let Who::Proven { identities, claims, when: _ } = &rule.who else { return None };
    let lacks = |principal: &'a Principal| -> Vec<Lack<'a>> {
        let lack =
            |(claim, accepted): (&'a String, &'a Vec<String>)| match principal.claims.get(claim) {
                None => Some(Lack::Absent(claim)),
                Some(values) if accepted.iter().any(|value| values.contains(value)) => None,
                Some(_) => Some(Lack::Other { claim, accepted }),
            };
        claims.iter().filter_map(lack).collect()
    };
    let named = principals.iter().filter(|principal| identities.contains(&principal.identity));
    named.map(|principal| (principal, lacks(principal))).min_by_key(|(_, lacks)| lacks.len())
}

fn held(principals: &[Principal]) -> String {
    let subject = principals.first().map(|principal| principal.subject.as_str());
    let until = principals.iter().filter_map(|principal| principal.expires_at).min();
    let until = until.and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
    let until = until.map(|at| format!(", good until {}", clock_text(at))).unwrap_or_default();
    format!("{} by identity {}{until}", subject.unwrap_or_default(), names(principals))
}

fn names(principals: &[Principal]) -> String {
    let names: Vec<&str> = principals.iter().map(|principal| principal.identity.as_str()).collect();
    names.join(", ")
}

fn other(principal: &Principal, claim: &str, accepted: &[String], at: &str) -> String {
    let values: Vec<&String> = principal.claims.get(claim).into_iter().flatten().collect();
    let has = if values.is_empty() { "none".to_owned() } else { listed(&values) };
    format!(
        "rule {at} does not match it: claim {claim} needs {}, it has {has}",
        accepted.join(" or ")
    )
}

fn missing(issuer: &str, claim: &str, rules: &[String], left_out: bool) -> String {
    let verb = if rules.len() == 1 { "rule" } else { "rules" };
    let why =
        if left_out { "; the issuer left it out, because its holder has too many" } else { "" };
    let add = add_claim(issuer, claim, left_out);
    format!(
        "{verb} {} cannot match it: it has no claim \"{claim}\"{why}. Where it should: {add}",
        listed(rules)
    )
}

fn listed<T: AsRef<str>>(all: &[T]) -> String {
    let shown: Vec<&str> = all.iter().take(LISTED_MAX).map(AsRef::as_ref).collect();
    match all.len().saturating_sub(LISTED_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Where claims of tokens are set, by the kind of issuer; the address gives the kind away.
fn add_claim(issuer: &str, claim: &str, left_out: bool) -> String {
    let host = url::Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let host = host.unwrap_or_default();
    let is_at = |domain: &str| host == domain || host.ends_with(&format!(".{domain}"));
    if is_at("okta.com") || is_at("oktapreview.com") || is_at("okta-emea.com") {
        let server = issuer.trim_end_matches('/').rsplit('/').next().unwrap_or("default");
        format!("Okta → Security → API → {server} → Claims → add \"{claim}\" to the access token")
    } else if is_at("microsoftonline.com") || is_at("sts.windows.net") {
        let place = "Entra → App registrations → the API → Token configuration";
        if left_out {
            format!("{place} → groups claim → only groups assigned to the application")
        } else {
            format!("{place} → add \"{claim}\" to the access token")
        }
    } else {
        format!("have {issuer} put the claim \"{claim}\" into its access tokens")
    }
}

fn repair(refusal: &TokenRefusal) -> String {
    match refusal {
        TokenRefusal::Time(_) => {
            "get a new one from the issuer; look at the clocks where it is new"
        }
        TokenRefusal::UnknownIssuer => {
            "declare an identity with its issuer, spelled as in its `iss`, or get a token of a \
             declared one"
        }
        TokenRefusal::Audience { .. } => {
            "ask the issuer for one with a declared audience, or add its own to `audiences`"
        }
        TokenRefusal::Algorithm { .. } => "add what the issuer signs with to `algorithms`",
        TokenRefusal::Subject { .. } => "name a claim that its tokens have under `subject`",
        _ => "get an access token for the API from the issuer",
    }
    .to_owned()
}

#[cfg(test)]
mod tests;
