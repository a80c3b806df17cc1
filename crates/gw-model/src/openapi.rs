//! The OpenAPI document, as far as the gateway needs it: which operations exist.

use serde::{Deserialize, Serialize};

use crate::scalar::Method;

/// One operation of an API.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// `operationId`, or `METHOD path` where the document names none.
    pub id: String,
    pub method: Method,
    /// The path template as callers use it, `/orders/{id}`.
    pub path: String,
}
