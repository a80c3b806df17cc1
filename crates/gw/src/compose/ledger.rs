//! The ledger of a state on this machine: its folder and its key.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use gw_audit::note::{Malformed, Signer, Verifier};
use gw_control::{
    event::local_user,
    ledger::{Ledger, LedgerError, LedgerFiles, Lost, Published, Watch},
    source::git::{RepositorySettings, address::Credential, caps::Caps},
    store::Store,
    witness::{Access, Witness, WitnessFolder, WitnessRepository},
};
use gw_model::{code::Code, secret::SecretStore};
use gw_net::{address::LoopbackReach, client::ClientSettings};
use time::OffsetDateTime;
use tokio::sync::Mutex;

use super::{
    SystemClock, random, server,
    state::{PRIVATE, PUBLIC, State, no_random, place, replace, unusable},
};
use crate::{
    config::{WitnessAccess, WitnessFile, WitnessPlace},
    exit::{Exit, Failure},
    ui::{Mark, Ui},
};

/// The files of the ledger, in the state folder. A copy of it alone can be verified.
const FOLDER: &str = "ledger";
/// The private key that signs it.
const KEY: &str = "ledger.key";
/// The private key that is handed over to, until the files are signed by it.
const NEXT_KEY: &str = "ledger.key.next";
/// What was fetched of the repository that is a witness, and the same for whoever only looks.
const WITNESS: &str = "witness";
const WITNESS_ASIDE: &str = "witness-aside";
const SSH: &str = "ssh";
/// The public key that it is verified with.
const PUBLIC_KEY: &str = "ledger.pub";

impl State {
    pub(crate) fn ledger_folder(&self) -> PathBuf {
        self.folder.join(FOLDER)
    }

    /// The ledger as a server publishes it.
    /// What lets in at its witness is read from `secrets`.
    pub(super) fn server_ledger(&self, secrets: &Arc<dyn SecretStore>) -> Result<Ledger, Failure> {
        let watch = self.watch_by(WITNESS, Some(secrets))?;
        Ok(Ledger::new(&self.ledger_folder(), self.ledger_signer()?).watched_by(watch))
    }

    /// The ledger under a key, with its witness.
    fn ledger(&self, signer: Signer) -> Result<Ledger, Failure> {
        Ok(Ledger::new(&self.ledger_folder(), signer).watched_by(self.watch()?))
    }

    /// Who else remembers the ledger, by the settings.
    pub(crate) fn watch(&self) -> Result<Option<Watch>, Failure> {
        self.watch_by(WITNESS, None)
    }

    /// The same, for whoever only looks while somebody else may be writing.
    pub(crate) fn watch_aside(&self) -> Result<Option<Watch>, Failure> {
        self.watch_by(WITNESS_ASIDE, None)
    }

    /// `copy`: the folder for what is fetched of a repository. Without `read` its secret is read from
    /// where the settings say.
    fn watch_by(
        &self,
        copy: &str,
        read: Option<&Arc<dyn SecretStore>>,
    ) -> Result<Option<Watch>, Failure> {
        let named = self.settings.as_deref();
        let Some(WitnessFile { place, patience }) = WitnessFile::read(named, &self.folder)? else {
            return Ok(None);
        };
        let witness: Arc<dyn Witness> = match place {
            WitnessPlace::Folder(folder) => Arc::new(WitnessFolder::new(&folder, &self.origin())),
            WitnessPlace::Repository { address, access, secrets, allow } => {
                Arc::new(WitnessRepository {
                    settings: RepositorySettings {
                        address,
                        folder: self.folder.join(copy),
                        caps: Caps::default(),
                        client: ClientSettings {
                            listed: allow,
                            loopback: LoopbackReach::Listed,
                            ..ClientSettings::default()
                        },
                        ssh: SSH.into(),
                    },
                    branch: self.origin(),
                    access: match access {
                        WitnessAccess::Token { user, token } => {
                            let secrets =
                                read.map_or_else(|| server::secrets(&secrets), Arc::clone);
                            Access::Token { user, token, secrets }
                        }
                        WitnessAccess::Key { private_key, known_hosts } => {
                            Access::Key(Credential::Key { private_key, known_hosts })
                        }
                    },
                    clock: Arc::new(SystemClock),
                    opened: Mutex::default(),
                })
            }
        };
        Ok(Some(Watch { witness, patience }))
    }

    /// That the witness, where there is one, remembers no other ledger than this one. It learns what
    /// it does not know yet, so that one that was away holds nothing back.
    pub(crate) async fn is_witnessed(&self, store: &Store) -> Result<(), Failure> {
        if self.watch()?.is_none() || !self.folder.join(PUBLIC_KEY).exists() {
            return Ok(());
        }
        let published = self.ledger(self.ledger_signer()?)?.publish(store).await;
        published.map(|_| ()).map_err(|error| refused(&error))
    }

