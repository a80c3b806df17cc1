//! Where the Git host lets people do something else than the rules of an environment: who merges and may
//! not apply, who may apply and cannot merge, and branches that a rule relies on and nobody guards.
//!
//! It is a report. What a merge is worth, the rules say, whatever the host lets anybody do.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{
    desired::Desired,
    environment::{ChangeAction, ChangeRule, ReleaseAction, ReleaseEvent},
    id::{IdentityName, PersonName},
    workspace::Person,
};

use super::Link;
use crate::{
    approve,
    branches::absent,
    host::{Account, Allowed, Force, HostError, Permission, Protection},
    server::Server,
};

/// What the Git host says of branches and people.
#[derive(Debug)]
struct Said {
    branches: BTreeMap<String, Result<Protection, HostError>>,
    members: Result<Vec<(Account, Permission)>, HostError>,
}

/// Whether somebody may apply, as far as rules alone say it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Applies<'a> {
    Yes(&'a ChangeRule),
    No,
    /// A claim of their token decides, or a condition.
    Unknown,
}

/// Compares what the Git host allows with what the rules do.
pub async fn compare(server: &Server, rules: &Desired) -> Vec<Link> {
    let host = &server.host;
    // What is not there has nobody to guard it, and is told where it is named.
    let view = server.repository.view();
    let absent = view.map(|view| absent(rules, &view)).unwrap_or_default();
    let mut named = branches_of(rules);
    named.retain(|branch| absent.iter().all(|absent| absent.name != *branch));
    let mut branches = BTreeMap::new();
    for branch in named {
        let protection = host.protection(&branch).await;
        branches.insert(branch, protection);
    }
    judge(rules, &Said { branches, members: host.members().await })
}

fn judge(rules: &Desired, said: &Said) -> Vec<Link> {
    let mut links = vec![];
    for (branch, protection) in &said.branches {
        let name = format!("branch {branch}");
        match protection {
            Ok(protection) => links.extend(guarded(rules, branch, protection, &name)),
            Err(error) => links.push(Link::failed(&name, error)),
        }
    }
    match &said.members {
        Ok(members) => links.extend(people(rules, members, said)),
        Err(error) => links.push(Link::failed("people", error)),
    }
    links
}

/// What is wrong with a branch that a rule relies on; one link where nothing is.
fn guarded(rules: &Desired, branch: &str, protection: &Protection, name: &str) -> Vec<Link> {
    let Protection { pushes, approvals, force, unjudged, merges: _ } = protection;
    let mut links = vec![];
    let settings = format!("Repository settings → Branch restrictions → {branch}");
    if *pushes == Allowed::Writers {
        let at = relying(rules, branch).next().map(|rule| rule.at.to_string()).unwrap_or_default();
        links.push(Link::broken(
            name,
            format!("may be pushed to without a pull request, and {at} relies on it"),
            format!("{settings} → no direct writes"),
        ));
    }
    let most = relying(rules, branch).max_by_key(|rule| approvals_of(rule));
    if let Some(rule) = most.filter(|rule| approvals_of(rule) > *approvals) {
        let wanted = approvals_of(rule);
        links.push(Link::broken(
            name,
            format!("merges with {}, and {} wants {wanted}", count_of(*approvals), rule.at),
            format!("{settings} → minimum approvals: {wanted}"),
        ));
    } else if *approvals > 0 && *force == Force::Warned {
        links.push(Link::broken(
            name,
            "merges although approvals are missing: the Git host only warns",
            format!("{settings} → prevent a merge with unresolved merge checks"),
        ));
    }
    if links.is_empty() {
        let found = format!("is guarded, and merges with {}", count_of(*approvals));
        links.push(Link::good(name, found));
    }
    if let (Some(last), true) = (links.last_mut(), *unjudged > 0) {
        last.notes.push(format!("restrictions by branching model are not counted: {unjudged}"));
    }
    links
}

