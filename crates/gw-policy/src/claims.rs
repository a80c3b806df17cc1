//! What a token says, as sets of texts: the one form that rules see.
//!
//! A list becomes its elements, a text one element, `scope` and `scp` are split at spaces, numbers
//! and true or false become their text. An object has no such form; `rename` reaches into it.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    json::{Object, Value},
    principal::{ClaimSet, LEFT_OUT},
};

/// All claims, after renaming. A renamed claim comes from its path alone, never from a claim that
/// happens to have the new name.
pub(crate) fn claims(token: &Object, rename: &BTreeMap<String, String>) -> ClaimSet {
    let mut claims = ClaimSet::new();
    for (name, value) in token.iter().filter(|(name, _)| !rename.contains_key(*name)) {
        insert(&mut claims, name, value);
    }
    for (name, path) in rename {
        if let Some(value) = find(token, path) {
            insert(&mut claims, name, value);
        }
    }
    match left_out(token, rename) {
        names if names.is_empty() => claims.remove(LEFT_OUT),
        names => claims.insert(LEFT_OUT.to_owned(), names),
    };
    claims
}

/// The claims that the issuer says it has and left out, under the names that rules know them by. A text
/// or a list of that name says nothing of the kind.
fn left_out(token: &Object, rename: &BTreeMap<String, String>) -> BTreeSet<String> {
    let elsewhere = token.get(LEFT_OUT).and_then(Value::object);
    let named = elsewhere.into_iter().flat_map(Object::iter).map(|(name, _)| name);
    let many = token.has("hasgroups").then_some("groups");
    let absent: BTreeSet<&str> = named.chain(many).filter(|name| !token.has(name)).collect();
    let renamed = rename.iter().filter(|(_, path)| absent.contains(path.as_str()));
    let kept = absent.iter().filter(|name| !rename.contains_key(**name));
    renamed.map(|(name, _)| name.clone()).chain(kept.map(|name| (*name).to_owned())).collect()
}

/// The claim of that name, after renaming.
pub(crate) fn claim<'a>(
    token: &'a Object,
    name: &str,
    rename: &BTreeMap<String, String>,
) -> Option<&'a Value> {
    match rename.get(name) {
        Some(path) => find(token, path),
        None => token.get(name),
    }
}

/// A path names members from the outside in, with dots between. A member whose own name has dots
/// (`https://example.com/groups`) is found by its full name first.
fn find<'a>(object: &'a Object, path: &str) -> Option<&'a Value> {
    if let Some(value) = object.get(path) {
        return Some(value);
    }
    let split = |(place, _): (usize, &str)| {
        let (first, rest) = path.split_at_checked(place)?;
        find(object.get(first)?.object()?, rest.strip_prefix('.')?)
    };
    path.match_indices('.').find_map(split)
}

fn insert(claims: &mut ClaimSet, name: &str, value: &Value) {
    let texts: BTreeSet<String> = match value {
        Value::Text(text) if matches!(name, "scope" | "scp") => {
            text.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect()
        }
        Value::List(values) => values.iter().filter_map(text).collect(),
        Value::Null | Value::Object(_) => return,
        Value::Bool(_) | Value::Number(_) | Value::Text(_) => text(value).into_iter().collect(),
    };
    claims.insert(name.to_owned(), texts);
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(written) => Some(written.clone()),
        Value::Text(text) => Some(text.clone()),
        Value::Null | Value::List(_) | Value::Object(_) => None,
    }
}
