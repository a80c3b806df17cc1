//! Who may change an environment, by which rule and provided what: before there is anything to judge.
//!
//! It tells what the rules say, and grants nothing: whether a change may be made is judged when it is
//! wanted, with the facts of then.

use std::fmt;

use gw_model::{
    desired::Desired,
    environment::{ChangeAction, ChangeRule, CommitRule, Hours},
    id::{EnvironmentName, IdentityName, PersonName},
    shape::nearest,
    source::Origin,
};
use serde::Serialize;

use super::{ChangeRules, Missing, is_reserved};
use crate::principal::{Caller, ClaimSet, Principal};

/// Whom it is asked about.
#[derive(Clone, Debug, PartialEq)]
pub enum Whom {
    Everybody,
    Somebody {
        /// As they were written.
        name: String,
        caller: Caller,
    },
    /// Whoever brings a commit of this branch.
    Branch(String),
}

/// What the rules of an environment say of one action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rights {
    pub action: ChangeAction,
    pub environment: EnvironmentName,
    /// Of whom it was asked. None: of everybody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// The rules by which it may be done.
    pub grants: Vec<Ruling>,
    /// Rules that name the action and do not hold for whom it was asked about: the nearest first.
    pub others: Vec<Ruling>,
    /// Policies that may take it away, whoever has it.
    pub forbids: Vec<Forbidding>,
}

/// A rule, and for whom it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ruling {
    pub at: Origin,
    pub identities: Vec<IdentityName>,
    /// `groups: platform or oncall`
    pub claims: Vec<String>,
    /// What must hold beside: a commit on a branch, approvals, hours.
    pub provided: Vec<String>,
    /// What whoever was asked about does not have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    pub owner: Option<String>,
    pub because: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Forbidding {
    pub id: String,
    pub at: Origin,
    pub because: Option<String>,
}

impl Whom {
    /// Whom a text means: `anyone`, `IDENTITY`, `IDENTITY:SUBJECT`, `person/NAME` for every identity of
    /// theirs, or `branch/NAME`. None: nobody is called so here.
    pub fn parse(rules: &Desired, text: &str, claims: &ClaimSet) -> Option<Self> {
        let principal = |identity: &IdentityName, subject: &str| Principal {
            identity: identity.clone(),
            issuer: String::new(),
            subject: subject.to_owned(),
            claims: claims.clone(),
            expires_at: None,
        };
        if let Some(branch) = text.strip_prefix("branch/") {
            return (!branch.is_empty()).then(|| Self::Branch(branch.to_owned()));
        }
        let principals = if text == "anyone" {
            vec![]
        } else if let Some(name) = text.strip_prefix("person/") {
            let person = rules.people.get(&PersonName::parse(name).ok()?)?;
            person.subjects.iter().map(|(name, subject)| principal(name, subject)).collect()
        } else {
            let (identity, subject) = text.split_once(':').unwrap_or((text, ""));
            let identity = IdentityName::parse(identity).ok()?;
            let is_known = is_reserved(&identity) || rules.identities.contains_key(&identity);
            is_known.then(|| vec![principal(&identity, subject)])?
        };
        Some(Self::Somebody { name: text.to_owned(), caller: Caller { principals } })
    }

    fn name(&self) -> Option<String> {
        match self {
            Self::Everybody => None,
            Self::Somebody { name, .. } => Some(name.clone()),
            Self::Branch(branch) => Some(format!("branch/{branch}")),
        }
    }
}

impl ChangeRules<'_> {
    /// What the rules say of an action.
    pub fn rights(&self, action: ChangeAction, whom: &Whom) -> Rights {
        let rules = self.desired.spec.changes.iter();
        let naming = rules.filter(|rule| rule.actions.contains(&action));
        let all = naming.map(|rule| self.ruling(rule, action, whom));
        let (grants, mut others): (Vec<_>, Vec<_>) = all.partition(|it| it.lacks.is_empty());
        others.sort_by_key(|ruling| ruling.lacks.len());
        let forbids = self.forbids.iter().filter(|forbid| forbid.judges(action.as_str()));
        let forbids = forbids.map(|forbid| Forbidding {
            id: forbid.id.clone(),
            at: forbid.source.clone(),
            because: forbid.reason.clone(),
        });
        let (environment, who) = (self.desired.environment.clone(), whom.name());
        Rights { action, environment, who, grants, others, forbids: forbids.collect() }
    }

    fn ruling(&self, rule: &ChangeRule, action: ChangeAction, whom: &Whom) -> Ruling {
        // What is reserved may less than a rule says.
        let barred = |name: &IdentityName| {
            is_reserved(name).then(|| self.refuse_reserved(name, rule, action)).flatten()
        };
        let able: Vec<_> =
            rule.identities.iter().filter(|it| barred(it).is_none()).cloned().collect();
        let mut lacks = match whom {
            Whom::Somebody { caller, .. } => self
                .lacks(rule, caller, action)
                .into_iter()
                .map(|Missing { needs, .. }| needs)
                .collect(),
            Whom::Everybody | Whom::Branch(_) if able.is_empty() => {
                rule.identities.iter().filter_map(barred).collect()
            }
            Whom::Everybody | Whom::Branch(_) => vec![],
        };
        let wanted = rule.commit.as_ref().and_then(|commit| commit.branch.as_ref());
        if let (Whom::Branch(branch), Some(wanted)) = (whom, wanted)
            && branch != wanted
        {
            lacks.push(format!("a commit on branch {wanted}"));
        }
        let claim = |(name, values): (&String, &Vec<String>)| format!("{name}: {}", or(values));
        Ruling {
            at: rule.at.clone(),
            identities: if able.is_empty() { rule.identities.clone() } else { able },
            claims: rule.claims.iter().map(claim).collect(),
            provided: provided(rule, action),
            lacks,
            owner: rule.owner.clone(),
            because: rule.because.clone(),
        }
    }
}

