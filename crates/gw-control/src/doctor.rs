//! Whether each link of the chain that a change goes through is whole, and how a broken one is repaired.

pub mod rights;

use std::collections::BTreeMap;

use gw_model::{
    desired::Desired,
    id::{EnvironmentName, IdentityName, SecretName},
    workspace::Identity,
};
use gw_net::{client::Client, issuer::published};
use gw_plan::driver::Served;
use gw_policy::keys::KeySet;
use serde::{Deserialize, Serialize};

use crate::{
    answer::Answer,
    branches,
    credentials::{REPLACE, SOON},
    drift,
    host::{Ending, HostError},
    server::Server,
    source::git::signature::SigningKey,
    stop::Stop,
};

/// One thing that was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub name: String,
    pub good: bool,
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
    /// What is worth knowing, and needs no repair.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Link {
    pub fn good(name: &str, found: impl Into<String>) -> Self {
        let name = name.to_owned();
        Self { name, good: true, found: found.into(), repair: None, notes: vec![] }
    }

    pub fn broken(name: &str, found: impl Into<String>, repair: impl Into<String>) -> Self {
        let (name, repair) = (name.to_owned(), Some(repair.into()));
        Self { name, good: false, found: found.into(), repair, notes: vec![] }
    }

    #[must_use]
    pub fn noting(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    fn failed(name: &str, error: &HostError) -> Self {
        let repair = error.help().unwrap_or_else(|| {
            "see that this machine reaches it, and that the settings name it rightly".to_owned()
        });
        Self::broken(name, error.to_string(), repair)
    }

    fn stopped(name: &str, stop: &Stop) -> Self {
        let Answer { text, help, .. } = Answer::from(stop);
        Self::broken(name, text, help.unwrap_or_else(|| "see the log of the server".to_owned()))
    }
}

/// What a server has by its settings: the Git host, its secrets, whom it believes.
pub async fn of_settings(
    server: &Server,
    identities: &BTreeMap<IdentityName, Identity>,
    client: &Client,
) -> Vec<Link> {
    let mut links = vec![git_host(server).await];
    links.extend(secrets(server).await);
    for (name, identity) in identities {
        if let Identity::Oidc(oidc) = identity {
            links.push(issuer(client, name.as_str(), &oidc.issuer).await);
        }
    }
    if server.owners.is_empty() {
        links.push(Link::broken(
            "owners",
            "nobody may bring the first state of an environment",
            "name them in the settings: `[[owners]]`",
        ));
    }
    links
}

/// What an environment has beside: commits, branches and people, the ledger, its targets.
pub async fn of_environment(server: &Server, rules: Option<&Desired>) -> Vec<Link> {
    let mut links = vec![];
    match server.fetch().await {
        Ok(fetched) => {
            links.push(Link::good("git", "branches and tags are fetched"));
            let absent = rules.map(|rules| branches::absent(rules, &fetched.view));
            links.extend(absent.into_iter().flatten().map(|absent| {
                Link::broken(
                    &format!("branch {}", absent.name),
                    format!("it is named, and the repository has none of this name: {absent}"),
                    "make it, or name the right one under `on` and `changes` of the environment",
                )
            }));
        }
        Err(stop) => links.push(Link::stopped("git", &stop)),
    }
    links.extend(ledger(server).await);
    let Some(rules) = rules else {
        let first = vec!["nothing is in force: an owner brings the first state".to_owned()];
        links.push(Link::good("rules", "those of the first state are its own").noting(first));
        return links;
    };
    links.extend(rights::compare(server, rules).await);
    links.extend(signing_keys(rules));
    links.extend(targets(server, rules).await);
    links.extend(drifted(server, &rules.environment).await);
    links
}

async fn drifted(server: &Server, environment: &EnvironmentName) -> Option<Link> {
    match drift::unaccepted(server, environment).await {
        Ok(None) => None,
        Ok(Some(known)) => Some(Link::broken(
            "drift",
            format!("what was written is not what is there: {}", drift::id(&known.digest)),
            "look at it: `gatewright drift`; an apply puts it back, `drift accept` leaves it",
        )),
        Err(error) => Some(Link::stopped("drift", &error.into())),
    }
}

async fn git_host(server: &Server) -> Link {
    match server.host.repository().await {
        Ok(repository) => {
            let found = format!("{} {} is read", repository.full_name, repository.id);
            let renamed = repository.renamed_from.map(|name| format!("it was called {name}"));
            Link::good("Git host", found).noting(renamed.into_iter().collect())
        }
        Err(error) => Link::failed("Git host", &error),
    }
}

