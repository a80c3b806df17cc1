//! `gatewright audit`: the ledger, for whoever has to believe it.

mod erase;
mod evidence;
mod list;
mod people;
mod report;
mod rotate_key;
mod verify;

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};
use gw_audit::{
    entry::Entry,
    folder::{CHECKPOINT, Folder, ReadError},
    note::{Note, Verifier},
    verify::{Broken, Verified},
};
use gw_control::{ledger::LedgerFiles, store::Store};
use gw_model::code::Code;
use time::{Date, OffsetDateTime, Time, format_description::well_known::Rfc3339};

use super::Context;
use crate::{
    compose::{State, Workspace},
    exit::{Exit, Failure},
};

/// Proves what was decided and done: the ledger.
///
/// Every decision on a change, every step of it and how it ended is an entry of a Merkle tree under
/// signed checkpoints (RFC 6962 and the C2SP formats). A copy of its folder and the public key are
/// enough to verify it; nothing else is asked.
#[derive(Debug, Args)]
pub(crate) struct Audit {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    Verify(verify::Verify),
    List(list::List),
    Prove(evidence::Prove),
    Export(evidence::Export),
    Report(report::Report),
    Erase(erase::Erase),
    RotateKey(rotate_key::RotateKey),
}

/// Which ledger, and whose key is believed.
#[derive(Debug, Args)]
struct Source {
    /// The folder of a ledger, or a copy of one; else that of this workspace's state.
    #[arg(long, value_name = "DIR", requires = "key")]
    ledger: Option<PathBuf>,
    /// The ledger's public key, `NAME+HASH+KEY`, or a file that holds it.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

/// A ledger to read, and the key it must be signed by.
#[derive(Debug)]
struct Opened {
    files: LedgerFiles,
    key: Verifier,
    /// The state that it belongs to; none of a copy.
    store: Option<Store>,
}

/// From when to when.
#[derive(Clone, Copy, Debug, Args)]
struct Period {
    /// Only what happened then or later: `2026-01-31`, or `2026-01-31T09:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = begin_of)]
    from: Option<OffsetDateTime>,
    /// Only what happened before: `2026-02-01`, or `2026-01-31T17:00:00Z`.
    #[arg(long, value_name = "TIME", value_parser = begin_of)]
    to: Option<OffsetDateTime>,
}

impl Audit {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        match &self.act {
            Act::Verify(command) => command.run(context).await,
            Act::List(command) => command.run(context).await,
            Act::Prove(command) => command.run(context).await,
            Act::Export(command) => command.run(context).await,
            Act::Report(command) => command.run(context).await,
            Act::Erase(command) => command.run(context).await,
            Act::RotateKey(command) => command.run(context).await,
        }
    }
}

impl Source {
    /// The ledger to read.
    async fn open(&self, context: Context<'_>) -> Result<Opened, Failure> {
        let Some(folder) = &self.ledger else {
            return Opened::of_state(state(context)?, self.given_key()?, context).await;
        };
        let files = LedgerFiles::new(folder);
        let key = self.given_key()?.ok_or_else(no_ledger)?;
        if is_missing(&files) { Err(no_ledger()) } else { Ok(Opened { files, key, store: None }) }
    }

    /// The key to believe: the one that was given, else the one of this workspace's state.
    fn key(&self, context: Context<'_>) -> Result<Verifier, Failure> {
        match self.given_key()? {
            Some(given) => Ok(given),
            None => state(context)?.ledger_key()?.ok_or_else(no_ledger),
        }
    }

    fn given_key(&self) -> Result<Option<Verifier>, Failure> {
        self.key.as_deref().map(read_key).transpose()
    }
}

fn is_missing(files: &LedgerFiles) -> bool {
    matches!(files.read(CHECKPOINT), Ok(None))
}

fn state(context: Context<'_>) -> Result<State, Failure> {
    let workspace = Workspace::read(&context.globals.workspace)?;
    State::to_look_at(context, &workspace)
}

impl Opened {
    async fn of_state(
        state: State,
        given: Option<Verifier>,
        context: Context<'_>,
    ) -> Result<Self, Failure> {
        let store = state.open_existing(context).await?;
        let files = LedgerFiles::new(&state.ledger_folder());
        if is_missing(&files) {
            let sealed = match &store {
                Some(store) => store.sealed().await.map_err(|error| Failure::from(&error))?,
                None => None,
            };
            return Err(sealed.map_or_else(no_ledger, |(signed, _)| lost_files(signed)));
        }
        let key = match given {
            Some(key) => key,
            None => state.ledger_key()?.ok_or_else(no_ledger)?,
        };
        Ok(Self { files, key, store })
    }

    /// Verifies all of it and shows each entry, the oldest first.
    fn walk(
        &self,
        remembered: &[(String, Note)],
        visit: &mut dyn FnMut(Entry),
    ) -> Result<Verified, Failure> {
        let _still = self.files.hold_still();
        let mut show = |_, bytes: &[u8]| {
            if let Some(entry) = Entry::parse(bytes) {
                visit(entry);
            }
        };
        gw_audit::verify::verify(&self.files, &self.key, remembered, &mut show)
            .map_err(|broken| Failure::from(&broken))
    }
}

impl Period {
    fn has(self, at: OffsetDateTime) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }
}

impl From<&Broken> for Failure {
    fn from(broken: &Broken) -> Self {
        if let Broken::UnknownKey = broken {
            return Self::new(Exit::Unproven, format!("nothing is proved: {broken}"))
                .coded(Code::LedgerKey)
                .help("give the key of this ledger; a copy of another ledger has another key");
        }
        let failure = Self::new(Exit::Unproven, format!("the ledger does not verify: {broken}"));
        failure.coded(Code::LedgerBroken).help("keep this copy, and compare it with another one")
    }
}

impl From<&ReadError> for Failure {
    fn from(error: &ReadError) -> Self {
        Self::from(&Broken::File(error.clone()))
    }
}

fn lost_files(signed: u64) -> Failure {
    Failure::new(
        Exit::Unproven,
        format!("the files of the ledger are gone, and {signed} entries were signed"),
    )
    .coded(Code::LedgerBroken)
    .help("restore the folder from a backup: it has the checkpoints that were signed")
    .help("or go on: the next change writes the entries again from the state, and says so")
}

fn no_ledger() -> Failure {
    Failure::wrong("there is no ledger")
        .coded(Code::NoLedger)
        .help("it begins with the first change that is applied")
        .help("or name the folder of one: `--ledger DIR --key KEY`")
}

/// A key as text, or the file that holds it.
fn read_key(given: &str) -> Result<Verifier, Failure> {
    let text = fs::read_to_string(given);
    let text = text.as_deref().unwrap_or(given);
    Verifier::parse(text.trim()).map_err(|why| {
        Failure::wrong(format!("`{given}` is not the key of a ledger: {why}"))
            .help("it is the text of `ledger.pub` in the state folder")
    })
}

/// The begin of a day, or a moment.
fn begin_of(text: &str) -> Result<OffsetDateTime, String> {
    let day = time::macros::format_description!("[year]-[month]-[day]");
    let moment = OffsetDateTime::parse(text, &Rfc3339).ok();
    let begin = || Some(Date::parse(text, day).ok()?.with_time(Time::MIDNIGHT).assume_utc());
    moment
        .or_else(begin)
        .ok_or_else(|| "neither a day, `2026-01-31`, nor a time, `2026-01-31T09:00:00Z`".to_owned())
}
