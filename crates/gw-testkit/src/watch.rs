//! A test of the running program, run again in a process of its own under a program that watches it:
//! `strace` for its system calls, `valgrind` for the instructions and the memory of one function. And a
//! program that `strace` kills right before one of its system calls.
//!
//! `make counterparts` installs both. A machine may forbid tracing; [`Watcher::find`] says so.

#[cfg(test)]
mod tests;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;
use tempfile::TempDir;

/// A program that watches, and that works on this machine.
#[derive(Debug)]
pub struct Watcher {
    program: Program,
    /// What it writes.
    folder: TempDir,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Strace,
    Valgrind,
}

/// One system call, in the order in which they began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// The name of the thread that made it.
    pub thread: String,
    /// With its arguments, as `strace` writes them.
    pub text: String,
}

/// A system call before which a program is killed: what it asks for is not done any more.
#[derive(Clone, Copy, Debug)]
pub struct Kill<'a> {
    /// Its name.
    pub call: &'a str,
    /// The first one is 1. Each thread counts its own.
    pub nth: usize,
    pub counted: Counted<'a>,
}

/// Which calls of that name count.
#[derive(Clone, Copy, Debug)]
pub enum Counted<'a> {
    /// Those about any of these files and folders.
    About(&'a [PathBuf]),
    /// Those of the thread with which the program began.
    OfFirstThread,
}

impl Kill<'_> {
    /// What `strace` is told; the program and its own arguments come behind it.
    pub fn arguments(&self) -> Vec<String> {
        let Self { call, nth, counted } = self;
        let mut arguments: Vec<String> = match counted {
            Counted::OfFirstThread => vec![],
            Counted::About(paths) => {
                let each = paths.iter().map(|path| path.display().to_string());
                let named = each.flat_map(|path| ["-P".to_owned(), path]);
                ["-f".to_owned()].into_iter().chain(named).collect()
            }
        };
        let how = format!("inject={call}:signal=KILL:when={nth}");
        let trace = format!("trace={call}");
        arguments.extend(["-qq", "-o", "/dev/null", "-e", &trace, "-e", &how].map(str::to_owned));
        arguments
    }
}

impl SystemCall {
    pub fn name(&self) -> &str {
        self.text.split('(').next().unwrap_or_default()
    }

    /// The first argument in quotes, which is the path where there is one.
    pub fn path(&self) -> Option<&str> {
        self.text.split('"').nth(1)
    }
}

impl Program {
    const fn name(self) -> &'static str {
        match self {
            Self::Strace => "strace",
            Self::Valgrind => "valgrind",
        }
    }
}

impl Watcher {
    /// Or why it cannot watch on this machine.
    pub fn find(program: Program) -> Result<Self, String> {
        let (name, try_it): (_, &[&str]) = match program {
            Program::Strace => ("strace", &["-f", "-e", "trace=none", "true"]),
            Program::Valgrind => ("valgrind", &["--version"]),
        };
        let tried = Command::new(name).args(try_it).stdin(Stdio::null()).output();
        match tried {
            Err(error) => {
                Err(format!("{name} cannot be started ({error}): run `make counterparts`"))
            }
            Ok(output) if !output.status.success() => {
                let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
                Err(format!("{name} cannot watch on this machine: {said}"))
            }
            Ok(_) => {
                let folder = TempDir::new().expect("a temporary folder can be made");
                Ok(Self { program, folder })
            }
        }
    }

    /// Every call of these kinds (`file,connect`) that the test makes.
    pub fn system_calls(&self, test: &str, kinds: &str) -> Vec<SystemCall> {
        let file = self.folder.path().join("calls");
        let out = file.display().to_string();
        // Threads name themselves by `prctl`, and are known by that name only if it is watched.
        let kinds = format!("trace={kinds},prctl");
        // Calls of other kinds do not stop anybody.
        let how = ["-f", "--seccomp-bpf", "--decode-pids=comm", "-s", "1024", "-e", &kinds];
        self.run(&[&how[..], &["-o", &out]].concat(), test);
        let text = fs::read(file).expect("strace writes what it saw");
        String::from_utf8_lossy(&text).lines().filter_map(system_call).collect()
    }

