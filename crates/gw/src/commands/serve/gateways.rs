//! The built-in gateways of a server: one for each built-in target that is in force, in this process.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use gw_control::{engine::state_of, server::Server, stop::Stop};
use gw_model::{
    desired::Desired,
    environment::Target,
    id::{EnvironmentName, TargetName},
};
use gw_policy::gateway::listen_address;
use gw_proxy::{
    gateway::Gateway,
    settings::{Address, Mode, Supply},
};
use tokio::net::TcpListener;

use crate::{
    commands::{Context, gateway::not_started},
    compose::{self, GatewayStart, State, Wanted},
    config::{self, GatewayFile},
    exit::Failure,
};

/// How long calls that are under way may still take when a gateway stops.
const GRACE: Duration = Duration::from_secs(10);
/// Of calls that were allowed, one in so many is kept in the decision log; every refusal is.
pub(super) const USUAL_MODE: Mode = Mode::Production { record_one_in: 100 };

/// How a server and its gateways run, beyond what its settings say.
#[derive(Debug)]
pub(in crate::commands) struct Manner {
    /// Where its interface listens already.
    pub(in crate::commands) listener: Option<TcpListener>,
    /// Below it lie the secrets of callers' backends that are files.
    pub(in crate::commands) root: PathBuf,
    pub(in crate::commands) mode: Mode,
    /// The port of the one gateway there is, instead of the declared one.
    pub(in crate::commands) port: Option<u16>,
}

type Place = (EnvironmentName, TargetName);

#[derive(Debug)]
pub(super) struct Gateways<'a> {
    context: Context<'a>,
    state: State,
    settings: PathBuf,
    manner: Manner,
    running: BTreeMap<Place, Gateway>,
    /// What was told about one that could not be started: it is not told again.
    told: BTreeMap<Place, String>,
}

impl<'a> Gateways<'a> {
    pub(super) fn new(
        context: Context<'a>,
        state: State,
        settings: PathBuf,
        manner: Manner,
    ) -> Self {
        Self { context, state, settings, manner, running: BTreeMap::new(), told: BTreeMap::new() }
    }

    /// Starts what is in force, or on its way, and does not run; stops what is not any more.
    pub(super) async fn follow(&mut self, server: &Server) {
        // A state that cannot be read now is told by those who work on it.
        let Ok(environments) = server.store.environments().await else { return };
        let mut wanted = BTreeMap::new();
        for environment in environments {
            // What cannot be read now stops nobody who is served.
            let Ok(newest) = newest(server, &environment).await else { return };
            let Some(desired) = newest else { continue };
            for (name, target) in &desired.spec.targets {
                if matches!(target, Target::Builtin(_))
                    && let Ok(address) = compose::declared_address(&desired, name)
                {
                    wanted.insert((environment.clone(), name.clone()), address);
                }
            }
        }
        let gone: Vec<Place> =
            self.running.keys().filter(|place| !wanted.contains_key(*place)).cloned().collect();
        for place in gone {
            self.end(&place);
        }
        for (place, address) in wanted {
            if !self.running.contains_key(&place) {
                self.start(place, self.manner.address(address));
            }
        }
    }

    /// Starts the gateway of a target that is about to be written, where it does not run.
    pub(super) fn attend(&mut self, wanted: Wanted) {
        let Wanted { environment, name, target, started } = wanted;
        let place = (environment, name);
        if let Target::Builtin(builtin) = &target
            && let Some(address) = listen_address(builtin.listen.as_deref())
            && !self.running.contains_key(&place)
        {
            self.start(place, self.manner.address(address));
        }
        // Whoever waited may have gone.
        started.send(()).unwrap_or_default();
    }

    fn start(&mut self, place: Place, listen: Address) {
        match self.try_start(&place, listen) {
            Ok(gateway) => {
                let (environment, target) = &place;
                let address = gateway.address();
                let words = format!("gateway {environment}/{target} listens at http://{address}");
                self.context.ui.say(&words);
                self.told.remove(&place);
                self.running.insert(place, gateway);
            }
            Err(failure) => {
                let words = failure.to_string();
                if self.told.get(&place) != Some(&words) {
                    self.context.ui.failure(&failure);
                    self.told.insert(place, words);
                }
            }
        }
    }

    fn try_start(&self, place: &Place, listen: Address) -> Result<Gateway, Failure> {
        let (environment, target) = place;
        let folder = self.state.target_folder(environment, target);
        let settings = compose::gateway_settings(GatewayStart {
            root: &self.manner.root,
            folder: folder.clone(),
            workspace_id: self.state.workspace_id.clone(),
            environment: environment.clone(),
            target: target.clone(),
            key: self.state.verifying_key()?,
            supply: Supply::Folder(folder),
            listen,
            file: GatewayFile::read(Some(&self.settings), &self.state.folder)?,
            mode: self.manner.mode,
            access_log: None,
            variables: config::variables(),
        });
        Gateway::start(settings).map_err(|error| not_started(&error))
    }

    fn end(&mut self, place: &Place) {
        if let Some(gateway) = self.running.remove(place) {
            tokio::task::block_in_place(|| gateway.stop(GRACE));
        }
    }

    pub(super) fn stop(mut self) {
        let places: Vec<Place> = self.running.keys().cloned().collect();
        for place in places {
            self.end(&place);
        }
    }
}

impl Manner {
    fn address(&self, declared: SocketAddr) -> Address {
        match self.port {
            Some(port) => Address::At(SocketAddr::new(declared.ip(), port)),
            None => Address::Declared(declared),
        }
    }
}

/// What is in force in an environment, or what a change that is under way brings: who proves a change
/// has to run before it ends.
async fn newest(
    server: &Server,
    environment: &EnvironmentName,
) -> Result<Option<Arc<Desired>>, Stop> {
    let Some(change) = server.store.under_way(environment).await? else {
        return server.in_force(environment).await;
    };
    let (desired, _) = state_of(&server.store, environment, change.number).await?;
    Ok(Some(desired))
}
