//! `gatewright audit verify`.

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use gw_audit::{
    entry::{Act, Entry, Outcome},
    note::{Note, Verifier},
    private::Private,
    proof::Evidence,
    verify::Verified,
};
use gw_model::code::Code;
use serde::Serialize;

use super::{Opened, Period, Source, evidence::ENTRIES, list, people::People, state};
use crate::{
    commands::Context,
    exit::{Exit, Failure},
    ui::{Form, Mark, Ui},
    words::count,
};

/// Verifies the ledger offline: every entry, every hash, every signature.
///
/// A ledger that somebody made shorter is found by a checkpoint that was kept elsewhere.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    source: Source,
    /// Tells of the changes of this time only; verified is all of it.
    #[command(flatten)]
    period: Period,
    /// A checkpoint of this ledger that was kept elsewhere; may be given several times.
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// Compares with what the witness remembers, which the settings name.
    #[arg(long, conflicts_with = "ledger")]
    witness: bool,
    /// Verifies what `prove` or `export` wrote instead: one file, or a folder of them.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["checkpoint", "ledger", "witness"])]
    proof: Option<PathBuf>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema: &'static str,
    entries: u64,
    root: String,
    checkpoints: usize,
    remembered: usize,
    keys: usize,
    /// Texts about people that were not erased.
    people: usize,
    /// Hashes that stand for texts which are gone although nobody erased them.
    missing: Vec<&'a str>,
    changes: &'a Changes,
    /// Entries that the state has and the files do not have yet.
    pending: u64,
}

/// What the entries say of changes, taken together.
#[derive(Debug, Default, Serialize)]
struct Changes {
    count: usize,
    verified: usize,
    /// Those that something is missing of, in words.
    incomplete: Vec<String>,
}

/// What is known of one change.
#[derive(Debug, Default)]
struct Known {
    began: bool,
    decided: bool,
    read_back: bool,
    ended: Option<String>,
}

impl Verify {
    pub(crate) async fn run(&self, context: Context<'_>) -> Result<Exit, Failure> {
        if let Some(path) = &self.proof {
            return check_proofs(context, &self.source.key(context)?, path);
        }
        let opened = self.source.open(context).await?;
        let mut kept = self.checkpoint.iter().map(remembered).collect::<Result<Vec<_>, _>>()?;
        if self.witness {
            kept.push(of_witness(context).await?);
        }
        let given = kept.len();
        kept.extend(of_state(&opened).await?);
        let (mut known, mut decided) = (BTreeMap::new(), vec![]);
        let verified = opened.walk(&kept, &mut |entry| {
            if self.period.has(entry.at) {
                learn(&mut known, &mut decided, &entry);
            }
        })?;
        let changes = changes(&known);
        let pending = pending(&opened, &verified).await?;
        match context.ui.form {
            Form::Json => context.ui.json(&Document {
                schema: "gatewright.io/ledgerVerified/v1",
                entries: verified.newest.size,
                root: verified.newest.root.to_string(),
                checkpoints: verified.checkpoints,
                remembered: given,
                keys: verified.keys,
                people: verified.personal,
                missing: verified.missing.iter().map(Private::as_str).collect(),
                changes: &changes,
                pending,
            }),
            Form::Text => context.ui.result(&text(&verified, given, &changes, pending)),
        }
        Ok(Exit::Done)
    }
}

/// What one entry adds to what is known of its change.
fn learn(known: &mut BTreeMap<(String, u64), Known>, decided: &mut Vec<String>, entry: &Entry) {
    let event = &entry.event;
    if event.act == Act::Decided && event.outcome == Outcome::Done {
        decided.extend(event.plan.clone());
    }
    let (Some(environment), Some(change)) = (&event.environment, event.change) else { return };
    let known = known.entry((environment.clone(), change)).or_default();
    let fact = |name: &str| event.facts.get(name).and_then(|fact| fact.as_str());
    match event.act {
        Act::Began => {
            known.began = true;
            known.decided = event.plan.as_ref().is_some_and(|plan| decided.contains(plan));
        }
        Act::StepEnded if event.outcome == Outcome::Done => {
            known.read_back |= fact("step") == Some("read back");
        }
        Act::Ended => known.ended = fact("outcome").map(str::to_owned),
        _ => {}
    }
}

fn changes(known: &BTreeMap<(String, u64), Known>) -> Changes {
    let mut changes = Changes::default();
    // One that began before the time that is looked at is not told of by half.
    for ((environment, number), known) in known.iter().filter(|(_, known)| known.began) {
        changes.count += 1;
        let verified = known.ended.as_deref() == Some("verified");
        changes.verified += usize::from(verified);
        let lacks = match known {
            Known { decided: false, .. } => "has no decision",
            Known { ended: None, .. } => "did not end yet",
            Known { read_back: false, .. } if verified => "was never read back",
            _ => continue,
        };
        changes.incomplete.push(format!("change {number} of {environment} {lacks}"));
    }
    changes
}

/// The newest checkpoint that the witness remembers.
async fn of_witness(context: Context<'_>) -> Result<(String, Note), Failure> {
    let watch = state(context)?.watch_aside()?.ok_or_else(|| {
        Failure::wrong("no witness is named")
            .help("name one in `gatewright.toml`: `[witness]` with `folder` of another machine, or with `repository`")
    })?;
    let name = format!("the witness {}", watch.witness.name());
    let left = watch.witness.newest().await;
    let left = left.map_err(|unreached| Failure::new(Exit::Unreachable, unreached.to_string()))?;
    let bytes = left.ok_or_else(|| {
        Failure::new(Exit::Unproven, format!("{name} remembers nothing of this ledger"))
            .coded(Code::LedgerDisputed)
    })?;
    let note = Note::parse(&bytes).map_err(|why| {
        Failure::new(Exit::Unproven, format!("{name} has no checkpoint: {why}"))
            .coded(Code::LedgerDisputed)
    })?;
    Ok((name, note))
}

