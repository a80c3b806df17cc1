//! The grants of a snapshot in Cedar: what `show --policies` prints.
//!
//! Grants are evaluated natively; this is the same said in Cedar, so that people can read both in
//! one language and a law can hold the two to one answer.

use std::fmt::Write as _;

use gw_model::api::Who;
use time::{Time, UtcDateTime};

use crate::snapshot::{Api, Rule, Snapshot};

impl Snapshot {
    /// Every grant as a `permit`, then every forbid on calls as it was written.
    pub fn printed(&self) -> String {
        let mut text = String::new();
        for api in self.apis() {
            text.push_str(&print_api(api));
        }
        for forbid in &self.guards.forbids {
            let _ = writeln!(text, "// {}\n{}\n", forbid.source, forbid.text);
        }
        text
    }
}

/// The grants of one API.
pub fn print_api(api: &Api) -> String {
    let mut text = String::new();
    for (number, rule) in api.rules.iter().enumerate() {
        text.push_str(&print_rule(api, number, rule));
        text.push('\n');
    }
    text
}

fn print_rule(api: &Api, number: usize, rule: &Rule) -> String {
    let declared = &rule.declared;
    let mut conditions = vec![];
    if !declared.methods.is_empty() {
        let methods = list(declared.methods.iter().map(|method| method.as_str()));
        conditions.push(format!("{methods}.contains(resource.method)"));
    }
    if !declared.operations.is_empty() {
        let operations = list(declared.operations.iter().map(String::as_str));
        conditions.push(format!("{operations}.contains(resource.id)"));
    }
    let mut principal = "principal".to_owned();
    let mut when = None;
    if let Who::Proven { identities, claims, when: condition } = &declared.who {
        when = condition.as_ref();
        let member = |name: &str| format!("principal in Gatewright::Identity::{}", quote(name));
        match identities.as_slice() {
            [one] => principal = member(one.as_str()),
            [] => conditions.push("false".to_owned()),
            several => {
                let each: Vec<_> = several.iter().map(|name| member(name.as_str())).collect();
                conditions.push(format!("({})", each.join(" || ")));
            }
        }
        for (name, values) in claims {
            let tag = quote(name);
            conditions.push(if values.is_empty() {
                "false".to_owned()
            } else {
                let values = list(values.iter().map(String::as_str));
                format!("principal.hasTag({tag}) && principal.getTag({tag}).containsAny({values})")
            });
        }
    }
    if let Some(end) = declared.until.and_then(time::Date::next_day) {
        let end = UtcDateTime::new(end, Time::MIDNIGHT).date();
        conditions.push(format!("context.at < datetime(\"{end}\")"));
    }
    let (name, at) =
        (quote(&format!("api/{}/access[{number}]", api.name)), quote(&declared.at.to_string()));
    let mut text = format!("@id({name})\n@source({at})\npermit (\n  {principal},\n");
    let resource = quote(api.name.as_str());
    let _ = write!(
        text,
        "  action == Gatewright::Action::\"call\",\n  resource in Gatewright::Api::{resource}\n)"
    );
    if !conditions.is_empty() {
        let _ = write!(text, "\nwhen {{\n  {}\n}}", conditions.join(" &&\n  "));
    }
    if let Some(condition) = when {
        let _ = write!(text, "\nwhen {{\n{condition}\n}}");
    }
    text.push_str(";\n");
    text
}

fn list<'a>(values: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<_> = values.map(quote).collect();
    format!("[{}]", quoted.join(", "))
}

/// A text of Cedar: quotes, backslashes and control characters are escaped.
fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for sign in text.chars() {
        match sign {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            _ if sign.is_control() => {
                let _ = write!(quoted, "\\u{{{:x}}}", u32::from(sign));
            }
            _ => quoted.push(sign),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests;
