//! The seam between bytes and decisions: what a request is once its form is beyond doubt.
//!
//! Nothing past this module knows which library reads and writes HTTP. What two servers could read
//! differently is refused here, never interpreted.

pub(crate) mod body;
pub(crate) mod head;
pub(crate) mod hyper;