/// The checkpoint that the state remembers: files that end before it lost their end.
async fn of_state(opened: &Opened) -> Result<Option<(String, Note)>, Failure> {
    let Some(store) = &opened.store else { return Ok(None) };
    let sealed = store.sealed().await.map_err(|error| Failure::from(&error))?;
    Ok(sealed.map(|(_, note)| ("the state".to_owned(), note)))
}

/// How many entries wait to be written to the files. Fewer entries in the state than in the files
/// mean that the state was set back.
async fn pending(opened: &Opened, verified: &Verified) -> Result<u64, Failure> {
    let Some(store) = &opened.store else { return Ok(0) };
    let agreed = opened.files.agree(&opened.key, store).await;
    agreed.map_err(|error| Failure::from(&error))?;
    let compared = opened.files.compare(&verified.newest, store).await;
    compared.map_err(|error| Failure::from(&error))?;
    Box::pin(store.meet_whole_ledger()).await.map_err(|error| Failure::from(&error))?;
    let size = store.entry_count().await.map_err(|error| Failure::from(&error))?;
    Ok(size.saturating_sub(verified.newest.size))
}

fn text(verified: &Verified, given: usize, changes: &Changes, pending: u64) -> String {
    let Verified { newest, checkpoints, keys, personal, missing, remembered: _ } = verified;
    let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let mut text = format!(
        "  {} · chain unbroken · {}, {}\n",
        count(size(newest.size), "entry"),
        count(*checkpoints, "signed checkpoint"),
        count(*keys, "key")
    );
    match given {
        0 => text.push_str(
            "  no checkpoint from elsewhere: whoever holds the key could have written all of it\n",
        ),
        given => {
            let given = count(given, "checkpoint");
            text.push_str(&format!("  {given} from elsewhere found in it\n"));
        }
    }
    if changes.count > 0 {
        let (all, verified) = (count(changes.count, "change"), changes.verified);
        text.push_str(&format!("  {all}, {verified} of them read back, probed and verified\n"));
    }
    for words in &changes.incomplete {
        text.push_str(&format!("  {} {words}\n", Ui::mark(Mark::Warning)));
    }
    if *personal > 0 {
        let people = count(*personal, "text");
        text.push_str(&format!("  {people} about people beside it, as they were hashed\n"));
    }
    for hash in missing {
        let (mark, path) = (Ui::mark(Mark::Warning), hash.path());
        text.push_str(&format!(
            "  {mark} `{path}` is missing, and no entry says that it was erased\n"
        ));
    }
    if pending > 0 {
        let pending = count(size(pending), "entry");
        text.push_str(&format!("  {pending} of the state not in the files yet\n"));
    }
    text.push_str(&format!("VERIFIED up to entry {} (root {})\n", newest.size, newest.root));
    text
}

/// Verifies evidence that was handed out: a file, or what `export` wrote.
fn check_proofs(context: Context<'_>, key: &Verifier, path: &Path) -> Result<Exit, Failure> {
    let bundle = path.join("proofs");
    let files = match (bundle.is_dir(), path.is_dir()) {
        (true, _) => listed(&bundle)?,
        (false, true) => listed(path)?,
        (false, false) => vec![path.to_owned()],
    };
    if files.is_empty() {
        return Err(unproven(path, "no proof is in it"));
    }
    let mut told = vec![];
    for file in &files {
        let evidence = Evidence::parse(&read(file)?).map_err(|why| unproven(file, why))?;
        let claim = evidence.check(key).map_err(|why| unproven(file, why))?;
        if let Some(entry) = Entry::parse(&evidence.entry) {
            list::tell(context, &entry, &People::default());
        }
        context.ui.detail(&format!("in the ledger of {} entries", claim.size));
        told.extend_from_slice(&evidence.entry);
        told.push(b'\n');
    }
    // The list that is made for reading says what is proved, and nothing else.
    let list = path.join(ENTRIES);
    if bundle.is_dir() && read(&list)? != told {
        return Err(unproven(&list, "it is not what the proofs are about"));
    }
    let proved = count(files.len(), "entry");
    context.ui.say(&format!("VERIFIED: {proved} of the ledger `{}`", key.name()));
    Ok(Exit::Done)
}

fn listed(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|error| unreadable(folder, &error))?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(file).map_err(|error| unreadable(file, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::wrong(format!("cannot read `{}`: {error}", path.display()))
}

fn unproven(path: &Path, why: impl fmt::Display) -> Failure {
    Failure::new(Exit::Unproven, format!("`{}` proves nothing: {why}", path.display()))
        .coded(Code::LedgerBroken)
}

fn remembered(path: &PathBuf) -> Result<(String, Note), Failure> {
    let name = path.display().to_string();
    let bytes = fs::read(path)
        .map_err(|error| Failure::wrong(format!("cannot read the checkpoint `{name}`: {error}")))?;
    let note = Note::parse(&bytes)
        .map_err(|why| Failure::wrong(format!("`{name}` is not a checkpoint: {why}")))?;
    Ok((name, note))
}
