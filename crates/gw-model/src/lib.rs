//! The words of the system: what people declare, and what must hold because of it.
//!
//! Nothing here does I/O: files arrive through [`load::Files`], time as an argument.

pub mod api;
pub mod clock;
pub mod code;
pub mod desired;
pub mod diagnostic;
pub mod document;
pub mod environment;
pub mod id;
pub mod load;
pub mod openapi;
pub mod scalar;
pub mod secret;
pub mod source;
pub mod workspace;