impl Rights {
    /// Whether any rule grants it.
    pub fn is_granted(&self) -> bool {
        !self.grants.is_empty()
    }
}

/// The action of this name.
pub fn action(name: &str) -> Option<ChangeAction> {
    ChangeAction::ALL.into_iter().find(|action| action.as_str() == name)
}

/// What helps whoever wrote a name that nobody has.
pub fn known(rules: &Desired, written: &str) -> String {
    let people = || rules.people.keys().map(|name| format!("person/{name}"));
    let identities = rules.identities.keys().map(ToString::to_string);
    let known: Vec<String> = identities.chain(people()).collect();
    let bare = format!("person/{written}");
    let near = match known.contains(&bare) {
        true => Some(bare.as_str()),
        false => nearest(written, known.iter().map(String::as_str)),
    };
    match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are: anyone, branch/NAME, {}", known.join(", ")),
    }
}

/// What a rule asks for beside whom it is for.
fn provided(rule: &ChangeRule, action: ChangeAction) -> Vec<String> {
    let mut provided = vec![];
    if let Some(CommitRule { branch, tag, approvals, signed, verified_in }) = &rule.commit {
        provided.extend(branch.iter().map(|branch| format!("a commit on branch {branch}")));
        provided.extend(tag.iter().map(|tag| format!("a tag like {tag}")));
        match approvals {
            None | Some(0) => {}
            Some(1) => provided.push("1 approval".to_owned()),
            Some(count) => provided.push(format!("{count} approvals")),
        }
        if *signed == Some(true) {
            provided.push("signed by a key of `people`".to_owned());
        }
        provided.extend(verified_in.iter().map(|it| format!("the same source verified in {it}")));
    }
    if let Some(Hours { from, to, zone, days }) = &rule.hours {
        let days = days.iter().map(|day| day.as_str()).collect::<Vec<_>>().join(" ");
        provided.push(format!("{days} {from} to {to} {zone}"));
    }
    let writes =
        matches!(action, ChangeAction::Apply | ChangeAction::Rollback | ChangeAction::BreakGlass);
    if writes && !rule.deletes {
        provided.push("nothing is deleted".to_owned());
    }
    provided.extend(rule.when.iter().map(|when| format!("condition `{when}`")));
    provided
}

fn or<'a, T: ToString + 'a>(values: impl IntoIterator<Item = &'a T>) -> String {
    values.into_iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (action, environment) = (self.action.as_str(), &self.environment);
        match (&self.who, self.is_granted()) {
            (None, true) => writeln!(f, "{action} in {environment}")?,
            (None, false) => writeln!(f, "{action} in {environment}: nobody may")?,
            (Some(who), true) => writeln!(f, "YES  {who} may {action} in {environment}")?,
            (Some(who), false) => writeln!(f, "NO   {who} may not {action} in {environment}")?,
        }
        for ruling in &self.grants {
            writeln!(f, "  ✔ {ruling}")?;
        }
        for ruling in &self.others {
            writeln!(f, "  ✘ {ruling}")?;
        }
        for Forbidding { id, at, because } in &self.forbids {
            let place = at.to_string();
            // A policy without `@id` is called by its place.
            let called = if *id == place { place } else { format!("{id} ({place})") };
            writeln!(f, "  policy {called} may take it away")?;
            if let Some(because) = because {
                writeln!(f, "      \"{because}\"")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Ruling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}   {}", self.at, or(&self.identities))?;
        for claim in &self.claims {
            write!(f, " · {claim}")?;
        }
        if !self.provided.is_empty() {
            write!(f, "\n      provided: {}", self.provided.join(", "))?;
        }
        if !self.lacks.is_empty() {
            write!(f, "\n      lacks: {}", self.lacks.join(", "))?;
        }
        let owner = self.owner.as_deref().unwrap_or("nobody is named");
        let because = self.because.as_deref().unwrap_or("no reason is given");
        write!(f, "\n      owner: {owner} · because: {because}")
    }
}

#[cfg(test)]
mod tests;
