//! Who can be proved in each environment: what its change in force declares, beside the settings.

use std::{collections::BTreeMap, fmt, sync::Arc};

use gw_control::{
    login::{Declared, Settings, Verifier},
    server::Server,
    stop::Stop,
};
use gw_model::{clock::Clock, id::EnvironmentName};
use gw_net::client::Client;
use parking_lot::Mutex;

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
        let (identities, people) = (BTreeMap::new(), BTreeMap::new());
        let declared = match &rules {
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
        let known = Known { change: number, verifier: Arc::clone(&verifier) };
        self.known.lock().insert(key, known);
        Ok(verifier)
    }
}

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identities").field("known", &self.known).finish_non_exhaustive()
    }
}