    /// The key to verify by, where there is a ledger.
    pub(crate) fn ledger_key(&self) -> Result<Option<Verifier>, Failure> {
        let path = self.folder.join(PUBLIC_KEY);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let key = parse(&path, &text, Verifier::parse)?;
                self.is_ours(&key).map(|()| Some(key))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    /// The key that signs the ledger. It is made once: where it is gone, another one would be of no
    /// use.
    pub(super) fn ledger_signer(&self) -> Result<Signer, Failure> {
        let path = self.folder.join(KEY);
        let known = self.ledger_key()?;
        match (path.exists(), &known) {
            (true, _) => {}
            (false, None) => self.make_ledger_key(&path)?,
            (false, Some(_)) => {
                return Err(lost_key(format!("`{}` is missing", path.display())));
            }
        }
        // Whoever was first made it: two commands that start together use one key.
        let text = fs::read_to_string(&path).map_err(|error| unusable(&path, &error))?;
        let signer = parse(&path, &text, Signer::parse)?;
        self.is_ours(signer.verifier())?;
        match known {
            Some(known) if known != *signer.verifier() => {
                // A handover that is being finished.
                let next = self.next_ledger_signer()?;
                if let Some(next) = next.filter(|next| *next.verifier() == known) {
                    return Ok(next);
                }
                let words =
                    format!("`{}` does not fit to `{PUBLIC_KEY}` beside it", path.display());
                Err(lost_key(words))
            }
            Some(_) => Ok(signer),
            None => self.tell_ledger_key(&signer).map(|()| signer),
        }
    }

    /// Makes a key and hands over to it: an entry that both sign. Says which entry, and the key.
    pub(crate) async fn rotate_ledger_key(
        &self,
        store: &Store,
    ) -> Result<(u64, Verifier), Failure> {
        let ledger = self.ledger(self.ledger_signer()?)?;
        let path = self.folder.join(NEXT_KEY);
        // One that was made for a handover that never began.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(unusable(&path, &error));
            }
            _ => {}
        }
        self.make_ledger_key(&path)?;
        let next = self.next_ledger_signer()?.ok_or_else(no_random)?;
        let at = OffsetDateTime::now_utc();
        let handed = ledger.hand_over(store, &next, &local_user(), at).await;
        let entry = handed.map_err(|error| refused(&error))?;
        let key = next.verifier().clone();
        self.take_over(store, next).await?;
        Ok((entry, key))
    }

    /// Finishes a handover that was cut off: the state says that the next key signs, and the files
    /// do not know of it yet.
    pub(super) async fn finish_rotation(&self, store: Store) -> Result<Store, Failure> {
        let Some(next) = self.next_ledger_signer()? else { return Ok(store) };
        let in_force = store.key_in_force().await.map_err(|error| Failure::from(&error))?;
        if in_force != Some(next.verifier().to_string()) {
            return Ok(store);
        }
        store.close().await;
        let opened = Store::open(&self.folder, next.verifier().clone()).await;
        let store = opened.map_err(|error| Failure::from(&error))?;
        self.take_over(&store, next).await?;
        Ok(store)
    }

    /// Signs the files by the next key, and puts it in the place of the former one. Whatever is cut
    /// off here, the next command does it again.
    async fn take_over(&self, store: &Store, next: Signer) -> Result<(), Failure> {
        let known = self.ledger_key()?;
        let keys = store.keys().await.map_err(|error| Failure::from(&error))?;
        if known.is_some_and(|known| !keys.has(&known)) {
            let words = format!("`{PUBLIC_KEY}` is not a key that handed over to this one");
            return Err(lost_key(words));
        }
        let public = format!("{}\n", next.verifier());
        let published = self.ledger(next)?.publish(store).await;
        published.map_err(|error| refused(&error))?;
        let path = self.folder.join(PUBLIC_KEY);
        let replaced = replace(&path, public.as_bytes(), PUBLIC)
            .and_then(|()| match fs::rename(self.folder.join(NEXT_KEY), self.folder.join(KEY)) {
                // Another command finished it at the same time.
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
                renamed => renamed,
            })
            .and_then(|()| File::open(&self.folder)?.sync_all());
        replaced.map_err(|error| unusable(&path, &error))
    }

    fn next_ledger_signer(&self) -> Result<Option<Signer>, Failure> {
        let path = self.folder.join(NEXT_KEY);
        match fs::read_to_string(&path) {
            Ok(text) => parse(&path, &text, Signer::parse).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(unusable(&path, &error)),
        }
    }

    fn make_ledger_key(&self, path: &Path) -> Result<(), Failure> {
        let seed = random().ok_or_else(no_random)?;
        let text = Signer::written(&self.origin(), &seed).map_err(|_| no_random())?;
        let placed = self.make_folder().and_then(|()| place(path, text.as_bytes(), PRIVATE));
        placed.map_err(|error| unusable(path, &error))
    }

    fn tell_ledger_key(&self, signer: &Signer) -> Result<(), Failure> {
        let path = self.folder.join(PUBLIC_KEY);
        let placed = place(&path, format!("{}\n", signer.verifier()).as_bytes(), PUBLIC);
        placed.map_err(|error| unusable(&path, &error))
    }

    /// A state folder is one workspace's, whose id the ledger's name has.
    fn is_ours(&self, key: &Verifier) -> Result<(), Failure> {
        if key.name() == self.origin() {
            return Ok(());
        }
        let folder = self.folder.display();
        Err(Failure::wrong(format!("the state in `{folder}` is another workspace's"))
            .coded(Code::StateForeign)
            .note(format!("it is of `{}`, this one is `{}`", key.name(), self.origin()))
            .help("name another folder: `--state DIR`, or GATEWRIGHT_STATE"))
    }

    /// A key for a state that is nowhere on disk.
    pub(super) fn blank_ledger_key(&self) -> Result<Verifier, Failure> {
        let seed = random().ok_or_else(no_random)?;
        let signer = Signer::new(&self.origin(), &seed).map_err(|_| no_random())?;
        Ok(signer.verifier().clone())
    }

    /// How many entries the files of the ledger have, where they tell what the state tells.
    pub(crate) async fn agrees(&self, store: &Store) -> Result<u64, Failure> {
        let files = LedgerFiles::new(&self.ledger_folder());
        let agreed = files.agree(self.ledger_signer()?.verifier(), store).await;
        agreed.map(|newest| newest.map_or(0, |newest| newest.size)).map_err(|e| refused(&e))
    }

    /// That there is no state is true only where no ledger tells of one.
    pub(super) fn was_never_there(&self) -> Result<(), Failure> {
        let Some(key) = self.ledger_key()? else { return Ok(()) };
        let newest = LedgerFiles::new(&self.ledger_folder()).newest(&key);
        match newest.map_err(|error| refused(&error))? {
            Some(newest) if newest.size > 0 => {
                Err(refused(&LedgerError::Ahead { files: newest.size, state: 0 }))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Brings the files of the ledger up to what was recorded. The state is what counts, so a
    /// failure is told and nothing else fails because of it.
    pub(crate) async fn publish(&self, ui: &Ui, store: &Store) {
        if store.has_recorded() {
            self.publish_now(ui, store).await;
        }
    }

    /// The same, whether or not anything was recorded.
    pub(crate) async fn publish_now(&self, ui: &Ui, store: &Store) {
        let published = async {
            let ledger = self.ledger(self.ledger_signer()?)?;
            ledger.publish(store).await.map_err(|error| Failure::from(&error))
        };
        let warning = match published.await {
            Ok(Published { lost: None, unreached: None, .. }) => return,
            Ok(Published { unreached: Some(unreached), .. }) => unreached.to_string(),
            Ok(Published { lost: Some(Lost { left, signed }), .. }) => format!(
                "the files of the ledger had {left} entries although {signed} were signed; they \
                 were written again, and the checkpoints between are lost"
            ),
            Err(failure) => {
                let code = failure.code.map(|code| format!("{code}: ")).unwrap_or_default();
                format!("{code}{failure}")
            }
        };
        ui.alarm(&format!("{} {warning}", Ui::mark(Mark::Warning)));
    }

    /// The name of the ledger: which workspace's it is.
    fn origin(&self) -> String {
        format!("gatewright/{}", self.workspace_id.as_str())
    }
}

fn refused(error: &LedgerError) -> Failure {
    let way_out = format!("`gatewright explain {}` tells what to do", error.code());
    Failure::from(error).note("nothing was changed").help(way_out)
}

fn lost_key(words: String) -> Failure {
    Failure::new(Exit::Failed, words)
        .coded(Code::LedgerKey)
        .note("nothing was changed")
        .help("restore it from a backup; without it nothing more can be recorded")
}

fn parse<T>(path: &Path, text: &str, read: fn(&str) -> Result<T, Malformed>) -> Result<T, Failure> {
    read(text.trim())
        .map_err(|why| lost_key(format!("`{}` is not a ledger's key: {why}", path.display())))
}
