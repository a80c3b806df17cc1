//! Makes changes: reads sources, executes plans, keeps journal and ledger. It never names a driver.

mod approvals;
mod release;
mod renew;

pub mod answer;
pub mod apply;
pub mod approve;
pub mod asker;
pub mod credentials;
pub mod declared;
pub mod doctor;
pub mod drift;
pub mod engine;
pub mod event;
pub mod explain;
pub mod glass;
pub mod health;
pub mod host;
pub mod ledger;
pub mod login;
pub mod look;
pub mod notify;
pub mod pull_request;
pub mod reconcile;
pub mod request;
pub mod review;
pub mod schedule;
pub mod server;
pub mod source;
pub mod stop;
pub mod store;
pub mod task;
pub mod tell;
pub mod trial;
pub mod waits;
pub mod witness;
pub mod work;
