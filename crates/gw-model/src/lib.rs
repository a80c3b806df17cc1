//! The words of the system: what people declare, and what must hold because of it.
//!
//! Nothing here does I/O: files arrive through [`load::Files`], time as an argument.

pub mod api;
pub mod clock;
pub mod code;
pub mod declared;
pub mod desired;
pub mod diagnostic;
pub mod document;
pub mod edit;
pub mod environment;
pub mod form;
pub mod header;
pub mod id;
pub mod leak;
pub mod load;
pub mod openapi;
pub mod placeholder;
pub mod scalar;
pub mod schema;
pub mod secret;
pub mod shape;
pub mod show;
pub mod source;
pub mod terminal;
pub mod workspace;

/// What every declaration carries as its `apiVersion`.
pub const API_VERSION: &str = "gatewright.io/v1alpha1";
