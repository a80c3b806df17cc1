//! The settings of the built-in gateway of one target.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    sync::Arc,
};

use gw_model::{
    desired::Desired,
    environment::Target,
    id::{EnvironmentName, TargetName, WorkspaceId},
    secret::Redacted,
};
use gw_net::client::ClientSettings;
use gw_policy::{gateway::listen_address, generation::PublicKey};
use gw_proxy::settings::{AccessLog, Address, Bounds, Mode, Settings, Supply};
use gw_secrets::stores::Stores;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::SystemClock;
use crate::{config::GatewayFile, exit::Failure};

/// What a gateway is started for, and how. Nothing of it is read from a declaration.
#[derive(Debug)]
pub(crate) struct GatewayStart<'a> {
    /// The folder of declarations: secrets in files lie below it.
    pub(crate) root: &'a Path,
    /// The target's folder in the state: whatever a gateway keeps for itself lies there.
    pub(crate) folder: PathBuf,
    pub(crate) workspace_id: WorkspaceId,
    pub(crate) environment: EnvironmentName,
    pub(crate) target: TargetName,
    pub(crate) key: PublicKey,
    pub(crate) supply: Supply,
    pub(crate) listen: Address,
    pub(crate) file: GatewayFile,
    pub(crate) mode: Mode,
    pub(crate) access_log: Option<AccessLog>,
    /// The variables of this process, for stores of secrets that are variables.
    pub(crate) variables: BTreeMap<String, Redacted<String>>,
}

pub(crate) fn gateway_settings(start: GatewayStart<'_>) -> Settings {
    let GatewayStart {
        root,
        folder,
        workspace_id,
        environment,
        target,
        key,
        supply,
        listen,
        file,
        mode,
        access_log,
        variables,
    } = start;
    Settings {
        folder,
        workspace: workspace_id,
        environment,
        target,
        verifying_key: key,
        supply,
        listen,
        admin: file.admin,
        public_url: file.public_url,
        tls: file.tls,
        threads: file.threads.unwrap_or_else(cores),
        mode,
        trusted_proxies: file.trusted_proxies,
        upstream_authorities: file.upstream_authorities,
        providers: ClientSettings::default(),
        bounds: Bounds { max_open_files: open_files(), ..Bounds::default() },
        access_log,
        clock: Arc::new(SystemClock),
        secrets: Arc::new(Stores { root: root.to_owned(), variables }),
    }
}

/// Where callers of a declared target are to connect.
pub(crate) fn declared_address(
    desired: &Desired,
    target: &TargetName,
) -> Result<SocketAddr, Failure> {
    let Some(Target::Builtin(builtin)) = desired.spec.targets.get(target) else {
        return Err(Failure::wrong(format!(
            "environment `{}` has no built-in target `{target}`",
            desired.environment
        )));
    };
    let declared = builtin.listen.as_deref();
    listen_address(declared).ok_or_else(|| {
        let text = declared.unwrap_or_default();
        Failure::wrong(format!("target `{target}` cannot listen at `{text}`"))
            .help("write an address and a port, such as 127.0.0.1:8080")
    })
}

/// As many as the system lets this process open: what it starts with is meant for programs that wait
/// for a few, and it may raise that itself.
fn open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    // Where it is not allowed, what it has must do.
    let _as_before = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