    /// How many instructions each call of that function takes in the test, what it calls included; in
    /// the order of the calls. The function has its whole path, and does not call itself.
    pub fn instructions(&self, test: &str, function: &str) -> Vec<u64> {
        let out = format!("--callgrind-out-file={}", self.folder.path().join("profile").display());
        let collect = format!("--toggle-collect={function}");
        let dump = format!("--dump-after={function}");
        self.run(&["--tool=callgrind", &out, &collect, &dump], test);
        let mut dumps: Vec<(u32, u64)> = files(self.folder.path())
            .filter_map(|path| {
                let number = path.extension()?.to_str()?.parse().ok()?;
                Some((number, total(&fs::read_to_string(path).ok()?)?))
            })
            .collect();
        dumps.sort_unstable();
        dumps.into_iter().map(|(_, instructions)| instructions).collect()
    }

    /// How many bytes each of these functions asks for on the heap in the test, what they call
    /// included and no matter what they give back: never less than they hold at one time.
    pub fn heap(&self, test: &str, functions: &[&str]) -> Vec<u64> {
        let file = self.folder.path().join("heap.json");
        let out = format!("--dhat-out-file={}", file.display());
        self.run(&["--tool=dhat", "--num-callers=100", &out], test);
        let text = fs::read(file).expect("valgrind writes what it saw");
        let profile: Profile = serde_json::from_slice(&text).expect("a profile is JSON");
        functions.iter().map(|function| profile.asked_for(function)).collect()
    }

    /// Runs one test of this program alone, under the watcher.
    fn run(&self, watching: &[&str], test: &str) {
        let this = env::current_exe().expect("a process knows its program");
        let output = Command::new(self.program.name())
            .args(watching)
            .arg(this)
            .args(["--exact", test, "--test-threads=1"])
            .stdin(Stdio::null())
            .output()
            .expect("it was started before");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(output.status.success(), "{test} fails when it is watched: {said}");
        assert!(said.contains("test result: ok. 1 passed"), "there is no test {test}: {said}");
    }
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder can be listed");
    entries.flatten().map(|entry| entry.path())
}

/// `123<gw-worker-0> openat(AT_FDCWD, "x" <unfinished ...>`; what only ends a call says nothing new.
fn system_call(line: &str) -> Option<SystemCall> {
    let (thread, text) = line.split_once('<')?.1.split_once("> ")?;
    let text = text.trim_start();
    let begins = text.starts_with(|sign: char| sign.is_ascii_lowercase());
    begins.then(|| SystemCall { thread: thread.to_owned(), text: text.to_owned() })
}

/// The sum at the end of a profile of `callgrind`.
fn total(profile: &str) -> Option<u64> {
    let line = profile.lines().rev().find_map(|line| line.strip_prefix("totals: "))?;
    line.trim().parse().ok()
}

/// What `dhat` writes, as far as it is needed.
#[derive(Debug, Deserialize)]
struct Profile {
    #[serde(rename = "ftbl")]
    frames: Vec<String>,
    #[serde(rename = "pps")]
    places: Vec<Place>,
}

/// A place in the program that asks for memory, with everybody who called it.
#[derive(Debug, Deserialize)]
struct Place {
    #[serde(rename = "tb")]
    bytes: u64,
    #[serde(rename = "fs")]
    frames: Vec<usize>,
}

impl Profile {
    fn asked_for(&self, function: &str) -> u64 {
        // `0x33E215: path::of::function (file.rs:16)`
        let is_it = |frame: &&usize| {
            let text = self.frames.get(**frame).map(String::as_str).unwrap_or_default();
            text.split_once(": ").and_then(|(_, name)| name.split(" (").next()) == Some(function)
        };
        let inside = |place: &&Place| place.frames.iter().any(|frame| is_it(&frame));
        self.places.iter().filter(inside).map(|place| place.bytes).sum()
    }
}
