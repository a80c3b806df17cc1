//! What a running gateway and its driver say to each other over the Unix socket.
//!
//! HTTP/1 with JSON bodies: `GET /v1/status`, `GET /v1/generation`, `GET /v1/decisions/{id|last}`
//! (a [`crate::decision::Record`]). The socket only answers; it changes nothing. A
//! gateway looks into its folder before it says how it is, so a status is of this moment.

use std::net::SocketAddr;

use gw_model::{
    environment::Builtin,
    id::{EnvironmentName, TargetName, WorkspaceId},
};
use serde::{Deserialize, Serialize};

use crate::generation::{Generation, Object};

/// Callers come here where the environment says nothing else.
pub const LISTEN: SocketAddr = Builtin::LISTEN;

/// The header by which a gateway knows the calls that prove a change, with [`Status::probe`] in it.
pub const PROBE: &str = "gatewright-probe";

/// Why a call was let through, or was refused, or brought no answer, in the operator's words: beside
/// [`PROBE`], which holds the code of the reason, in the answers to those calls alone.
pub const PROBE_DETAIL: &str = "gatewright-probe-detail";

/// Beside [`PROBE`]: the call is the gateway's own, of the operation by which an API shows that its
/// backend works.
pub const HEALTH: &str = "gatewright-probe-health";

/// Beside [`PROBE`]: what is decided is told, and nothing is sent on.
pub const DECIDE: &str = "gatewright-probe-decide";

/// The name of the socket in the folder of a target.
pub const SOCKET: &str = "gateway.sock";

/// The paths of the requests.
pub const STATUS: &str = "/v1/status";
pub const GENERATION: &str = "/v1/generation";
pub const DECISIONS: &str = "/v1/decisions/";

/// Where callers of a gateway connect whose target declares this. `None`: it is no address.
pub fn listen_address(declared: Option<&str>) -> Option<SocketAddr> {
    declared.map_or(Some(LISTEN), |text| text.parse().ok())
}

/// How a gateway is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub workspace_id: WorkspaceId,
    pub environment: EnvironmentName,
    pub target: TargetName,
    /// The address that callers use.
    pub listen: SocketAddr,
    /// Whoever started it chose the address, whatever the target declares.
    #[serde(default)]
    pub pinned: bool,
    /// What it serves; none: it denies everything.
    pub serving: Option<Serving>,
    /// The newest generation that it was given and did not take.
    pub refused: Option<Refused>,
    /// What calls carry that prove a change. Only who may open the socket learns it.
    pub probe: String,
    /// APIs whose calls cannot be sent on now, because a secret is missing.
    #[serde(default)]
    pub unready: Vec<Unready>,
}

impl Status {
    /// The declared address, where the gateway listens at another one and takes this one when it is
    /// started again. Port 0 is any port.
    pub fn awaits(&self, declared: Option<&str>) -> Option<SocketAddr> {
        let declared = listen_address(declared)?;
        let ports = [0, self.listen.port()];
        let same = declared.ip() == self.listen.ip() && ports.contains(&declared.port());
        (!same && !self.pinned).then_some(declared)
    }
}

/// An API that proves itself to its backend with something that is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Unready {
    pub api: String,
    pub because: String,
}

/// Which generation is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Serving {
    pub number: u64,
    pub change: Option<u64>,
    /// The effect digest of the change.
    pub effect: String,
}

/// A generation that the gateway did not take; the former one stays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refused {
    /// The number that `current` named, where it named one.
    pub number: Option<u64>,
    pub because: String,
}

/// The objects that it serves at this moment: what a read-back compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Served {
    pub workspace_id: WorkspaceId,
    pub serving: Serving,
    pub objects: Vec<Object>,
}

impl From<&Generation> for Serving {
    fn from(generation: &Generation) -> Self {
        Self {
            number: generation.number,
            change: generation.change,
            effect: generation.effect.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
