//! What every driver must do, and what only the builtin one does.

mod conformance;
mod gateway;
mod shop;
