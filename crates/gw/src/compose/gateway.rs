//! The settings of the built-in gateway of one target.

use std::{collections::BTreeMap, net::SocketAddr, num::NonZeroUsize, sync::Arc};

use gw_model::{desired::Desired, environment::Target, id::TargetName, workspace::Source};
use gw_net::{address::LoopbackReach, client::ClientSettings};
use gw_proxy::settings::{AccessLog, Bounds, Mode, Settings, Tls};
use gw_secrets::stores::Stores;

use super::{State, SystemClock, Workspace};
use crate::{config::GatewayFile, exit::Failure};

/// Callers come here where the environment says nothing else.
const DEFAULT_LISTEN: &str = "127.0.0.1:8080";

/// What a gateway is started for, and how.
#[derive(Debug)]
pub(crate) struct GatewayPlan<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) state: &'a State,
    pub(crate) desired: &'a Desired,
    pub(crate) target: &'a TargetName,
    pub(crate) file: GatewayFile,
    pub(crate) mode: Mode,
    pub(crate) access_log: Option<AccessLog>,
    /// The variables of this process, for stores of secrets that are variables.
    pub(crate) variables: BTreeMap<String, gw_model::secret::Redacted<String>>,
}

pub(crate) fn gateway_settings(plan: GatewayPlan<'_>) -> Result<Settings, Failure> {
    let GatewayPlan { workspace, state, desired, target, file, mode, access_log, variables } = plan;
    let listen = listen_address(desired, target)?;
    let loopback = match desired.source {
        Source::Local {} => LoopbackReach::Free,
        Source::Bitbucket { .. }
        | Source::BitbucketDataCenter { .. }
        | Source::Github { .. }
        | Source::Gitlab { .. } => LoopbackReach::Listed,
    };
    let listed = desired.spec.egress.iter().map(|pattern| pattern.0.clone()).collect();
    Ok(Settings {
        folder: state.target_folder(&desired.environment, target),
        workspace: state.workspace_id.clone(),
        environment: desired.environment.clone(),
        target: target.clone(),
        verifying_key: state.verifying_key()?,
        listen,
        admin: file.admin,
        public_url: file.public_url,
        tls: file.tls.map(|(chain, key)| Tls { chain, key }),
        threads: file.threads.unwrap_or_else(cores),
        mode,
        trusted_proxies: file.trusted_proxies,
        upstream_authorities: file.upstream_authorities,
        providers: ClientSettings { listed, loopback, ..ClientSettings::default() },
        bounds: Bounds::default(),
        access_log,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(Stores { root: workspace.folder.root().to_owned(), variables }),
    })
}

/// Where callers of a target connect.
pub(crate) fn listen_address(
    desired: &Desired,
    target: &TargetName,
) -> Result<SocketAddr, Failure> {
    let Some(Target::Builtin(builtin)) = desired.spec.targets.get(target) else {
        return Err(Failure::wrong(format!(
            "environment `{}` has no built-in target `{target}`",
            desired.environment
        )));
    };
    let text = builtin.listen.as_deref().unwrap_or(DEFAULT_LISTEN);
    text.parse().map_err(|_| {
        Failure::wrong(format!("target `{target}` cannot listen at `{text}`"))
            .help("write an address and a port, such as 127.0.0.1:8080")
    })
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
