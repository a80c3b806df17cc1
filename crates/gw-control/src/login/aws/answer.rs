//! What STS answers, and who that is.

use std::collections::BTreeSet;

use gw_model::id::IdentityName;
use gw_policy::principal::{ClaimSet, Principal};

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    /// Of the user or of the role. The path of a role is lost, and its session is no part of it.
    pub(super) arn: String,
    pub(super) account: String,
    /// Of the user or of the role; another one once it was deleted and made again.
    unique_id: String,
}

impl Answered {
    /// The XML of `GetCallerIdentityResponse`. Whatever is not exactly that is nothing.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(body).ok()?;
        text.contains("<GetCallerIdentityResult>").then_some(())?;
        let (arn, account) = (element(text, "Arn")?, element(text, "Account")?);
        let unique_id = element(text, "UserId")?.split(':').next()?;
        let mut parts = arn.splitn(6, ':');
        let (scheme, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, owner, resource) = (parts.next()?, parts.next()?, parts.next()?);
        if scheme != "arn" || !region.is_empty() || owner != account {
            return None;
        }
        let arn = match (service, resource.strip_prefix("assumed-role/")) {
            ("sts", Some(assumed)) => {
                let (role, _session) = assumed.split_once('/')?;
                format!("arn:{partition}:iam::{account}:role/{role}")
            }
            ("iam" | "sts", None) => arn.to_owned(),
            _ => return None,
        };
        Some(Self { arn, account: account.to_owned(), unique_id: unique_id.to_owned() })
    }

    pub(super) fn principal(&self, identity: IdentityName, until: i64) -> Principal {
        let one = |text: &str| BTreeSet::from([text.to_owned()]);
        let claims = ClaimSet::from([
            ("account".to_owned(), one(&self.account)),
            ("arn".to_owned(), one(&self.arn)),
            ("userId".to_owned(), one(&self.unique_id)),
        ]);
        let partition = self.arn.split(':').nth(1).unwrap_or_default();
        Principal {
            identity,
            // Whichever host was asked, it is the same account.
            issuer: format!("arn:{partition}:iam::{}", self.account),
            subject: self.arn.clone(),
            claims,
            expires_at: Some(until),
        }
    }
}

/// The text of the one element of that name.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut found = text.match_indices(&open);
    let (start, _) = found.next()?;
    let content = text.get(start + open.len()..)?.split(&close).next()?;
    let plain = !content.is_empty() && !content.contains(['<', '>', '&']);
    (plain && found.next().is_none()).then_some(content)
}
