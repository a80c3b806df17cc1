//! One line per API: who may call what, in the words of its declaration.

#[cfg(test)]
mod tests;

use gw_model::{
    api::{AccessRule, Limit, Per, Who},
    desired::Desired,
    scalar::Method,
};

/// More lines than this nobody reads while a program starts.
const MOST_LINES: usize = 12;

/// The lines, and how many APIs are left out.
pub(super) fn lines(desired: &Desired) -> (Vec<String>, usize) {
    let width = desired.apis.keys().map(|name| name.as_str().len()).max().unwrap_or_default();
    let line = |(name, api): (&gw_model::id::ApiName, &gw_model::desired::Api)| {
        let rules = api.spec.access.iter().map(rule);
        let limits = api.spec.limits.iter().map(limit);
        let said: Vec<String> = rules.chain(limits).collect();
        let said =
            if said.is_empty() { "nobody may call it".to_owned() } else { said.join(" · ") };
        format!("{:width$}   {said}", name.as_str())
    };
    let shown = desired.apis.iter().take(MOST_LINES).map(line).collect();
    (shown, desired.apis.len().saturating_sub(MOST_LINES))
}

fn rule(rule: &AccessRule) -> String {
    let what = what(&rule.methods, &rule.operations);
    let who = match &rule.who {
        Who::Public => "anyone".to_owned(),
        Who::Proven { identities: _, claims, when } => {
            let mut parts: Vec<String> = claims
                .iter()
                .map(|(name, values)| match name.as_str() {
                    "groups" => format!("group {}", values.join(" or ")),
                    name => format!("{name} {}", values.join(" or ")),
                })
                .collect();
            if parts.is_empty() {
                parts.push("any signed-in caller".to_owned());
            }
            let condition = if when.is_some() { " under a condition" } else { "" };
            format!("{}{condition}", parts.join(" and "))
        }
    };
    format!("{what}{who}")
}

fn limit(limit: &Limit) -> String {
    let per = match limit.per {
        Per::Caller => "caller",
        Per::Api => "api",
        Per::Ip => "address",
    };
    format!("{}{} per {per}", what(&limit.methods, &limit.operations), limit.rate)
}

/// `GET, createOrder `, or nothing for all operations.
fn what(methods: &[Method], operations: &[String]) -> String {
    let methods = methods.iter().map(ToString::to_string);
    let named: Vec<String> = methods.chain(operations.iter().cloned()).collect();
    if named.is_empty() { String::new() } else { format!("{} ", named.join(", ")) }
}
