//! Whether a change alters who may change what, or what keeps a change honest.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{
    desired::{Desired, Intake, PolicyFile},
    environment::{Apim, Builtin, ChangeRule, EnvironmentSpec, Target, Tyk},
    id::{IdentityName, TargetName},
    source::Origin,
    workspace::Identity,
};
use serde::Serialize;
use serde_json::Value;

use super::{Change, Effect, Noticed};
use crate::difference::{in_words, without_origins};

pub(super) fn compare(before: Option<&Desired>, after: &Desired, noticed: &mut Noticed) {
    let Some(before) = before else {
        noticed.push(Effect::Rules, None, "the first rules of this environment", None);
        return;
    };
    let (old, new) = (parts(before), parts(after));
    for (part, value) in new {
        let Some(was) = old.get(part).filter(|was| **was != value) else { continue };
        let told = noticed.notices.len();
        match part {
            "changes" => changes(&before.spec.changes, &after.spec.changes, noticed),
            "policies" => policies(&before.policies, &after.policies, noticed),
            _ => noticed.push_leaves(Effect::Rules, None, part, (was.clone(), value), None),
        }
        if noticed.notices.len() == told {
            noticed.push(Effect::Rules, None, format!("{part} stand in another order"), None);
        }
    }
    targets(before, after, noticed);
    let sides = (json(&before.spec.on), json(&after.spec.on));
    noticed.push_leaves(Effect::Setting, None, "on", sides, None);
    let sides = (json(&before.spec.notify), json(&after.spec.notify));
    noticed.push_leaves(Effect::Setting, None, "notify", sides, None);
}

/// Rule by rule: a rule that is the same stands where it likes.
fn changes(before: &[ChangeRule], after: &[ChangeRule], noticed: &mut Noticed) {
    let mut gone: Vec<&ChangeRule> = before.iter().collect();
    let mut come = vec![];
    for rule in after {
        match gone.iter().position(|was| json(*was) == json(rule)) {
            Some(same) => drop(gone.remove(same)),
            None => come.push(rule),
        }
    }
    for rule in come {
        let like =
            |was: &&ChangeRule| was.identities == rule.identities || was.actions == rule.actions;
        let Some(was) = gone.iter().position(like).map(|place| gone.remove(place)) else {
            let change = Change { before: "none".to_owned(), after: words(rule) };
            noticed.push_change(Effect::Rules, None, "rule", change, Some(&rule.at));
            continue;
        };
        let label = format!("rule {}", head(was));
        let sides = (json(was), json(rule));
        let told = noticed.notices.len();
        noticed.push_leaves(Effect::Rules, None, &label, sides, Some(&rule.at));
        for notice in noticed.notices.iter_mut().skip(told) {
            notice.text = notice.text.replacen(&format!("{label}."), &format!("{label}: "), 1);
        }
    }
    for rule in gone {
        let change = Change { before: words(rule), after: "none".to_owned() };
        noticed.push_change(Effect::Rules, None, "rule", change, Some(&rule.at));
    }
}

/// `local may plan, apply`.
fn head(rule: &ChangeRule) -> String {
    let identities: Vec<&str> = rule.identities.iter().map(IdentityName::as_str).collect();
    let actions: Vec<&str> = rule.actions.iter().map(|action| action.as_str()).collect();
    format!("{} may {}", identities.join(" or "), actions.join(", "))
}

/// The same, and everything that the rule asks for.
fn words(rule: &ChangeRule) -> String {
    let mut words = vec![head(rule)];
    let mut rest = json(rule);
    if let Some(members) = rest.as_object_mut() {
        members.retain(|name, _| !matches!(name.as_str(), "identities" | "actions"));
    }
    flatten("", &rest, &mut words);
    words.join(", ")
}

/// Everything that is said in a value: `commit.branch main`.
fn flatten(path: &str, value: &Value, words: &mut Vec<String>) {
    match value {
        Value::Null | Value::Bool(false) => {}
        Value::Bool(true) => words.push(path.to_owned()),
        Value::Object(members) => {
            for (name, value) in members {
                let dot = if path.is_empty() { "" } else { "." };
                flatten(&format!("{path}{dot}{name}"), value, words);
            }
        }
        Value::Array(items) if items.is_empty() => {}
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| in_words(Some(item))).collect();
            words.push(format!("{path} {}", items.join(" or ")));
        }
        Value::Number(_) | Value::String(_) => {
            words.push(format!("{path} {}", in_words(Some(value))));
        }
    }
}

