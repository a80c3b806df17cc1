//! The ledger of a state on this machine: its folder and its key.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gw_audit::note::{Malformed, Signer, Verifier};
use gw_control::{
    ledger::{Ledger, LedgerFiles},
    store::Store,
};
use gw_model::code::Code;

use super::{
    random,
    state::{PRIVATE, PUBLIC, State, no_random, place, unusable},
};
use crate::{
    exit::{Exit, Failure},
    ui::{Mark, Ui},
};

/// The files of the ledger, in the state folder. A copy of it alone can be verified.
const FOLDER: &str = "ledger";
/// The private key that signs it.
const KEY: &str = "ledger.key";
/// The public key that it is verified with.
const PUBLIC_KEY: &str = "ledger.pub";

impl State {
    pub(crate) fn ledger_folder(&self) -> PathBuf {
        self.folder.join(FOLDER)
    }

    /// The key to verify by, where there is a ledger.
    pub(crate) fn ledger_key(&self) -> Result<Option<Verifier>, Failure> {
        let path = self.folder.join(PUBLIC_KEY);
        match fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text, Verifier::parse).map(Some),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// The key that signs the ledger; made on first use.
    pub(super) fn ledger_signer(&self) -> Result<Signer, Failure> {
        let path = self.folder.join(KEY);
        if !path.exists() {
            let seed = random().ok_or_else(no_random)?;
            let text = Signer::written(&self.origin(), &seed).map_err(|_| no_random())?;
            let placed = self.make_folder().and_then(|()| place(&path, text.as_bytes(), PRIVATE));
            placed.map_err(|error| unusable(&path, &error))?;
        }
        // Whoever was first made it: two commands that start together use one key.
        let text = fs::read_to_string(&path).map_err(|error| unusable(&path, &error))?;
        let signer = parse(&path, &text, Signer::parse)?;
        let public = self.folder.join(PUBLIC_KEY);
        if !public.exists() {
            let text = format!("{}\n", signer.verifier());
            let placed = place(&public, text.as_bytes(), PUBLIC);
            placed.map_err(|error| unusable(&public, &error))?;
        }
        Ok(signer)
    }

    /// A key for a state that is nowhere on disk.
    pub(super) fn blank_ledger_key(&self) -> Result<Verifier, Failure> {
        let seed = random().ok_or_else(no_random)?;
        let signer = Signer::new(&self.origin(), &seed).map_err(|_| no_random())?;
        Ok(signer.verifier().clone())
    }

    /// Whether the files of the ledger tell what the state tells, as far as they go.
    pub(super) async fn agrees(&self, store: &Store) -> Result<(), Failure> {
        let files = LedgerFiles::new(&self.ledger_folder());
        let agreed = files.agree(self.ledger_signer()?.verifier(), store).await;
        agreed.map(drop).map_err(|error| {
            let way_out = format!("`gatewright explain {}` tells what to do", error.code());
            Failure::from(&error).note("nothing was changed").help(way_out)
        })
    }

    /// Brings the files of the ledger up to what was recorded. The state is what counts, so a
    /// failure is told and nothing else fails because of it.
    pub(crate) async fn publish(&self, ui: &Ui, store: &Store) {
        if !store.has_recorded() {
            return;
        }
        let published = async {
            let ledger = Ledger::new(&self.ledger_folder(), self.ledger_signer()?);
            ledger.publish(store).await.map_err(|error| Failure::from(&error))
        };
        if let Err(failure) = published.await {
            let code = failure.code.map(|code| format!("{code}: ")).unwrap_or_default();
            ui.alarm(&format!("{} {code}{failure}", Ui::mark(Mark::Warning)));
        }
    }

    /// The name of the ledger: which workspace's it is.
    fn origin(&self) -> String {
        format!("gatewright/{}", self.workspace_id.as_str())
    }
}

fn parse<T>(path: &Path, text: &str, read: fn(&str) -> Result<T, Malformed>) -> Result<T, Failure> {
    read(text.trim()).map_err(|why| {
        Failure::new(Exit::Failed, format!("`{}` is not a ledger's key: {why}", path.display()))
            .coded(Code::LedgerKey)
            .help("restore it from a backup; without it nothing more can be recorded")
    })
}
