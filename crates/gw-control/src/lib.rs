//! Makes changes: reads sources, executes plans, keeps the journal. It never names a driver.

pub mod apply;
pub mod local;
pub mod source;
pub mod store;
