//! The JSON schema for editors, as the types of the declarations make it.

use crate::{
    finding::Finding,
    repository::{Mode, Repository},
};

const SCHEMA: &str = "schemas/gatewright.schema.json";

pub(crate) fn run(repository: &Repository, mode: Mode) -> Result<Vec<Finding>, String> {
    repository.keep_current(SCHEMA, &gw_model::schema::text(), mode, "schema")
}
