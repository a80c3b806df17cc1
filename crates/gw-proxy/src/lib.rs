//! The data plane: takes calls, decides each by the snapshot in force, and sends on what is allowed.
//!
//! A call goes from [`listen`] over [`wire`] into [`pipeline`]; what it meets there stands in one
//! list. The steward beside it takes new generations. Nothing here reads a declaration, and nothing
//! decides that is not in `gw-policy`.

mod access_log;
mod admin;
mod assertion;
mod call;
mod certificate;
mod credential;
mod file;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod gateway;
mod generations;
mod home;
mod listen;
mod memory;
mod metrics;
mod noise;
mod pace;
mod phase;
mod pipeline;
mod record;
mod respond;
mod room;
mod serving;
pub mod settings;
mod shared;
mod stage;
mod steward;
mod tls;
mod trace;
mod upstream;
mod wire;

pub use file::read_file;
pub use memory::served_before;
pub use record::{Wanted, recorded};
