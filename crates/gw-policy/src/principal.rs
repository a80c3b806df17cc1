//! Who asks, once it is proved.

use std::collections::{BTreeMap, BTreeSet};

use gw_model::id::IdentityName;
use serde::{Deserialize, Serialize};

/// Claim name to the set of texts it holds, whatever its form in the token was.
pub type ClaimSet = BTreeMap<String, BTreeSet<String>>;

/// A caller as one declared identity proves it. A caller is issuer and subject, never subject alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Principal {
    pub identity: IdentityName,
    pub issuer: String,
    pub subject: String,
    pub claims: ClaimSet,
    /// Unix seconds after which the proof is worth nothing.
    pub expires_at: Option<i64>,
}

/// Under this name a claim set lists the claims that the issuer says it has and left out of the token, as
/// Entra does with many groups. They are unknown, which is not the same as none.
pub const LEFT_OUT: &str = "_claim_names";

impl Principal {
    /// Whether nobody here can tell what this claim holds.
    pub fn leaves_out(&self, claim: &str) -> bool {
        !self.claims.contains_key(claim)
            && self.claims.get(LEFT_OUT).is_some_and(|names| names.contains(claim))
    }

    pub(crate) fn leaves_anything_out(&self) -> bool {
        self.claims.contains_key(LEFT_OUT)
    }
}

/// Everything that one request proved: a token may satisfy several identities of one issuer, and a
/// client certificate may come beside it. Empty: nobody in particular.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    pub principals: Vec<Principal>,
}
