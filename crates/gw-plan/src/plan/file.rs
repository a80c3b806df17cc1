//! A plan as a file: what `plan --out` writes and `apply` reads. It carries its own digest.

use std::fmt;

use gw_model::code::Code;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use super::Plan;
use crate::digest::Digest;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: String,
    /// Of the plan's text.
    digest: Digest,
    plan: Box<RawValue>,
}

const SCHEMA: &str = "gatewright.io/plan-file/v1";

/// Why a file is not applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRefusal {
    NotAPlan {
        because: String,
    },
    /// Its content is not the one that was written.
    Altered,
}

pub fn to_file(plan: &Plan) -> Result<Vec<u8>, serde_json::Error> {
    let plan = to_raw_value(plan)?;
    let digest = Digest::of_bytes(plan.get().as_bytes());
    let mut bytes = serde_json::to_vec(&File { schema: SCHEMA.to_owned(), digest, plan })?;
    bytes.push(b'\n');
    Ok(bytes)
}

pub fn from_file(bytes: &[u8]) -> Result<Plan, FileRefusal> {
    let refuse = |error: serde_json::Error| FileRefusal::NotAPlan { because: error.to_string() };
    let File { schema, digest, plan } = serde_json::from_slice(bytes).map_err(refuse)?;
    if schema != SCHEMA {
        let because = format!("it has the form `{schema}`, this version reads `{SCHEMA}`");
        return Err(FileRefusal::NotAPlan { because });
    }
    if Digest::of_bytes(plan.get().as_bytes()) != digest {
        return Err(FileRefusal::Altered);
    }
    serde_json::from_str(plan.get()).map_err(refuse)
}

impl FileRefusal {
    pub const CODE: Code = Code::PlanAltered;
}

impl fmt::Display for FileRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAPlan { because } => write!(f, "this is not a plan: {because}"),
            Self::Altered => f.write_str("the plan was altered after it was written"),
        }
    }
}

impl std::error::Error for FileRefusal {}
