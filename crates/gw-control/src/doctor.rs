//! Whether each link of the chain that a change goes through is whole, and how a broken one is repaired.

pub mod rights;

use serde::{Deserialize, Serialize};

use crate::host::HostError;

/// One thing that was tested.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub name: String,
    pub good: bool,
    pub found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repair: Option<String>,
    /// What is worth knowing, and needs no repair.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

impl Link {
    pub fn good(name: &str, found: impl Into<String>) -> Self {
        let name = name.to_owned();
        Self { name, good: true, found: found.into(), repair: None, notes: vec![] }
    }

    pub fn broken(name: &str, found: impl Into<String>, repair: impl Into<String>) -> Self {
        let (name, repair) = (name.to_owned(), Some(repair.into()));
        Self { name, good: false, found: found.into(), repair, notes: vec![] }
    }

    #[must_use]
    pub fn noting(self, notes: Vec<String>) -> Self {
        Self { notes, ..self }
    }

    fn failed(name: &str, error: &HostError) -> Self {
        let repair = error.help().unwrap_or_else(|| "see that the Git host answers".to_owned());
        Self::broken(name, error.to_string(), repair)
    }
}