/// File by file, each with the first line that is another.
fn policies(before: &[PolicyFile], after: &[PolicyFile], noticed: &mut Noticed) {
    let by_path = |files: &[PolicyFile]| -> BTreeMap<String, String> {
        files.iter().map(|file| (file.path.clone(), file.text.clone())).collect()
    };
    let (old, new) = (by_path(before), by_path(after));
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (was, is) = (old.get(path), new.get(path));
        if was == is {
            continue;
        }
        let lines = |text: Option<&String>| -> Vec<String> {
            text.map(|text| text.lines().map(|line| line.trim().to_owned()).collect())
                .unwrap_or_default()
        };
        let (was_lines, is_lines) = (lines(was), lines(is));
        let same = was_lines.iter().zip(&is_lines).take_while(|(was, is)| was == is).count();
        let side = |file: Option<&String>, lines: &[String]| match (file, lines.get(same)) {
            (None, _) => "no such file".to_owned(),
            (Some(_), Some(line)) => format!("`{line}`"),
            (Some(_), None) => "nothing".to_owned(),
        };
        let change = Change { before: side(was, &was_lines), after: side(is, &is_lines) };
        let line = u32::try_from(same).unwrap_or(u32::MAX).saturating_add(1);
        let at = Origin { file: path.clone(), line };
        noticed.push_change(Effect::Rules, None, "policy", change, Some(&at));
    }
}

fn targets(before: &Desired, after: &Desired, noticed: &mut Noticed) {
    let (old, new) = (&before.spec.targets, &after.spec.targets);
    let names: BTreeSet<&TargetName> = old.keys().chain(new.keys()).collect();
    for name in names {
        let label = format!("target {name}");
        let mut reach = |before: String, after: String| {
            let change = Change { before, after };
            noticed.push_change(Effect::Reach, None, &label, change, None);
        };
        match (old.get(name), new.get(name)) {
            (None, Some(target)) => reach("none".to_owned(), place(target)),
            (Some(target), None) => reach(place(target), "none".to_owned()),
            (Some(was), Some(is)) => {
                if place(was) != place(is) {
                    reach(place(was), place(is));
                }
                let sides = (beside_place(was), beside_place(is));
                noticed.push_leaves(Effect::Setting, None, &label, sides, None);
            }
            (None, None) => {}
        }
    }
}

/// Where callers find a target.
fn place(target: &Target) -> String {
    match target {
        Target::Builtin(Builtin { listen, replicas: _ }) => match listen {
            Some(listen) => format!("listens at {listen}"),
            None => "listens at its default address".to_owned(),
        },
        Target::Apim(Apim { service, gateways, host, portal: _ }) => {
            let host = host.as_ref().map(|host| format!(", host {host}")).unwrap_or_default();
            let mut gateways = gateways.join(" and ");
            if !gateways.is_empty() {
                gateways = format!(", gateways {gateways}");
            }
            format!("is {service}{host}{gateways}")
        }
        Target::Tyk(Tyk { url, organization, credential: _, kind: _, secrets: _ }) => {
            let of = organization.as_ref().map(|of| format!(" of {of}")).unwrap_or_default();
            format!("is {url}{of}")
        }
    }
}

/// Every part that `touchesChangeRules` speaks of, by its name in the format.
pub(crate) fn parts(desired: &Desired) -> BTreeMap<&'static str, Value> {
    let Desired {
        workspace: _,
        source,
        intake: Intake { files, policies: policy_globs, delivery },
        environment: _,
        spec,
        identities,
        people,
        teams,
        apis: _,
        policies,
    } = desired;
    let EnvironmentSpec {
        // Values are filled in, so what they change is compared where they stand.
        values: _,
        targets: _,
        secrets,
        egress,
        changes,
        // Laid over the workspace's identities already.
        identities: _,
        drift,
        on: _,
        deletions,
        accept,
        notify: _,
    } = spec;
    let judges: BTreeMap<&IdentityName, &Identity> = identities
        .iter()
        .filter(|(name, _)| changes.iter().any(|rule| rule.identities.contains(name)))
        .collect();
    let allow = secrets.as_ref().map(|secrets| &secrets.allow);
    BTreeMap::from([
        ("source", json(source)),
        ("files", json(files)),
        ("policy globs", json(policy_globs)),
        ("delivery", json(delivery)),
        ("secrets.allow", json(&allow)),
        ("egress", json(egress)),
        ("changes", json(changes)),
        ("identities of changes", json(&judges)),
        ("drift", json(drift)),
        ("deletions", json(deletions)),
        ("accept", json(accept)),
        ("people", json(people)),
        ("teams", json(teams)),
        ("policies", json(policies)),
    ])
}

/// Everything else that a target says.
fn beside_place(target: &Target) -> Value {
    let mut value = json(target);
    let inside = value.as_object_mut().and_then(|kinds| kinds.values_mut().next());
    if let Some(members) = inside.and_then(Value::as_object_mut) {
        let place = ["listen", "service", "gateways", "host", "url", "organization"];
        members.retain(|name, _| !place.contains(&name.as_str()));
    }
    value
}

fn json<T: Serialize>(value: &T) -> Value {
    without_origins(serde_json::to_value(value).unwrap_or_default())
}
