//! What `benches/run.py --only ledger` runs: entries that are on disk before the next one begins, and
//! a long ledger as files for whoever verifies one. It prints one JSON document.
#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    reason = "a measurement that cannot be made has to stop, and its result is read from its output"
)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    time::Instant,
};

use gw_audit::{
    entry::{Act, Entry, Event, Outcome},
    growth::{Growth, Write},
    note::Signer,
};
use gw_control::{event::local_user, ledger::Ledger, store::Store};
use time::{Duration, OffsetDateTime};

const NAME: &str = "gatewright/bench";
/// So many entries are added one by one.
const APPENDS: u32 = 2_000;
/// So many lie in the ledger that is verified.
const ENTRIES: u64 = 1_000_000;
/// A checkpoint after so many.
const STEP: u64 = 50_000;

fn main() {
    // Cargo adds an argument of its own behind this one.
    let folder = PathBuf::from(env::args().nth(1).expect("a folder"));
    let signer = Signer::new(NAME, &[7; 32]).expect("a key");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let (append_s, publish_s) = runtime.expect("a runtime").block_on(append(&folder.join("state")));
    write_long(&folder.join("long"), &signer);
    println!(
        "{}",
        serde_json::json!({
            "appends": APPENDS,
            "append_s": append_s,
            "publish_s": publish_s,
            "entries": ENTRIES,
            "ledger": folder.join("long"),
            "key": signer.verifier().to_string(),
        })
    );
}

/// As long as a step of a change takes to be on the record, and then all of them to be files.
async fn append(state: &Path) -> (f64, f64) {
    let signer = Signer::new(NAME, &[7; 32]).expect("a key");
    let store = Store::open(state, signer.verifier().clone()).await.expect("a state");
    store.record(step(0), OffsetDateTime::UNIX_EPOCH).await.expect("an entry");
    let begun = Instant::now();
    for number in 0..APPENDS {
        let at = OffsetDateTime::UNIX_EPOCH + Duration::seconds(number.into());
        store.record(step(number.into()), at).await.expect("an entry");
    }
    let append_s = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    Ledger::new(&state.join("ledger"), signer).publish(&store).await.expect("files");
    (append_s, begun.elapsed().as_secs_f64())
}

fn step(number: u64) -> Event {
    let mut event = Event::new(Act::StepEnded, Outcome::Done, local_user());
    event.environment = Some("prod".to_owned());
    event.target = Some("default".to_owned());
    event.change = Some(number / 16);
    event.fact("step", "read back").fact("detail", "120 of 120 objects are what was written")
}

fn write_long(folder: &Path, signer: &Signer) {
    let (mut growth, mut writes) = (Growth::default(), vec![]);
    let opened = Event::new(Act::LedgerOpened, Outcome::Done, local_user());
    for index in 0..ENTRIES {
        let event = match index {
            0 => opened.clone().naming(signer.verifier(), None),
            _ => step(index),
        };
        let seconds = i64::try_from(index).unwrap_or(i64::MAX);
        let at = OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds);
        let entry = Entry::place(event, index, at, None).to_bytes().expect("an entry");
        growth.push(entry, &mut writes).expect("a short entry");
        if (index + 1) % STEP == 0 {
            growth.seal(NAME, &[signer], &mut writes);
            put(folder, writes.drain(..));
        }
    }
}

fn put(folder: &Path, writes: impl Iterator<Item = Write>) {
    for write in writes {
        match write {
            Write::Put { path, bytes } => {
                let place = folder.join(path);
                fs::create_dir_all(place.parent().unwrap_or(folder)).expect("a folder");
                fs::write(place, bytes).expect("a file");
            }
            Write::Clear { path } => {
                // It may never have been there.
                drop(fs::remove_dir_all(folder.join(path)));
            }
        }
    }
}
