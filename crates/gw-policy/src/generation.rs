//! What a gateway serves, as one signed file: a generation.
//!
//! A generation is written once and never edited. Its numbers only grow, for one target: going back
//! to an older state is a new number with the old content, so a gateway refuses every number below
//! the last one it has served. The signature covers the exact bytes, under a key that belongs to
//! the workspace's state. Nothing here reads files or random numbers.

mod key;
mod object;
mod part;

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use gw_model::id::{EnvironmentName, TargetName, WorkspaceId};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

pub use self::{
    key::{KeyRefusal, PublicKey, SigningKey},
    object::{Body, Object, ObjectKey},
    part::{GatewayPart, Part, PartRefusal, desired, desired_of},
};

/// Everything that one gateway serves, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Generation {
    /// The owner mark.
    pub workspace_id: WorkspaceId,
    pub environment: EnvironmentName,
    pub target: TargetName,
    pub number: u64,
    /// The change that made it; none where something else than a change did.
    pub change: Option<u64>,
    /// The effect digest of that change, `sha256:…`.
    pub effect: String,
    #[serde(with = "time::serde::rfc3339")]
    pub made_at: OffsetDateTime,
    pub objects: Vec<Object>,
}

/// What a reader insists on before it believes a generation.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub workspace_id: &'a WorkspaceId,
    pub environment: &'a EnvironmentName,
    pub target: &'a TargetName,
    /// The highest number that was ever served here.
    pub last_seen: Option<u64>,
}

/// Why a generation is not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    NotAGeneration {
        because: String,
    },
    /// Written by a version of the tool that uses another form.
    OtherForm {
        schema: String,
    },
    /// The bytes are not those that were signed, or another key signed them.
    Forged,
    /// Signed, but made for another workspace, environment or target.
    Elsewhere {
        what: &'static str,
        found: String,
    },
    /// Older than what was already served.
    Older {
        number: u64,
        last_seen: u64,
    },
}

/// The first line of the file; the signed bytes are all that follows it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Seal {
    schema: String,
    key: String,
    signature: String,
}

const SCHEMA: &str = "gatewright.io/generation/v1";

impl Generation {
    /// The bytes of the file: a line with the seal, then the signed document.
    pub fn sign(&self, key: &SigningKey) -> Result<Vec<u8>, serde_json::Error> {
        let document = serde_json::to_vec(self)?;
        let seal = Seal {
            schema: SCHEMA.to_owned(),
            key: key.public().id(),
            signature: STANDARD.encode(key.sign(&signed_bytes(&document))),
        };
        let mut file = serde_json::to_vec(&seal)?;
        file.push(b'\n');
        file.extend_from_slice(&document);
        Ok(file)
    }

    /// Believes nothing before the signature holds.
    pub fn open(file: &[u8], key: &PublicKey, expected: &Expected<'_>) -> Result<Self, Refusal> {
        let generation = Self::verify(file, key)?;
        expected.admit(&generation)?;
        Ok(generation)
    }

    /// Whether the signature holds, and nothing more: for those who ask whose a generation is.
    pub fn verify(file: &[u8], key: &PublicKey) -> Result<Self, Refusal> {
        let refuse = |because: &str| Refusal::NotAGeneration { because: because.to_owned() };
        let end = file.iter().position(|byte| *byte == b'\n');
        let (seal, document) = end
            .and_then(|end| Some((file.get(..end)?, file.get(end + 1..)?)))
            .ok_or_else(|| refuse("it has no seal"))?;
        let seal: Seal =
            serde_json::from_slice(seal).map_err(|_| refuse("its seal cannot be read"))?;
        if seal.schema != SCHEMA {
            return Err(Refusal::OtherForm { schema: seal.schema });
        }
        let signature = STANDARD.decode(&seal.signature).map_err(|_| Refusal::Forged)?;
        if seal.key != key.id() || !key.verifies(&signed_bytes(document), &signature) {
            return Err(Refusal::Forged);
        }
        serde_json::from_slice(document).map_err(|error| refuse(&error.to_string()))
    }
}

impl Expected<'_> {
    /// For a generation whose signature holds already.
    pub fn admit(&self, generation: &Generation) -> Result<(), Refusal> {
        let elsewhere = |what, found: &str| Refusal::Elsewhere { what, found: found.to_owned() };
        if generation.workspace_id != *self.workspace_id {
            return Err(elsewhere("workspace", generation.workspace_id.as_str()));
        }
        if generation.environment != *self.environment {
            return Err(elsewhere("environment", generation.environment.as_str()));
        }
        if generation.target != *self.target {
            return Err(elsewhere("target", generation.target.as_str()));
        }
        match self.last_seen {
            Some(last_seen) if generation.number < last_seen => {
                Err(Refusal::Older { number: generation.number, last_seen })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// The schema stands in front, so that a signature never fits another kind of document.
fn signed_bytes(document: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SCHEMA.len() + 1 + document.len());
    bytes.extend_from_slice(SCHEMA.as_bytes());
    bytes.push(b'\n');
    bytes.extend_from_slice(document);
    bytes
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAGeneration { because } => write!(f, "this is not a generation: {because}"),
            Self::OtherForm { schema } => {
                write!(f, "the generation has the form `{schema}`, this version reads `{SCHEMA}`")
            }
            Self::Forged => f.write_str(
                "the signature of the generation does not hold: it was changed after signing, or \
                 signed with another key",
            ),
            Self::Elsewhere { what, found } => {
                write!(f, "the generation was made for another {what}, `{found}`")
            }
            Self::Older { number, last_seen } => write!(
                f,
                "generation {number} is older than generation {last_seen}, which was served already"
            ),
        }
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests;
