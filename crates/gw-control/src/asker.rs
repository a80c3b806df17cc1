//! Who asks: for the rules, and for the record. Both halves tell of the same one.

use std::collections::BTreeMap;

use gw_audit::entry::{Actor, Proof};
use gw_model::id::IdentityName;
use gw_policy::principal::{Caller, Principal};
use serde::{Deserialize, Serialize};

use crate::event;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Asker {
    /// What the rules judge.
    pub caller: Caller,
    /// What the ledger says.
    pub actor: Actor,
}

impl Asker {
    /// The user of this machine, proved by owning the state folder.
    pub fn local() -> Self {
        Self { caller: reserved(IdentityName::local()), actor: event::local_user() }
    }

    /// Gatewright acting by itself: on an event, a timer, drift or a failed health check.
    pub fn server() -> Self {
        let actor = Actor {
            identity: IdentityName::SERVER.to_owned(),
            issuer: None,
            subject: None,
            proof: Proof::Itself,
            via: vec![],
        };
        Self { caller: reserved(IdentityName::server()), actor }
    }
}

/// A reserved identity is its own issuer and its own subject: nobody else can prove it.
fn reserved(identity: IdentityName) -> Caller {
    let name = identity.to_string();
    Caller {
        principals: vec![Principal {
            identity,
            issuer: name.clone(),
            subject: name,
            claims: BTreeMap::new(),
            expires_at: None,
        }],
    }
}

#[cfg(test)]
mod tests;
