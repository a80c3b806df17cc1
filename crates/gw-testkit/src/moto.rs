//! AWS that checks signatures: PyPI `moto`, as a child process, and the official client to sign.
//!
//! `make counterparts` fetches both into `.cache/moto`; their versions are pinned by the lock file in
//! `tests/moto`.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use serde_json::Value;

/// How long it may take to start, or to sign.
const START: Duration = Duration::from_secs(60);

const SCRIPT: &str = "server.py";

/// Runs until it is dropped.
#[derive(Debug)]
pub struct Moto {
    child: Child,
    asks: ChildStdin,
    lines: Receiver<String>,
    url: String,
}

impl Moto {
    /// Whether `make counterparts` has been run.
    pub fn is_installed() -> bool {
        folder().join(SCRIPT).is_file()
    }

    pub fn start() -> Self {
        let folder = folder();
        let mut child = Command::new("python3")
            .arg(SCRIPT)
            .current_dir(&folder)
            .env("PYTHONPATH", ".")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 can be started");
        let asks = child.stdin.take().expect("standard input is piped");
        let stdout = child.stdout.take().expect("standard output is piped");
        let (told, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            // The receiver is gone when the server is.
            lines.map(|line| told.send(line)).take_while(Result::is_ok).count()
        });
        let mut moto = Self { child, asks, lines, url: String::new() };
        moto.url = moto.line();
        moto
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request as it would be sent: `url`, `headers` and `body`.
    pub fn sign(&mut self, wanted: &Value) -> Value {
        writeln!(self.asks, "{wanted}").expect("the server reads");
        serde_json::from_str(&self.line()).expect("a request is JSON")
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(START).expect("the server answers in time")
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.cache/moto")
}
