//! Everything about an API that is neither access nor a limit. The specification is taken apart
//! without a rest pattern: a new field does not compile until it is said here what it means.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{
    api::{ApiSpec, Native, Upstream, UpstreamAuth, Validate},
    desired::{Api, Desired},
    environment::Target,
    id::{ApiName, SecretName, TargetName},
    scalar::ByteSize,
    source::Origin,
};
use serde::Serialize;

use super::{Change, Effect, Noticed};
use crate::difference::without_origins;

/// An API, and the targets of its environment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Side<'a> {
    pub(super) api: &'a Api,
    pub(super) targets: &'a BTreeMap<TargetName, Target>,
}

pub(super) fn compare(
    name: &ApiName,
    before: Option<Side<'_>>,
    after: Side<'_>,
    noticed: &mut Noticed,
) {
    let old_native = before.map(|before| before.native());
    let (new_native, api) = (after.native(), after.api);
    let before = before.map(|before| &before.api.spec);
    let ApiSpec {
        owner,
        // Whose file it is changes nothing; its operations are compared one by one.
        openapi: _,
        version,
        targets,
        environments: _,
        listen,
        upstream,
        access: _,
        limits: _,
        cors,
        headers,
        validate,
        max_body,
        // Compared as far as a target takes it.
        native: _,
    } = &api.spec;
    let mut told = Told { name, at: &api.at, noticed };
    let old_upstream = before.map(|before| &before.upstream);
    told.secrets(old_upstream, upstream);
    told.native(old_native.as_ref(), &new_native);
    let Some(before) = before else { return };
    told.upstream(&before.upstream, upstream);
    told.validation(before.validate, *validate);
    told.body(before.max_body, *max_body);
    told.setting("owner", &before.owner, owner);
    told.setting("version", &before.version, version);
    told.targets(&before.targets, targets);
    told.differ(Effect::Reach, "listen", &before.listen, listen);
    told.setting("cors", &before.cors, cors);
    told.setting("headers", &before.headers, headers);
}

impl<'a> Side<'a> {
    pub(super) fn of(desired: &'a Desired, name: &ApiName) -> Option<Self> {
        let targets = &desired.spec.targets;
        desired.apis.get(name).map(|api| Self { api, targets })
    }

    /// What is written for kinds of targets that the API goes to.
    fn native(&self) -> Native {
        let ApiSpec { targets, native: Native { apim, tyk }, .. } = &self.api.spec;
        let goes = |kind: fn(&Target) -> bool| {
            targets.iter().filter_map(|name| self.targets.get(name)).any(kind)
        };
        Native {
            apim: apim.clone().filter(|_| goes(|target| matches!(target, Target::Apim(_)))),
            tyk: tyk.clone().filter(|_| goes(|target| matches!(target, Target::Tyk(_)))),
        }
    }
}

struct Told<'a> {
    name: &'a ApiName,
    at: &'a Origin,
    noticed: &'a mut Noticed,
}

