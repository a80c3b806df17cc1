//! From what must hold to the objects of a generation, and to the calls that prove it. Pure.

use std::collections::BTreeSet;

use gw_model::{
    api::{AccessRule, Native, Who},
    code::Code,
    desired::{Api, Desired},
    diagnostic::Diagnostic,
    environment::Target,
    id::{IdentityName, TargetName},
    openapi::Operation,
    scalar::Method,
    workspace::Identity,
};
use gw_plan::{
    difference::without_origins,
    driver::{Answer, Lowered, Object, Probe, Token},
};
use gw_policy::{
    access::address_of,
    generation::{GatewayPart, Part},
};
use serde_json::Value;

use super::{Overseer, capabilities};

/// So many APIs are probed; more would make each apply of a large workspace slow.
const PROBED_APIS: usize = 10;

/// A path that no document lists.
const UNLISTED: &str = "/gatewright-probe/no-such-path";

pub(super) fn lower(desired: &Desired, target: &TargetName, overseer: Overseer) -> Lowered {
    let diagnostics = capabilities::missing(desired, target, overseer);
    let mut lowered = Lowered { objects: vec![], diagnostics };
    for part in parts(desired, target) {
        match part.object() {
            Ok(object) => lowered.objects.push(object),
            Err(error) => {
                let message = format!("an object cannot be written: {error}");
                lowered.diagnostics.push(Diagnostic::new(Code::TargetBroken, message));
            }
        }
    }
    lowered
}

fn parts(desired: &Desired, target: &TargetName) -> Vec<Part> {
    let Some(Target::Builtin(settings)) = desired.spec.targets.get(target) else { return vec![] };
    let apis: Vec<_> =
        desired.apis.iter().filter(|(_, api)| api.spec.targets.contains(target)).collect();
    let named: BTreeSet<&IdentityName> =
        apis.iter().flat_map(|(_, api)| &api.spec.access).flat_map(identities).collect();
    let mut parts = vec![Part::Gateway(GatewayPart {
        workspace: desired.workspace.clone(),
        source: desired.source.clone(),
        settings: settings.clone(),
        egress: desired.spec.egress.clone(),
        secrets: desired.spec.secrets.clone(),
    })];
    let identity = |(name, identity): (&IdentityName, &Identity)| Part::Identity {
        name: name.clone(),
        identity: identity.clone(),
    };
    let called = desired.identities.iter().filter(|(name, _)| named.contains(name));
    parts.extend(called.map(identity));
    parts.extend(desired.policies.iter().cloned().map(Part::Policy));
    for (name, api) in apis {
        let mut api = api.clone();
        // A generation is for one target of one environment.
        api.spec.targets = vec![target.clone()];
        api.spec.environments = vec![];
        api.spec.native = Native::default();
        parts.push(Part::Api { name: name.clone(), api: Box::new(api) });
    }
    parts
}

fn identities(rule: &AccessRule) -> &[IdentityName] {
    match &rule.who {
        Who::Public => &[],
        Who::Proven { identities, claims: _, when: _ } => identities,
    }
}

/// Origins do not count, and lists that are sets have one order.
pub(super) fn canonical(object: &Object) -> Value {
    let mut body = without_origins(object.body.value());
    order_sets(&mut body);
    body
}

/// Lists whose order means nothing, by the name they have in the format.
const SETS: [&str; 6] =
    ["methods", "operations", "identities", "audiences", "algorithms", "egress"];

fn order_sets(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members.iter_mut() {
                if SETS.contains(&key.as_str()) {
                    order(member);
                } else if key == "claims"
                    && let Value::Object(claims) = member
                {
                    claims.values_mut().for_each(order);
                }
                order_sets(member);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(order_sets),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn order(list: &mut Value) {
    if let Value::Array(items) = list
        && items.iter().all(Value::is_string)
    {
        items.sort_by(|one, other| one.as_str().cmp(&other.as_str()));
        items.dedup();
    }
}

/// Strangers are refused, unlisted paths do not exist, and what is public is let through.
pub(super) fn probes(desired: &Desired, target: &TargetName) -> Vec<Probe> {
    let mut probes = vec![];
    if !desired.spec.targets.contains_key(target) {
        // Taken out of the environment: whoever still listens there says nothing about it.
        return probes;
    }
    let here = desired.apis.values().filter(|api| api.spec.targets.contains(target));
    for api in here.take(PROBED_APIS) {
        let first = |of: fn(&Api, &Operation, &Desired) -> bool| {
            api.operations.iter().find(|operation| of(api, operation, desired))
        };
        if let Some(operation) = first(is_protected) {
            probes.push(probe("no token", api, operation, Token::None, Answer::Status(401)));
            let name = "token of another issuer";
            let token = Token::OfAnotherIssuer;
            probes.push(probe(name, api, operation, token, Answer::Status(401)));
        }
        if let Some(operation) = first(is_open) {
            probes.push(probe("public", api, operation, Token::None, Answer::LetThrough));
        }
    }
    probes.push(Probe {
        name: "unlisted path".to_owned(),
        method: Method::Get,
        host: None,
        path: UNLISTED.to_owned(),
        token: Token::None,
        expect: Answer::Status(404),
    });
    probes
}

fn probe(name: &str, api: &Api, operation: &Operation, token: Token, expect: Answer) -> Probe {
    let address = address_of(api, operation);
    let segment =
        |segment: &str| if segment.contains('{') { "probe".to_owned() } else { segment.to_owned() };
    Probe {
        name: name.to_owned(),
        method: operation.method,
        host: address.host,
        path: address.path.split('/').map(segment).collect::<Vec<_>>().join("/"),
        token,
        expect,
    }
}

fn rules<'a>(
    api: &'a Api,
    operation: &'a Operation,
) -> impl Iterator<Item = &'a AccessRule> + use<'a> {
    api.spec.access.iter().filter(|rule| rule.selection().covers(operation))
}

/// Somebody may call it, and only with a token.
fn is_protected(api: &Api, operation: &Operation, desired: &Desired) -> bool {
    let mut rules = rules(api, operation).peekable();
    let by_token =
        |name: &IdentityName| matches!(desired.identities.get(name), Some(Identity::Oidc(_)));
    rules.peek().is_some()
        && rules.all(|rule| {
            let identities = identities(rule);
            rule.until.is_none() && !identities.is_empty() && identities.iter().all(by_token)
        })
}

/// Anyone may call it, and calling it changes nothing.
fn is_open(api: &Api, operation: &Operation, desired: &Desired) -> bool {
    operation.method == Method::Get
        && !operation.path.contains('{')
        && desired.policies.is_empty()
        && rules(api, operation).any(|rule| rule.until.is_none() && rule.who == Who::Public)
}
