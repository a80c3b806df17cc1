//! `gatewright audit prove` and `gatewright audit export`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use gw_audit::{
    folder::{CHECKPOINT, Folder},
    proof::Evidence,
};

use super::{Opened, Period, Source, no_ledger};
use crate::{
    commands::Context,
    exit::{Exit, Failure},
    words::count,
};

/// What a bundle of evidence is about, an entry in each line.
pub(super) const ENTRIES: &str = "entries.jsonl";

/// Writes the proof that one entry is in the ledger: one small file that anybody can check.
#[derive(Debug, Args)]
pub(crate) struct Prove {
    /// The number of the entry; `list` shows it.
    #[arg(value_name = "ENTRY")]
    entry: u64,
    #[command(flatten)]
    source: Source,
}

/// Writes a bundle of evidence: entries, the proof of each, the checkpoint and the key.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The folder for it; it must not exist yet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    period: Period,
}

impl Prove {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let opened = self.source.open(context).await?;
        context.ui.result(&evidence(&opened, self.entry)?.to_string());
        Ok(Exit::Done)
    }
}

impl Export {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        let opened = self.source.open(context).await?;
        let mut wanted = vec![];
        opened.walk(&[], &mut |entry| {
            if self.period.has(entry.at) {
                wanted.push(entry.index);
            }
        })?;
        if wanted.is_empty() {
            return Err(Failure::wrong("no entry is of that time")
                .help("`--from` is the begin, `--to` the end that does not count itself"));
        }
        let cannot = |path: &Path, error: std::io::Error| {
            Failure::new(Exit::Failed, format!("cannot write `{}`: {error}", path.display()))
        };
        let write = |path: PathBuf, bytes: &[u8]| {
            fs::write(&path, bytes).map_err(|error| cannot(&path, error))
        };
        let proofs = self.out.join("proofs");
        fs::create_dir(&self.out).map_err(|error| cannot(&self.out, error))?;
        fs::create_dir(&proofs).map_err(|error| cannot(&proofs, error))?;
        let mut lines = vec![];
        for index in &wanted {
            let evidence = evidence(&opened, *index)?;
            lines.extend_from_slice(&evidence.entry);
            lines.push(b'\n');
            write(proofs.join(format!("{index:08}")), evidence.to_string().as_bytes())?;
        }
        write(self.out.join(ENTRIES), &lines)?;
        write(self.out.join("key"), format!("{}\n", opened.key).as_bytes())?;
        let checkpoint = opened.files.read(CHECKPOINT).ok().flatten().ok_or_else(no_ledger)?;
        write(self.out.join(CHECKPOINT), &checkpoint)?;
        let (entries, out) = (count(wanted.len(), "entry"), self.out.display());
        context.ui.say(&format!(
            "wrote {entries} with their proofs to {out}\n\
             whoever knows the key verifies them: gatewright audit verify --proof {out}/proofs \
             --key {}",
            opened.key
        ));
        Ok(Exit::Done)
    }
}

fn evidence(opened: &Opened, index: u64) -> Result<Evidence, Failure> {
    let found = Evidence::of(&opened.files, index).map_err(|error| Failure::from(&error))?;
    found.ok_or_else(|| {
        Failure::wrong(format!("the ledger has no entry {index}"))
            .help("`gatewright audit list` shows them")
    })
}
