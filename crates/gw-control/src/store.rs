//! The state of a workspace on this machine: an SQLite file and a lock in a folder of their own.
//!
//! What is written survives a power cut: each statement is on disk before the next step is taken.
//! Documents (plans, what must hold) are kept as the JSON that their owners wrote.

mod approvals;
mod column;
mod credentials;
mod entries;
mod journal;
mod lease;
mod lock;
mod memory;
mod people;
mod queue;
mod shown;
mod tokens;
mod told;
mod waits;
mod witnessed;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use gw_audit::note::Verifier;
use gw_model::code::Code;
pub use journal::{
    ActName, Action, Begun, Change, Documents, Ending, Outcome, StepRecord, StepState, Written,
};
pub use lease::Lease;
pub use lock::StateLock;
pub use memory::{Compared, KnownDrift};
use parking_lot::RwLock;
pub use queue::{Delivered, Delivery, NewTask, Queued, TaskState};
pub use shown::Hold;
use sqlx::{
    Row, SqliteConnection, SqlitePool,
    error::DatabaseError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use time::OffsetDateTime;
pub use tokens::{Carried, Fresh, Granted, Unique, Whom};
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

/// The statements that bring a state to each version, in order; all that are missing are done in one
/// transaction.
const MIGRATIONS: [&str; 19] = [
    include_str!("../migrations/0001.sql"),
    include_str!("../migrations/0002.sql"),
    include_str!("../migrations/0003.sql"),
    include_str!("../migrations/0004.sql"),
    include_str!("../migrations/0005.sql"),
    include_str!("../migrations/0006.sql"),
    include_str!("../migrations/0007.sql"),
    include_str!("../migrations/0008.sql"),
    include_str!("../migrations/0009.sql"),
    include_str!("../migrations/0010.sql"),
    include_str!("../migrations/0011.sql"),
    include_str!("../migrations/0012.sql"),
    include_str!("../migrations/0013.sql"),
    include_str!("../migrations/0014.sql"),
    include_str!("../migrations/0015.sql"),
    include_str!("../migrations/0016.sql"),
    include_str!("../migrations/0017.sql"),
    include_str!("../migrations/0018.sql"),
    include_str!("../migrations/0019.sql"),
];

/// The file in the folder of the state.
const FILE: &str = "state.db";
/// How long a reader waits for a writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How large the log beside the file stays. A reader who stays keeps it longer, and only as long.
const LOG_BYTES: &str = "4194304";
/// How long between two attempts where SQLite itself waits for nobody.
const BUSY_PAUSE: Duration = Duration::from_millis(10);
const SQLITE_BUSY: i32 = 5;

#[derive(Clone, Debug)]
pub struct Store {
    pool: SqlitePool,
    /// The key that signs the ledger from now on.
    ledger: Arc<RwLock<Verifier>>,
    recorded: Arc<AtomicBool>,
    /// What every write through this copy is subject to.
    lease: Option<Arc<Lease>>,
    terms: lease::Terms,
    /// What the ledger says of what decides.
    told: Arc<Mutex<told::Told>>,
}

/// Why the state cannot be used.
#[derive(Debug)]
pub enum StoreError {
    /// The folder or its file cannot be opened.
    Closed { path: PathBuf, reason: String },
    /// Another process holds the lock.
    Busy { path: PathBuf },
    /// A newer version wrote it.
    Newer { found: i64 },
    /// It answered something that this version never wrote.
    Broken { reason: String },
    /// The key at hand is not the one that signs this ledger.
    OtherKey,
    /// An entry names a key that nobody handed over to.
    PlantedKey { index: u64 },
    /// What was recorded since then is remembered nowhere else, and was waited for long enough.
    Unwitnessed { since: OffsetDateTime },
    /// Another ledger than this one is remembered elsewhere.
    Distrusted { why: String },
    /// What decides is not what the ledger says.
    Unbound { what: String },
    /// The ledger cannot hold what it should say.
    Unwritable { reason: String },
    /// Somebody else has taken over, because this one was not heard of for too long.
    Fenced { lease: String },
}

impl Store {
    /// Opens the state in a folder, making both where they are missing.
    pub async fn open(folder: &Path, ledger: Verifier) -> Result<Self, StoreError> {
        make_private_folder(folder).map_err(|error| StoreError::Closed {
            path: folder.to_owned(),
            reason: error.to_string(),
        })?;
        let path = folder.join(FILE);
        let closed = |error: sqlx::Error| StoreError::Closed {
            path: path.clone(),
            reason: error.to_string(),
        };
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            // What was erased is written over.
            .pragma("secure_delete", "ON")
            .pragma("journal_size_limit", LOG_BYTES)
            .busy_timeout(BUSY_TIMEOUT);
        let pool = connected(options).await.map_err(closed)?;
        Self::over(pool, ledger).await
    }

    /// Whether a folder has a state.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// The state of a workspace in which nothing was ever done, for whoever only reads. It is
    /// nowhere on disk, and gone with the last copy.
    pub async fn blank(ledger: Verifier) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new().in_memory(true).foreign_keys(true);
        // A second connection would have a memory of its own.
        let pool = SqlitePoolOptions::new()
            .min_connections(1)
            .max_connections(1)
            .idle_timeout(None)
            .max_lifetime(None)
            .connect_with(options)
            .await?;
        Self::over(pool, ledger).await
    }

    async fn over(pool: SqlitePool, ledger: Verifier) -> Result<Self, StoreError> {
        let (ledger, terms) = (Arc::new(RwLock::new(ledger)), lease::Terms::default());
        let store = Self {
            pool,
            ledger,
            recorded: Arc::default(),
            lease: None,
            terms,
            told: Arc::default(),
        };
        store.migrate().await?;
        Ok(store)
    }

    #[cfg(test)]
    pub(crate) fn pool(&self) -> &SqlitePool {
        &self.pool
    }

    pub async fn close(self) {
        self.pool.close().await;
    }

    /// Brings the state to this version, whole or not at all.
    async fn migrate(&self) -> Result<(), StoreError> {
        if version_of(&mut *self.pool.acquire().await?).await? == MIGRATIONS.len() {
            return Ok(());
        }
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        // Somebody else may have done it while this one waited.
        let done = version_of(&mut transaction).await?;
        for migration in MIGRATIONS.iter().skip(done) {
            sqlx::raw_sql(*migration).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }
}

/// A connection, also to a file that somebody else makes at this moment: SQLite waits for every writer
/// but the one who settles how a new file is written.
async fn connected(options: SqliteConnectOptions) -> Result<SqlitePool, sqlx::Error> {
    let until = Instant::now() + BUSY_TIMEOUT;
    loop {
        let connecting = SqlitePoolOptions::new().max_connections(1).connect_with(options.clone());
        match connecting.await {
            Err(error) if is_busy(&error) && Instant::now() < until => sleep(BUSY_PAUSE).await,
            connected => return connected,
        }
    }
}

fn is_busy(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    // What follows the first byte says more of the same.
    code.and_then(|code| code.parse().ok()).is_some_and(|code: i32| code & 0xff == SQLITE_BUSY)
}

/// How many migrations were done.
async fn version_of(connection: &mut SqliteConnection) -> Result<usize, StoreError> {
    let row = sqlx::query("PRAGMA user_version").fetch_one(connection).await?;
    let found: i64 = row.try_get(0)?;
    let known = usize::try_from(found).ok().filter(|version| *version <= MIGRATIONS.len());
    known.ok_or(StoreError::Newer { found })
}

/// Makes a folder that only its owner may enter.
fn make_private_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let open_to_others = fs::metadata(folder)?.permissions().mode() & 0o077 != 0;
    if open_to_others {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))
    } else {
        Ok(())
    }
}

