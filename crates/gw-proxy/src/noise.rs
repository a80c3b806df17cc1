//! Numbers for the ids of decisions and traces: distinct on this node and beyond, not secret. And a
//! word that is secret.

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use gw_policy::decision::DecisionId;

/// A stream of numbers that do not repeat (`splitmix64`), begun by real chance.
#[derive(Debug)]
pub(crate) struct Noise {
    state: u64,
}

impl Noise {
    /// `None`: the machine gives no random bytes.
    pub(crate) fn begin() -> Option<Self> {
        let mut seed = [0; 8];
        SystemRandom::new().fill(&mut seed).ok()?;
        Some(Self { state: u64::from_ne_bytes(seed) })
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn decision(&mut self, unix_ms: u64) -> DecisionId {
        let [chance @ .., _, _, _] = self.next().to_be_bytes();
        DecisionId::new(unix_ms, chance)
    }
}

/// A word that nobody can guess. `None`: the machine gives no random bytes.
pub(crate) fn secret_word() -> Option<String> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    Some(format!("{:032x}", u128::from_ne_bytes(bytes)))
}