/// Each secret that the settings name: whether it is there, and whether it ends.
async fn secrets(server: &Server) -> Vec<Link> {
    let (credentials, now) = (&server.shared.credentials, server.clock.now());
    let ending = server.host.ending().await;
    let mut links = vec![];
    for credential in credentials.all() {
        let name = format!("secret {}", credential.name);
        if let Err(refusal) = credentials.look(&credential.name).await {
            let repair = format!("put it there: {}", credential.source);
            links.push(Link::broken(&name, refusal.to_string(), repair));
            continue;
        }
        let trouble = ending.as_ref().and_then(|ending| trouble(ending, &credential.name));
        let ends = credential.expires.map(|day| day.midnight().assume_utc());
        links.push(match (trouble, ends, credential.expires) {
            (Some(error), ..) => Link::failed(&name, error),
            (None, Some(at), Some(day)) if at <= now => {
                Link::broken(&name, format!("ended on {day}"), REPLACE)
            }
            (None, Some(at), Some(day)) => {
                let soon = (at - now <= SOON).then(|| format!("it ends soon: {day}"));
                Link::good(&name, credential.source.clone()).noting(soon.into_iter().collect())
            }
            (None, ..) => Link::good(&name, credential.source.clone()),
        });
    }
    links
}

/// Why what it gets us could not be renewed.
fn trouble<'a>(ending: &'a Ending, name: &SecretName) -> Option<&'a HostError> {
    ending.trouble.as_ref().filter(|_| ending.secret == *name)
}

async fn ledger(server: &Server) -> Vec<Link> {
    match server.published().await {
        Ok(Some(published)) => {
            let size = published.size;
            let lost = published.lost.map(|lost| {
                let (left, signed) = (lost.left, lost.signed);
                format!("of {signed} entries the files had {left} left: they are written again")
            });
            let whole = Link::good("ledger", format!("its files have all {size} entries"));
            let away = published.unreached.map(|unreached| {
                Link::broken(
                    "witness",
                    unreached.to_string(),
                    "see that it is there and that its own credential is let in; `[witness]`",
                )
            });
            [whole.noting(lost.into_iter().collect())].into_iter().chain(away).collect()
        }
        Ok(None) => vec![Link::good("ledger", "somebody else writes its files now")],
        Err(stop) => vec![Link::stopped("ledger", &stop)],
    }
}

/// Keys of people by which nothing can be proved.
fn signing_keys(rules: &Desired) -> Vec<Link> {
    let mut links = vec![];
    for (name, person) in &rules.people {
        for (key, number) in person.signing_keys.iter().zip(1..) {
            let Err(error) = SigningKey::parse(key) else { continue };
            let repair = "put one there by which they sign commits, or take it out of `people`";
            let link = format!("signing key {number} of {name}");
            links.push(Link::broken(&link, error.to_string(), repair));
        }
    }
    links
}

async fn targets(server: &Server, rules: &Desired) -> Vec<Link> {
    let drivers = match server.drivers(rules).await {
        Ok(Ok(drivers)) => drivers,
        Ok(Err(refused)) => {
            let help = refused.help.first().cloned().unwrap_or_default();
            return vec![Link::broken("targets", refused.message.clone(), help)];
        }
        Err(stop) => return vec![Link::stopped("targets", &stop)],
    };
    let mut links = vec![];
    for (target, driver) in &drivers {
        let name = format!("target {target}");
        let place = driver.place();
        links.push(match driver.observe().await {
            Ok(observed) if observed.served == Served::Live => {
                Link::good(&name, format!("{place} answers"))
            }
            Ok(_) => Link::broken(
                &name,
                format!("{place} does not run"),
                "see what the server says of it, and whether another program has its address",
            ),
            Err(error) => Link::broken(&name, error.to_string(), error.help()),
        });
    }
    links
}

/// The issuer is asked as a gateway asks it, and its keys are read as a gateway reads them.
pub async fn issuer(client: &Client, name: &str, issuer: &str) -> Link {
    let link = format!("identity {name}");
    let keys = match published(issuer, client).await {
        Ok(bytes) => KeySet::parse(&bytes),
        Err(error) => {
            return Link::broken(
                &link,
                format!("{issuer}: {error}"),
                format!(
                    "see that this machine reaches {issuer}, and that it is the issuer's exact name"
                ),
            );
        }
    };
    let found = match keys {
        Ok(keys) if !keys.is_empty() => {
            let plural = if keys.len() == 1 { "" } else { "s" };
            return Link::good(&link, format!("{issuer}: discovery, {} key{plural}", keys.len()));
        }
        Ok(_) => format!("{issuer} publishes no key that can prove a signature"),
        Err(refusal) => format!("the keys of {issuer} cannot be used: {refusal}"),
    };
    Link::broken(&link, found, "ask whoever runs the issuer: every token is refused")
}

#[cfg(test)]
mod tests;
