//! The secrets that an environment declares: what its gateways send to backends.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::{
    api::UpstreamAuth,
    desired::Desired,
    environment::{SecretStore, Secrets},
    id::{ApiName, SecretName},
};

use super::Credential;

/// Each secret that an API sends, whose owners answer for it, and each that is declared and sent by none.
pub fn of_rules(rules: &Desired) -> Vec<Credential> {
    let mut sent: BTreeMap<&SecretName, Vec<&ApiName>> = BTreeMap::new();
    for (name, api) in &rules.apis {
        if let Some(secret) = api.spec.upstream.auth.as_ref().and_then(secret) {
            sent.entry(secret).or_default().push(name);
        }
    }
    let declared = rules.spec.secrets.as_ref();
    let mut all: Vec<Credential> =
        sent.iter().map(|(name, apis)| credential(rules, name, apis)).collect();
    for name in declared.map(named).unwrap_or_default() {
        if !sent.contains_key(&name) {
            let (purpose, owner) = ("declared, and sent by no API".to_owned(), None);
            let source = declared.map(|declared| place(declared, &name)).unwrap_or_default();
            let cure = "take it out of `secrets`, and revoke it where it came from".to_owned();
            all.push(Credential { name, purpose, owner, source, expires: None, cure });
        }
    }
    all
}

fn credential(rules: &Desired, name: &SecretName, apis: &[&ApiName]) -> Credential {
    let owners: BTreeSet<_> =
        apis.iter().filter_map(|api| rules.apis.get(*api)?.spec.owner.as_deref()).collect();
    let list: Vec<_> = apis.iter().map(|api| api.as_str()).collect();
    let owner = owners.into_iter().collect::<Vec<_>>().join(", ");
    let declared = rules.spec.secrets.as_ref();
    Credential {
        name: name.clone(),
        purpose: format!("sent to the backend of {}", list.join(", ")),
        owner: (!owner.is_empty()).then_some(owner),
        source: declared
            .map_or_else(|| "no store is declared".to_owned(), |declared| place(declared, name)),
        expires: None,
        cure: format!("name an `owner` of API {}", list.join(", ")),
    }
}

/// Those that are named in whole; a pattern names none in particular.
fn named(declared: &Secrets) -> BTreeSet<SecretName> {
    let allowed = declared.allow.iter().flat_map(|allowance| &allowance.names);
    let allowed = allowed.filter_map(|name| SecretName::parse(name).ok());
    declared.names.keys().cloned().chain(allowed).collect()
}

/// Where the value lies, for people.
fn place(declared: &Secrets, name: &SecretName) -> String {
    let called = declared.names.get(name).map_or(name.as_str(), String::as_str);
    match &declared.store {
        SecretStore::Files { directory } => format!("files {directory}/{called}"),
        SecretStore::Environment { .. } => format!("variable of the gateway for `{called}`"),
        SecretStore::AzureKeyVault { url } => format!("{url} {called}"),
        SecretStore::HashicorpVault { address, mount } => format!("{address} {mount}/{called}"),
        SecretStore::AwsSecretsManager { region } => {
            format!("AWS Secrets Manager {region} {called}")
        }
        SecretStore::Kubernetes {} => format!("Kubernetes secret {called}"),
    }
}

fn secret(auth: &UpstreamAuth) -> Option<&SecretName> {
    match auth {
        UpstreamAuth::Header { name: _, prefix: _, secret }
        | UpstreamAuth::Basic { username: _, secret }
        | UpstreamAuth::ClientCertificate { secret }
        | UpstreamAuth::ClientCredentials { token_url: _, client_id: _, secret, scopes: _ } => {
            Some(secret)
        }
        UpstreamAuth::ManagedIdentity { audience: _ } => None,
    }
}