impl StoreError {
    pub fn code(&self) -> Code {
        match self {
            Self::Closed { .. } | Self::Broken { .. } => Code::StateUnreadable,
            Self::Busy { .. } | Self::Fenced { .. } => Code::StateBusy,
            Self::Newer { .. } => Code::StateNewer,
            Self::OtherKey | Self::PlantedKey { .. } => Code::LedgerKey,
            Self::Unwitnessed { .. } => Code::LedgerUnwitnessed,
            Self::Distrusted { .. } => Code::LedgerDisputed,
            Self::Unbound { .. } => Code::StateUnbound,
            Self::Unwritable { .. } => Code::LedgerUnwritable,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed { path, reason } => {
                write!(f, "cannot open the state in `{}`: {reason}", path.display())
            }
            Self::Busy { path } => {
                write!(f, "another gatewright changes the state in `{}` now", path.display())
            }
            Self::Newer { found } => write!(
                f,
                "the state has version {found}, this gatewright knows up to {}",
                MIGRATIONS.len()
            ),
            Self::Broken { reason } => write!(f, "the state cannot be read: {reason}"),
            Self::OtherKey => f.write_str("the ledger is signed by another key than the one here"),
            Self::PlantedKey { index } => write!(
                f,
                "entry {index} of the state names a key that the one before it did not hand over \
                 to: somebody changed the state"
            ),
            Self::Unwitnessed { since } => write!(
                f,
                "the witness was not reached, and does not know what was recorded since {since}"
            ),
            Self::Distrusted { why } => f.write_str(why),
            Self::Unbound { what } => {
                write!(f, "{what} is not what the ledger says: somebody changed the state")
            }
            Self::Unwritable { reason } => {
                write!(f, "the ledger cannot record it, so it is not done: {reason}")
            }
            Self::Fenced { lease } => {
                write!(f, "somebody else has taken over `{lease}`; nothing more is written here")
            }
        }
    }
}

impl std::error::Error for StoreError {}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Broken { reason: error.to_string() }
    }
}

#[cfg(test)]
mod tests;