/// Who may do what there, and what by the rules: strangers first.
fn people(rules: &Desired, members: &[(Account, Permission)], said: &Said) -> Vec<Link> {
    let (mut links, mut notes, mut open) = (vec![], vec![], 0_usize);
    let environment = &rules.environment;
    for (branch, protection) in &said.branches {
        let is_for_apply =
            relying(rules, branch).any(|rule| rule.actions.contains(&ChangeAction::Apply));
        let (Ok(protection), true) = (protection, is_for_apply) else { continue };
        let by_server = by_server(rules, branch);
        for (account, permission) in members {
            let Some(merges) = merges(account, *permission, protection) else {
                open += 1;
                continue;
            };
            let Some((name, person)) = known(rules, account) else {
                if merges {
                    links.push(Link::broken(
                        &format!("account {account}"),
                        format!("may merge into {branch}, and is nobody under `people`"),
                        "take away that they write, or name their account under `people`",
                    ));
                }
                continue;
            };
            match (merges, applies(rules, person), by_server) {
                (true, Applies::No, Some(rule)) => notes.push(format!(
                    "{name} may merge into {branch} and not apply to {environment}: what is merged \
                     the server applies, by {}",
                    rule.at
                )),
                (true, Applies::No, None) => links.push(Link::broken(
                    &format!("person {name}"),
                    format!("may merge into {branch}, and not apply to {environment}"),
                    format!(
                        "restrict who merges into {branch}, or name an identity of theirs in a \
                         rule for apply"
                    ),
                )),
                (false, Applies::Yes(rule), _) => notes.push(format!(
                    "{name} may apply to {environment} by {} and not merge into {branch}",
                    rule.at
                )),
                (_, Applies::Unknown, _) => open += 1,
                (true, Applies::Yes(_), _) | (false, Applies::No, _) => {}
            }
        }
    }
    if open > 0 {
        notes.push(format!("{open} not compared: a group, a claim or a condition decides"));
    }
    let found = match members.len() {
        1 => "1 account compared with the rules".to_owned(),
        many => format!("{many} accounts compared with the rules"),
    };
    links.push(Link::good("people", found).noting(notes));
    links
}

/// Whoever of the workspace has this account.
fn known<'a>(rules: &'a Desired, account: &Account) -> Option<(&'a PersonName, &'a Person)> {
    rules.people.get_key_value(approve::person_of(rules, account)?)
}

fn applies<'a>(rules: &'a Desired, person: &Person) -> Applies<'a> {
    let is_theirs = |name: &IdentityName| person.subjects.contains_key(name);
    let named = rules.spec.changes.iter().filter(|rule| {
        rule.actions.contains(&ChangeAction::Apply) && rule.identities.iter().any(is_theirs)
    });
    let (certain, open): (Vec<_>, Vec<_>) =
        named.partition(|rule| rule.claims.is_empty() && rule.when.is_none());
    match (certain.first(), open.is_empty()) {
        (Some(rule), _) => Applies::Yes(rule),
        (None, true) => Applies::No,
        (None, false) => Applies::Unknown,
    }
}

/// None: a group decides, and who is in it the Git host does not tell here.
fn merges(account: &Account, permission: Permission, protection: &Protection) -> Option<bool> {
    if permission < Permission::Write {
        return Some(false);
    }
    match &protection.merges {
        Allowed::Writers => Some(true),
        Allowed::Only { accounts, groups } => match accounts.iter().any(|it| it.is(account)) {
            true => Some(true),
            false => groups.is_empty().then_some(false),
        },
    }
}

/// By which rule the server applies what is merged into a branch.
fn by_server<'a>(rules: &'a Desired, branch: &str) -> Option<&'a ChangeRule> {
    let on = rules.spec.on.iter().flatten();
    let mut merged = on.filter(|release| {
        matches!(release.event, ReleaseEvent::Merge | ReleaseEvent::Push)
            && release.then == ReleaseAction::Apply
            && release.branch.as_deref().is_none_or(|it| it == branch)
    });
    merged.next()?;
    let is_server = |name: &IdentityName| name.as_str() == IdentityName::SERVER;
    relying(rules, branch).find(|rule| {
        rule.actions.contains(&ChangeAction::Apply) && rule.identities.iter().any(is_server)
    })
}

/// The rules that hold only for commits on this branch.
fn relying<'a>(rules: &'a Desired, branch: &str) -> impl Iterator<Item = &'a ChangeRule> {
    let is_on = move |rule: &&ChangeRule| {
        rule.commit.as_ref().and_then(|commit| commit.branch.as_deref()) == Some(branch)
    };
    rules.spec.changes.iter().filter(is_on)
}

fn branches_of(rules: &Desired) -> BTreeSet<String> {
    let changes = rules.spec.changes.iter().filter_map(|rule| rule.commit.as_ref());
    changes.filter_map(|commit| commit.branch.clone()).collect()
}

fn approvals_of(rule: &ChangeRule) -> u32 {
    rule.commit.as_ref().and_then(|commit| commit.approvals).map_or(0, u32::from)
}

fn count_of(approvals: u32) -> String {
    match approvals {
        0 => "no approval".to_owned(),
        1 => "1 approval".to_owned(),
        many => format!("{many} approvals"),
    }
}

#[cfg(test)]
mod tests;
