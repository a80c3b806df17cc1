//! What a gateway process is told when it starts. Nothing here is read from a declaration.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    num::NonZeroUsize,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use gw_model::{
    clock::Clock,
    id::{EnvironmentName, TargetName, WorkspaceId},
    secret::SecretStores,
};
use gw_net::{client::ClientSettings, issuer::Timing, tls::Pem};
use gw_policy::generation::PublicKey;

use crate::pace::Patience;

/// How one gateway runs.
#[derive(Debug)]
pub struct Settings {
    /// What is its own lies here: memory, socket, decisions, the key of assertions.
    pub folder: PathBuf,
    pub workspace: WorkspaceId,
    pub environment: EnvironmentName,
    pub target: TargetName,
    /// The public half of the key that signs generations.
    pub verifying_key: PublicKey,
    /// What is served.
    pub supply: Supply,
    /// Where callers connect.
    pub listen: Address,
    /// Health and metrics over TCP; the socket in the folder is there in any case.
    pub admin: Option<SocketAddr>,
    /// How callers and backends reach this gateway; the issuer of its assertions.
    pub public_url: Option<String>,
    /// Callers speak TLS when this is given.
    pub tls: Option<Pem>,
    pub threads: NonZeroUsize,
    pub mode: Mode,
    /// Only these may say on whose behalf they call (`X-Forwarded-For`).
    pub trusted_proxies: Vec<IpAddr>,
    /// Certificate authorities (PEM) that upstreams may have beside those of the machine.
    pub upstream_authorities: Vec<u8>,
    /// How the identity providers are reached. Which addresses may be, the generation says.
    pub providers: ClientSettings,
    pub bounds: Bounds,
    pub access_log: Option<AccessLog>,
    pub clock: Arc<dyn Clock>,
    pub secrets: Arc<dyn SecretStores>,
}

/// Where signed generations come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Supply {
    /// The one that `current` names in this folder, which is only read; another one is taken over as
    /// soon as it is named.
    Folder(PathBuf),
    /// This file; another one in its place is taken over.
    File(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// Here, whatever is declared.
    At(SocketAddr),
    /// As is declared, of what is put in force as soon as it runs.
    Declared(SocketAddr),
    /// As the generation says that is served at the start.
    AsServed {
        /// Where nothing is served yet.
        otherwise: SocketAddr,
    },
}

/// How much is told and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Every decision is recorded, each by itself.
    Development,
    /// Every refusal and one in so many allowed calls are recorded; equal refusals in groups.
    Production { record_one_in: u32 },
}

#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The longest wait for a whole request head, from its first byte or from a new connection.
    pub head_timeout: Duration,
    /// The longest wait for the next call on an open connection.
    pub idle_timeout: Duration,
    /// How long a caller may send nothing of a body.
    pub body_grace: Duration,
    /// How long a caller may take nothing of an answer. The system tells of what was taken in large
    /// pieces, so a slow reader is known only after many of its seconds.
    pub reader_grace: Duration,
    /// Over these times: bytes for each second that the gateway waited for the caller.
    pub body_bytes_per_second: u64,
    pub handshake_timeout: Duration,
    pub connect_timeout: Duration,
    /// How long an unused connection to an upstream is kept.
    pub upstream_idle: Duration,
    pub max_head_bytes: usize,
    pub max_headers: usize,
    /// Of callers, on one thread.
    pub max_connections: usize,
    /// How many files and sockets the process may have open: callers get no more connections than
    /// leave enough for everything else.
    pub max_open_files: u64,
    /// A request body is never longer, whatever an API declares.
    pub max_body_bytes: u64,
    /// The decision log on disk.
    pub max_record_bytes: u64,
    /// How often the gateway looks for a new generation.
    pub look: Duration,
    /// How often secrets are read again: a new value is in force after this long.
    pub secrets_refresh: Duration,
    /// When the keys of identity providers are read, and for how long they are used.
    pub keys: Timing,
}

/// Where one line of JSON per call goes.
pub struct AccessLog {
    pub writer: Box<dyn io::Write + Send>,
    /// Refusals are always written; of other calls one in so many.
    pub one_in: u32,
}

impl Bounds {
    /// What a caller may take.
    pub(crate) const fn patience(&self) -> Patience {
        Patience {
            head: self.head_timeout,
            idle: self.idle_timeout,
            body: self.body_grace,
            reader: self.reader_grace,
            bytes_per_second: self.body_bytes_per_second,
        }
    }
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            body_grace: Duration::from_secs(5),
            reader_grace: Duration::from_secs(60),
            body_bytes_per_second: 240,
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            upstream_idle: Duration::from_secs(30),
            max_head_bytes: 32 * 1024,
            max_headers: 100,
            max_connections: 10_000,
            max_open_files: 1024,
            max_body_bytes: 1024 * 1024 * 1024,
            max_record_bytes: 64 * 1024 * 1024,
            look: Duration::from_millis(100),
            secrets_refresh: Duration::from_secs(5),
            keys: Timing::default(),
        }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("one_in", &self.one_in).finish_non_exhaustive()
    }
}
