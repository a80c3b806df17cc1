//! The states that a command opened: each once, and all of them closed at its end.

use gw_control::store::Store;
use parking_lot::Mutex;

use super::{State, store_failure};
use crate::{exit::Failure, ui::Ui};

/// Filled while a command runs.
#[derive(Debug, Default)]
pub(crate) struct Stores {
    opened: Mutex<Vec<Opened>>,
}

#[derive(Debug)]
struct Opened {
    state: State,
    /// Which file it was: a folder that was taken away and made again has another one.
    standing: Option<u64>,
    store: Store,
}

impl Stores {
    /// The store of a state.
    pub(super) async fn open(&self, state: &State) -> Result<Store, Failure> {
        let same = |opened: &&Opened| opened.state == *state && opened.standing == state.standing();
        if let Some(opened) = self.opened.lock().iter().find(same) {
            return Ok(opened.store.clone());
        }
        // Whoever only reads needs no key to sign with.
        let key = match state.ledger_key()? {
            Some(key) => key,
            None => state.ledger_signer()?.verifier().clone(),
        };
        let store = Store::open(&state.folder, key).await;
        let store = store.map_err(|error| store_failure(&error))?;
        let store = state.finish_rotation(store).await?;
        let opened =
            Opened { state: state.clone(), standing: state.standing(), store: store.clone() };
        self.opened.lock().push(opened);
        Ok(store)
    }

    /// Writes the files of the ledgers, as far as anything was recorded, and leaves each state as
    /// one file.
    pub(crate) async fn close(&self, ui: &Ui) {
        let opened = std::mem::take(&mut *self.opened.lock());
        for Opened { state, store, .. } in opened {
            state.publish(ui, &store).await;
            store.close().await;
        }
    }
}
