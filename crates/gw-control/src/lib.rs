//! Makes changes: reads sources, executes plans, keeps journal and ledger. It never names a driver.

pub mod apply;
pub mod approve;
pub mod asker;
pub mod engine;
pub mod event;
pub mod host;
pub mod ledger;
pub mod login;
pub mod request;
pub mod source;
pub mod store;
pub mod task;
