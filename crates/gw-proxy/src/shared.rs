//! What all threads of one gateway share.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use arc_swap::ArcSwapOption;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use gw_model::{
    clock::Clock,
    id::{EnvironmentName, TargetName, WorkspaceId},
};
use gw_net::issuer::Issuers;
use gw_policy::{
    gateway::{PROBE, Refused},
    keys::KeySet,
};
use http::{HeaderMap, StatusCode};
use parking_lot::Mutex;

use crate::{
    access_log::Lines,
    assertion::Signer,
    metrics::Metrics,
    record::Decisions,
    serving::Serving,
    settings::{Bounds, Mode},
    stage::limit::Counters,
    tls::Wants,
    wire::head::{Malformed, RequestHead},
};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) workspace: WorkspaceId,
    pub(crate) environment: EnvironmentName,
    pub(crate) target: TargetName,
    pub(crate) bounds: Bounds,
    pub(crate) mode: Mode,
    pub(crate) trusted_proxies: Vec<IpAddr>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Swapped whole; none: everything is denied.
    pub(crate) current: ArcSwapOption<Serving>,
    /// The newest generation that was not taken.
    pub(crate) refused: Mutex<Option<Refused>>,
    pub(crate) issuers: Issuers<KeySet>,
    pub(crate) counters: Counters,
    pub(crate) decisions: Decisions,
    pub(crate) lines: Option<Lines>,
    pub(crate) metrics: Metrics,
    pub(crate) signer: Signer,
    /// What the calls carry that prove a change.
    pub(crate) probe: String,
}

impl Shared {
    /// Whose address counts: the peer's, or what trusted proxies in front say about theirs. The
    /// first from the right that is not such a proxy is the last one that nobody could make up. A
    /// proxy that names no address leaves nothing to decide by: its own is not the caller's.
    pub(crate) fn client_address(&self, head: &RequestHead) -> Result<IpAddr, Malformed> {
        let mut address = head.peer.address.ip().to_canonical();
        if !self.trusted_proxies.contains(&address) {
            return Ok(address);
        }
        for said in forwarded_for(&head.headers).into_iter().rev() {
            address = said.ok_or(Malformed::ForwardedFor)?;
            if !self.trusted_proxies.contains(&address) {
                return Ok(address);
            }
        }
        // Gatewright's own calls come through no proxy.
        if self.is_probe(&head.headers) { Ok(address) } else { Err(Malformed::ForwardedFor) }
    }

    /// Whether Gatewright itself calls, to prove a change: that is no caller's call, and neither
    /// counted nor recorded. Whoever knows the word may open the socket, so the log is theirs.
    pub(crate) fn is_probe(&self, headers: &HeaderMap) -> bool {
        headers.get(PROBE).is_some_and(|value| {
            verify_slices_are_equal(value.as_bytes(), self.probe.as_bytes()).is_ok()
        })
    }

    /// Whether the decision log keeps this call: every refusal, every answer that is an error, and
    /// of the others as many as the mode says.
    pub(crate) fn records(&self, status: StatusCode, refused: bool, chance: u64) -> bool {
        match self.mode {
            Mode::Development => true,
            Mode::Production { record_one_in } => {
                let one_in = u64::from(record_one_in.max(1));
                refused || status.as_u16() >= 400 || chance.is_multiple_of(one_in)
            }
        }
    }
}

/// Whether client certificates are asked for, by the generation that is served.
#[derive(Debug)]
pub(crate) struct WantsCertificates(pub(crate) Arc<Shared>);

impl Wants for WantsCertificates {
    fn certificates(&self) -> bool {
        self.0.current.load().as_ref().is_some_and(|serving| !serving.authorities.is_empty())
    }
}

/// The addresses of `X-Forwarded-For`, as they were added; `None` is one that is no address.
pub(crate) fn forwarded_for(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all("x-forwarded-for").iter();
    let words = lines.flat_map(|line| line.to_str().unwrap_or("?").split(','));
    words.map(|word| parse_address(word.trim())).collect()
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`.
fn parse_address(word: &str) -> Option<IpAddr> {
    let bare = || word.strip_prefix('[')?.strip_suffix(']')?.parse().ok().map(IpAddr::V6);
    let with_port = || word.parse().ok().map(|address: SocketAddr| address.ip());
    let address = word.parse().ok().or_else(with_port).or_else(bare)?;
    Some(address.to_canonical())
}
