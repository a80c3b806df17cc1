//! The part of Bitbucket's query language that clients use: comparisons joined by `AND` and `OR`.
//!
//! There are no parentheses, and a comparison with a list has none of the list's.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde_json::Value;

use super::refusal::Refusal;

/// Any of these, each of which is all of its comparisons.
#[derive(Debug)]
pub(super) struct Query {
    any: Vec<Vec<Comparison>>,
}

#[derive(Debug)]
struct Comparison {
    field: String,
    operator: Operator,
    value: Value,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Contains,
    NotContains,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// The longer signs first, because the shorter begin them.
const OPERATORS: &[(&str, Operator)] = &[
    ("!=", Operator::NotEqual),
    ("!~", Operator::NotContains),
    (">=", Operator::AtLeast),
    ("<=", Operator::AtMost),
    ("=", Operator::Equal),
    ("~", Operator::Contains),
    (">", Operator::Above),
    ("<", Operator::Below),
];

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut any = vec![vec![]];
        let mut rest = text.trim();
        loop {
            let (comparison, after) = comparison(rest).ok_or_else(|| not_understood(text))?;
            if let Some(all) = any.last_mut() {
                all.push(comparison);
            }
            rest = after.trim_start();
            if rest.is_empty() {
                return Ok(Self { any });
            }
            if let Some(after) = word(rest, "AND") {
                rest = after;
            } else if let Some(after) = word(rest, "OR") {
                rest = after;
                any.push(vec![]);
            } else {
                return Err(not_understood(text));
            }
        }
    }

    pub(super) fn admits(&self, value: &Value) -> bool {
        self.any.iter().any(|all| all.iter().all(|comparison| comparison.admits(value)))
    }

    pub(super) fn names(&self, field: &str) -> bool {
        self.any.iter().flatten().any(|comparison| comparison.field == field)
    }
}

fn not_understood(text: &str) -> Refusal {
    Refusal::new(400, format!("the query `{text}` is not understood here"))
}

fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.split_once(char::is_whitespace)?;
    first.eq_ignore_ascii_case(word).then(|| rest.trim_start())
}

fn comparison(text: &str) -> Option<(Comparison, &str)> {
    let in_name = |sign: char| sign.is_alphanumeric() || sign == '_' || sign == '.';
    let end = text.find(|sign| !in_name(sign))?;
    let (field, rest) = text.split_at_checked(end).filter(|(field, _)| !field.is_empty())?;
    let rest = rest.trim_start();
    let (rest, operator) = OPERATORS
        .iter()
        .find_map(|(sign, operator)| Some((rest.strip_prefix(sign)?, *operator)))?;
    let (value, rest) = value(rest.trim_start())?;
    Some((Comparison { field: field.to_owned(), operator, value }, rest))
}

fn value(text: &str) -> Option<(Value, &str)> {
    if let Some(text) = text.strip_prefix('"') {
        let mut found = String::new();
        let mut signs = text.char_indices();
        while let Some((place, sign)) = signs.next() {
            match sign {
                '"' => return Some((Value::String(found), text.get(place + 1..)?)),
                '\\' => found.push(signs.next()?.1),
                other => found.push(other),
            }
        }
        return None;
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    // A moment in time stands without quotes, and compares as text.
    let value = serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.to_owned()));
    let is_word = value.is_string() && !word.starts_with(|sign: char| sign.is_ascii_digit());
    (!is_word).then_some((value, rest))
}

impl Comparison {
    fn admits(&self, value: &Value) -> bool {
        let fields: Vec<&str> = self.field.split('.').collect();
        let found = reach(value, &fields);
        let negative = matches!(self.operator, Operator::NotEqual | Operator::NotContains);
        let mut holds = found.iter().map(|found| self.holds(found));
        if negative { holds.all(|holds| holds) } else { holds.any(|holds| holds) }
    }

    fn holds(&self, found: &Value) -> bool {
        let text = |value: &Value| value.as_str().map(str::to_lowercase);
        let contains = || text(found).zip(text(&self.value)).is_some_and(|(a, b)| a.contains(&b));
        let order = || order(&self.field, found, &self.value);
        match self.operator {
            Operator::Equal => *found == self.value,
            Operator::NotEqual => *found != self.value,
            Operator::Contains => contains(),
            Operator::NotContains => !contains(),
            Operator::Above => order().is_some_and(Ordering::is_gt),
            Operator::AtLeast => order().is_some_and(Ordering::is_ge),
            Operator::Below => order().is_some_and(Ordering::is_lt),
            Operator::AtMost => order().is_some_and(Ordering::is_le),
        }
    }
}

/// What stands at a path; of a list, what stands there in each item.
fn reach<'a>(value: &'a Value, fields: &[&str]) -> Vec<&'a Value> {
    match (value, fields.split_first()) {
        (Value::Array(items), _) => items.iter().flat_map(|item| reach(item, fields)).collect(),
        (_, None) => vec![value],
        (_, Some((first, rest))) => reach(value.get(*first).unwrap_or(&Value::Null), rest),
    }
}

/// Permissions have an order of their own.
fn order(field: &str, one: &Value, other: &Value) -> Option<Ordering> {
    if field == "permission" {
        const RANKS: &[&str] = &["none", "read", "write", "admin"];
        let rank = |value: &Value| RANKS.iter().position(|rank| value == rank);
        return rank(one).zip(rank(other)).map(|(one, other)| one.cmp(&other));
    }
    match (one, other) {
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}