impl Told<'_> {
    fn push(&mut self, effect: Effect, text: String) {
        self.noticed.push(effect, Some(self.name), text, Some(self.at));
    }

    fn upstream(&mut self, before: &Upstream, after: &Upstream) {
        let Upstream { url, timeout, auth, assertion, health, pass_authorization } = after;
        if host(&before.url) == host(url) {
            self.setting("upstream.url", &before.url, url);
        } else {
            let change = Change { before: host(&before.url).into(), after: host(url).into() };
            let (name, at) = (Some(self.name), Some(self.at));
            self.noticed.push_change(Effect::MoveHost, name, "backend", change, at);
        }
        self.setting("upstream.timeout", &before.timeout, timeout);
        self.setting("upstream.auth", &before.auth, auth);
        self.setting("upstream.assertion", &before.assertion, assertion);
        self.setting("upstream.health", &before.health, health);
        self.setting("upstream.passAuthorization", &before.pass_authorization, pass_authorization);
    }

    fn secrets(&mut self, before: Option<&Upstream>, after: &Upstream) {
        let old = before.and_then(|upstream| secret(upstream.auth.as_ref()));
        if let Some(new) = secret(after.auth.as_ref())
            && old != Some(new)
        {
            self.noticed.binds(new);
            let text = format!("sends the secret {new} to {}", host(&after.url));
            self.push(Effect::BindSecret, text);
        }
    }

    fn native(&mut self, before: Option<&Native>, after: &Native) {
        let Native { apim, tyk } = after;
        let replaces: BTreeSet<String> = apim
            .iter()
            .flat_map(|apim| &apim.replaces)
            .chain(tyk.iter().flat_map(|tyk| &tyk.replaces))
            .map(written)
            .collect();
        if before == Some(after) || *after == Native::default() {
            return;
        }
        let mut text = "uses native configuration".to_owned();
        if !replaces.is_empty() {
            let names: Vec<String> = replaces.iter().cloned().collect();
            text = format!("{text} instead of {}", names.join(", "));
        }
        self.push(Effect::Native, text);
        if replaces.contains("access") {
            let text = "native configuration decides who gets in".to_owned();
            self.push(Effect::Widen, text);
        }
    }

    fn validation(&mut self, before: Validate, after: Validate) {
        let effect = match after.cmp(&before) {
            std::cmp::Ordering::Less => Effect::LoosenValidation,
            std::cmp::Ordering::Greater => Effect::TightenValidation,
            std::cmp::Ordering::Equal => return,
        };
        self.push(effect, format!("validate {} → {}", written(&before), written(&after)));
    }

    fn body(&mut self, before: Option<ByteSize>, after: Option<ByteSize>) {
        let bytes = |size: Option<ByteSize>| size.map_or(u64::MAX, ByteSize::as_bytes);
        let words =
            |size: Option<ByteSize>| size.map_or("any size".to_owned(), |it| it.to_string());
        let effect = match bytes(after).cmp(&bytes(before)) {
            std::cmp::Ordering::Greater => Effect::LoosenValidation,
            std::cmp::Ordering::Less => Effect::TightenValidation,
            std::cmp::Ordering::Equal => return,
        };
        self.push(effect, format!("bodies up to {} → {}", words(before), words(after)));
    }

    fn targets(&mut self, before: &[TargetName], after: &[TargetName]) {
        for name in after.iter().filter(|name| !before.contains(name)) {
            self.push(Effect::Reach, format!("answered by target {name} too"));
        }
        for name in before.iter().filter(|name| !after.contains(name)) {
            self.push(Effect::Reach, format!("no longer answered by target {name}"));
        }
    }

    fn setting<T: Serialize + PartialEq>(&mut self, label: &str, before: &T, after: &T) {
        self.differ(Effect::Setting, label, before, after);
    }

    fn differ<T: Serialize + PartialEq>(
        &mut self,
        effect: Effect,
        label: &str,
        before: &T,
        after: &T,
    ) {
        if before == after {
            return;
        }
        let value = |side: &T| without_origins(serde_json::to_value(side).unwrap_or_default());
        let sides = (value(before), value(after));
        self.noticed.push_leaves(effect, Some(self.name), label, sides, Some(self.at));
    }
}

fn secret(auth: Option<&UpstreamAuth>) -> Option<&SecretName> {
    match auth? {
        UpstreamAuth::Header { name: _, prefix: _, secret }
        | UpstreamAuth::Basic { username: _, secret }
        | UpstreamAuth::ClientCertificate { secret }
        | UpstreamAuth::ClientCredentials { token_url: _, client_id: _, secret, scopes: _ } => {
            Some(secret)
        }
        UpstreamAuth::ManagedIdentity { audience: _ } => None,
    }
}

/// Scheme, host and port: what decides who receives a request.
fn host(url: &str) -> &str {
    let start = url.find("://").map_or(0, |place| place + 3);
    let rest = url.get(start..).unwrap_or_default();
    let end = rest.find(['/', '?', '#']).map_or(url.len(), |place| start + place);
    url.get(..end).unwrap_or(url)
}

/// A word of the format, as it is written there.
fn written<T: Serialize>(word: &T) -> String {
    match serde_json::to_value(word) {
        Ok(serde_json::Value::String(text)) => text,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}
