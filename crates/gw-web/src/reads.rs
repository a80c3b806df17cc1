//! Who looked at what, for the ledger: the first look of a token at a kind of thing is an entry, so
//! that whoever watches a task does not fill it.

use std::collections::BTreeMap;

use gw_audit::entry::{Act, Event, Outcome};
use gw_control::{
    server::Server,
    store::{Granted, StoreError},
};
use parking_lot::Mutex;
use time::OffsetDateTime;

#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Until the token ends.
    seen: Mutex<BTreeMap<(String, &'static str), OffsetDateTime>>,
}

impl Reads {
    /// Records a look. What cannot be recorded is not shown.
    pub(crate) async fn record(
        &self,
        server: &Server,
        granted: &Granted,
        what: &'static str,
    ) -> Result<(), StoreError> {
        let at = server.clock.now();
        let key = (granted.id.clone(), what);
        if self.seen.lock().contains_key(&key) {
            return Ok(());
        }
        let mut read = Event::new(Act::Read, Outcome::Done, granted.asker.actor.clone());
        read.environment = Some(granted.scope.environment.to_string());
        server.store.record(read.fact("what", what), at).await?;
        let mut seen = self.seen.lock();
        seen.retain(|_, until| *until > at);
        seen.insert(key, granted.expires_at);
        Ok(())
    }
}
