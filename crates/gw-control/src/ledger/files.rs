//! A ledger as files below a folder of this machine.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use gw_audit::{
    folder::{CHECKPOINT, Folder},
    growth::Write,
    private::{Opened, PERSONAL},
};

use super::LedgerError;

/// What only one process at a time holds while it writes.
const LOCK: &str = "lock";
/// The largest file of a ledger: a full bundle of the longest entries.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// The folder of a ledger. Whoever reads needs nothing else.
#[derive(Clone, Debug)]
pub struct LedgerFiles {
    root: PathBuf,
}

impl LedgerFiles {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The newest checkpoint; none where nothing was ever published.
    pub(super) fn checkpoint(&self) -> Result<Option<Vec<u8>>, LedgerError> {
        let path = CHECKPOINT.to_owned();
        self.read(CHECKPOINT).map_err(|because| {
            LedgerError::Read(gw_audit::folder::ReadError::Unreadable { path, because })
        })
    }

    /// Nobody writes as long as this is held. A copy that cannot be locked has no writer.
    pub fn hold_still(&self) -> Option<File> {
        let file = File::open(self.root.join(LOCK)).ok()?;
        file.lock_shared().ok()?;
        Some(file)
    }

    /// Held until it is dropped.
    pub(super) fn lock(&self) -> Result<File, LedgerError> {
        let taken = || {
            make_folder(&self.root)?;
            let path = self.root.join(LOCK);
            let file = File::options().create(true).truncate(false).write(true).open(path)?;
            file.lock()?;
            Ok(file)
        };
        taken().map_err(|error| cannot_write(LOCK, &error))
    }

    /// Does the writes in their order. After each, a power cut leaves it done.
    pub(super) fn write(&self, writes: Vec<Write>) -> Result<(), LedgerError> {
        for write in writes {
            let (path, done) = match write {
                Write::Put { path, bytes } => {
                    let done = self.put(&path, &bytes);
                    (path, done)
                }
                Write::Clear { path } => {
                    let done = self.clear(&path);
                    (path, done)
                }
            };
            done.map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(())
    }

    /// Brings the texts about people in line with the state: what was erased there goes here too.
    pub(super) fn keep(&self, people: &[Opened]) -> Result<(), LedgerError> {
        let unreadable =
            |because: String| LedgerError::Write { path: PERSONAL.to_owned(), because };
        let mut there: BTreeSet<String> =
            self.names(PERSONAL).map_err(unreadable)?.into_iter().collect();
        for opened in people {
            if !there.remove(&opened.hash.file()) {
                let path = opened.hash.path();
                self.put(&path, &opened.to_bytes()).map_err(|error| cannot_write(&path, &error))?;
            }
        }
        for name in there {
            let path = format!("{PERSONAL}/{name}");
            let gone = fs::remove_file(self.root.join(&path))
                .and_then(|()| File::open(self.root.join(PERSONAL))?.sync_all());
            gone.map_err(|error| cannot_write(&path, &error))?;
        }
        Ok(())
    }

    /// Puts a file there, whole or not at all.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) -> io::Result<()> {
        let place = self.root.join(path);
        let folder = place.parent().unwrap_or(&self.root);
        make_folder(folder)?;
        let draft = place.with_extension("new");
        // What a former writer left is not written through, wherever it leads.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&draft, &place)?;
        File::open(folder)?.sync_all()
    }

    fn clear(&self, path: &str) -> io::Result<()> {
        match fs::remove_dir_all(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }
}

impl Folder for LedgerFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        use io::Read;

        // A pipe in the place of a file is no file, and is not waited for.
        let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
        let opened = File::options().read(true).custom_flags(nonblock).open(self.root.join(path));
        let opened = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(|error| error.to_string())?,
        };
        if !opened.metadata().is_ok_and(|found| found.is_file()) {
            return Err("it is not a file".to_owned());
        }
        let mut bytes = vec![];
        let read = opened.take(MAX_FILE_BYTES).read_to_end(&mut bytes);
        read.map(|_| Some(bytes)).map_err(|error| error.to_string())
    }

    fn names(&self, path: &str) -> Result<Vec<String>, String> {
        let entries = match fs::read_dir(self.root.join(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            entries => entries.map_err(|error| error.to_string())?,
        };
        let mut names = vec![];
        for entry in entries {
            let name = entry.map_err(|error| error.to_string())?.file_name();
            // What a power cut left half written counts for nothing.
            let name = name.to_string_lossy().into_owned();
            if !name.ends_with(".new") {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// Makes a folder that only its owner may enter, and whatever lacks above it. A power cut leaves
/// what was made.
fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    if folder.is_dir() {
        return Ok(());
    }
    let Some(above) = folder.parent() else { return Ok(()) };
    make_folder(above)?;
    match fs::DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made.and_then(|()| File::open(above)?.sync_all()),
    }
}

fn cannot_write(path: &str, error: &io::Error) -> LedgerError {
    LedgerError::Write { path: path.to_owned(), because: error.to_string() }
}
