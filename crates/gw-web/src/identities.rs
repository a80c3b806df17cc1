//! Who can be proved in each environment: what its change in force declares, beside the settings.

use std::{collections::BTreeMap, fmt, sync::Arc};

use gw_control::{
    login::{Declared, Settings, Verifier},
    server::Server,
    stop::Stop,
};
use gw_model::{
    clock::Clock,
    desired::Desired,
    id::{EnvironmentName, IdentityName},
    workspace::Identity,
};
use gw_net::client::Client;
use parking_lot::Mutex;

use crate::contract::Login;

pub(crate) struct Identities {
    settings: Settings,
    client: Client,
    clock: Arc<dyn Clock>,
    /// By environment. Without a name: where nothing is in force.
    known: Mutex<BTreeMap<Option<EnvironmentName>, Known>>,
}

/// Whoever checks proofs as a change declared it.
#[derive(Debug)]
struct Known {
    change: u64,
    verifier: Arc<Verifier>,
}

impl Identities {
    pub(crate) fn new(settings: Settings, client: Client, clock: Arc<dyn Clock>) -> Self {
        Self { settings, client, clock, known: Mutex::default() }
    }

    /// Whoever checks proofs for an environment, by what is in force there now.
    pub(crate) async fn of(
        &self,
        server: &Server,
        environment: &EnvironmentName,
    ) -> Result<Arc<Verifier>, Stop> {
        let change = server.store.in_force(environment).await?.map(|change| change.number);
        let key = change.map(|_| environment.clone());
        let number = change.unwrap_or_default();
        if let Some(known) = self.known.lock().get(&key)
            && known.change == number
        {
            return Ok(Arc::clone(&known.verifier));
        }
        let rules = match change {
            Some(_) => server.in_force(environment).await?,
            None => None,
        };
        Ok(self.keep(server, key, number, rules.as_deref()))
    }

    /// Whoever checks proofs by the settings alone, wherever they are for.
    pub(crate) fn of_settings(&self, server: &Server) -> Arc<Verifier> {
        if let Some(known) = self.known.lock().get(&None) {
            return Arc::clone(&known.verifier);
        }
        self.keep(server, None, 0, None)
    }

    /// Everybody who would be believed, and by what their issuers are reached.
    pub(crate) fn all(
        &self,
        rules: Option<&Desired>,
    ) -> (BTreeMap<IdentityName, Identity>, &Client) {
        let mut identities = rules.map(|rules| rules.identities.clone()).unwrap_or_default();
        identities.extend(self.settings.identities.clone());
        (identities, &self.client)
    }

    /// Where people sign in. None: the settings name no application for that.
    pub(crate) fn login(&self) -> Option<Login> {
        let Settings { identities, login, application, .. } = &self.settings;
        let (name, application) = login.as_ref().zip(application.as_ref())?;
        let Identity::Oidc(identity) = identities.get(name)? else { return None };
        Some(Login {
            identity: name.to_string(),
            issuer: identity.issuer.clone(),
            client_id: application.client_id.clone(),
            scope: application.scope.clone(),
            resource: application.resource.clone(),
        })
    }

    fn keep(
        &self,
        server: &Server,
        key: Option<EnvironmentName>,
        change: u64,
        rules: Option<&Desired>,
    ) -> Arc<Verifier> {
        let (identities, people) = (BTreeMap::new(), BTreeMap::new());
        let declared = match rules {
            Some(rules) => Declared {
                identities: &rules.identities,
                people: &rules.people,
                source: &rules.source,
            },
            None => Declared { identities: &identities, people: &people, source: &server.source },
        };
        let (settings, client) = (self.settings.clone(), self.client.clone());
        let verifier = Verifier::new(declared, settings, client, Arc::clone(&self.clock));
        let verifier = Arc::new(verifier);
        let known = Known { change, verifier: Arc::clone(&verifier) };
        self.known.lock().insert(key, known);
        verifier
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("known", &self.known).finish_non_exhaustive()
    }
}
