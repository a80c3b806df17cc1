//! A machine of its own for one test: an empty home, a demo workspace, perhaps a running gateway.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{Receiver, Sender, channel},
    thread,
    time::Duration,
};

use gw_testkit::{
    attack::folder::Said,
    wire::{Connection, Reply, free_port, request},
    workspace::TempWorkspace,
};

use crate::terminal::normal;

/// A demo workspace with an empty home of its own, and nothing of this machine's settings.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) folder: TempWorkspace,
    port: u16,
}

/// The gateway of the demo, stopped when the test ends.
#[derive(Debug)]
pub(super) struct Gateway {
    process: Child,
    address: SocketAddr,
    /// Where it listens at the address of every gateway that has nothing to serve.
    _turn: Option<File>,
}

/// `gatewright dev`, stopped when the test ends.
#[derive(Debug)]
pub(super) struct Dev {
    process: Child,
    lines: Receiver<String>,
}

/// How long it may take until `dev` has read what was saved.
const PATIENCE: Duration = Duration::from_secs(60);

impl Machine {
    /// Nothing but a home.
    pub(super) fn new() -> Self {
        Self { folder: TempWorkspace::of(&[("home/.keep", "")]), port: free_port() }
    }

    /// The demo, listening at a port that nobody else has.
    pub(super) fn with_shop() -> Self {
        let machine = Self::new();
        assert_eq!(machine.ends(".", &["init", "--demo", "shop"]), 0);
        machine.edit("127.0.0.1:8080", &format!("127.0.0.1:{}", machine.port));
        machine
    }

    /// The program, with nothing of this machine's settings but where programs lie.
    pub(super) fn program(&self, at: &str, arguments: &[&str]) -> Command {
        let mut command = self.bare(env!("CARGO_BIN_EXE_gatewright"), at);
        command.args(arguments);
        command
    }

    /// The same under a mask of its own for the modes of new files.
    pub(super) fn masked(&self, mask: &str, at: &str, arguments: &[&str]) -> Command {
        self.behind(&format!("umask {mask}"), at, arguments)
    }

    /// The same in a process that may have so many files open and no more.
    pub(super) fn with_files(&self, files: u32, at: &str, arguments: &[&str]) -> Command {
        self.behind(&format!("ulimit -n {files}"), at, arguments)
    }

    /// What a shell sets for itself holds for the program that takes its place.
    pub(super) fn behind(&self, set: &str, at: &str, arguments: &[&str]) -> Command {
        let mut command = self.bare("sh", at);
        let run = format!("{set} && exec \"$@\"");
        command.args(["-c", &run, "sh", env!("CARGO_BIN_EXE_gatewright")]).args(arguments);
        command
    }

    /// The same, run by another program that is told this first.
    pub(super) fn under(
        &self,
        watcher: &str,
        told: &[String],
        at: &str,
        arguments: &[&str],
    ) -> Command {
        let mut command = self.bare(watcher, at);
        command.args(told).arg(env!("CARGO_BIN_EXE_gatewright")).args(arguments);
        command
    }

    fn bare(&self, program: &str, at: &str) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(self.folder.path(at))
            .env_clear()
            .env("HOME", self.folder.path("home"))
            .stdin(Stdio::null());
        command
    }

    pub(super) fn run(&self, at: &str, arguments: &[&str]) -> Output {
        self.program(at, arguments).output().expect("the program can be started")
    }

    pub(super) fn ends(&self, at: &str, arguments: &[&str]) -> i32 {
        self.run(at, arguments).status.code().expect("it ends by itself")
    }

    /// What it prints as a result.
    pub(super) fn says(&self, arguments: &[&str]) -> String {
        String::from_utf8(self.run("shop", arguments).stdout).expect("output is text")
    }

    /// What it prints as a result and then as talk, and how it ends; ids, times and the port are
    /// those of every run.
    pub(super) fn tells(&self, arguments: &[&str]) -> (String, i32) {
        let Output { status, stdout, stderr } = self.run("shop", arguments);
        let all = [stdout, stderr].concat();
        let text = String::from_utf8(all).expect("output is text");
        (self.steady(&text), status.code().expect("it ends by itself"))
    }

    /// A text without what differs from run to run.
    pub(super) fn steady(&self, text: &str) -> String {
        let text = text
            .replace(&format!(":{}", self.port), ":PORT")
            .replace(&self.folder.root().display().to_string(), "ROOT");
        text.lines().map(kept_indent).collect::<Vec<_>>().join("\n")
    }

    pub(super) fn edit(&self, from: &str, to: &str) {
        let text = self.folder.read("shop/gatewright.yaml");
        assert!(text.contains(from), "the demo says `{from}`");
        self.folder.write("shop/gatewright.yaml", &text.replace(from, to));
    }

    /// Where the demo listens.
    pub(super) fn listen(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Runs the gateway until the test ends; it listens when this returns.
    pub(super) fn gateway(&self) -> Gateway {
        self.gateway_with("shop", &[])
    }

    /// The same, started in another folder or with more arguments.
    pub(super) fn gateway_with(&self, at: &str, arguments: &[&str]) -> Gateway {
        Self::await_gateway(self.program(at, &[&["gateway"], arguments].concat()))
    }

    /// Starts a gateway; it listens when this returns.
    pub(super) fn await_gateway(mut program: Command) -> Gateway {
        let mut process = program
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let stdout = process.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).expect("the gateway speaks");
        let address = line.trim().rsplit("http://").next().and_then(|it| it.parse().ok());
        let Some(address) = address else {
            let mut why = String::new();
            let stderr = process.stderr.as_mut().expect("standard error is piped");
            stderr.read_to_string(&mut why).expect("it is text");
            panic!("the gateway does not say where it listens: {line}{why}");
        };
        Gateway { process, address, _turn: None }
    }

    /// The same, of a gateway that serves nothing, so that it listens where all of them do.
    pub(super) fn gateway_of_nothing(&self, at: &str, arguments: &[&str]) -> Gateway {
        let turn = default_address();
        let mut gateway = self.gateway_with(at, arguments);
        gateway._turn = Some(turn);
        gateway
    }

    /// Runs `dev` until the test ends, with that state folder and beside it this variable; what the
    /// folder says at first is in force when this returns. Its three ports are free ones.
    pub(super) fn dev(&self, state: &str, variable: (&str, &str)) -> Dev {
        for port in [7071, 7072] {
            self.edit(&format!(":{port}"), &format!(":{}", free_port()));
        }
        let mut process = self
            .program("shop", &["dev"])
            .env("GATEWRIGHT_STATE", self.folder.path(state))
            .env(variable.0, variable.1)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let (told, lines) = channel();
        let results = process.stdout.take().expect("standard output is piped");
        let talk = process.stderr.take().expect("standard error is piped");
        tell(results, told.clone());
        tell(talk, told);
        let dev = Dev { process, lines };
        let said = dev.read();
        assert!(said.accepted, "{}", said.words);
        dev
    }

    /// The state folder of the demo.
    pub(super) fn state(&self) -> PathBuf {
        let id = self.folder.read("shop/.gatewright/id");
        self.folder.path("home/.local/state/gatewright").join(id.trim())
    }

    /// Whether anything was written for this user.
    pub(super) fn has_state(&self) -> bool {
        fs::exists(self.folder.path("home/.local")).expect("the home can be read")
    }
}

impl Dev {
    /// Waits until it has taken or refused what was saved.
    pub(super) fn read(&self) -> Said {
        let mut words = String::new();
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect("it speaks in time");
            words.push_str(&line);
            words.push('\n');
            if line.contains("the running configuration stays") {
                return Said { accepted: false, words };
            }
            if line.ends_with("applied and verified") {
                return Said { accepted: true, words };
            }
        }
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Hands on every line, until there is no more or nobody listens.
fn tell(stream: impl Read + Send + 'static, told: Sender<String>) {
    thread::spawn(move || {
        let lines = BufReader::new(stream).lines().map_while(Result::ok);
        lines.map(|line| told.send(line)).take_while(Result::is_ok).for_each(drop);
    });
}

impl Gateway {
    pub(super) fn call(&self, method: &str, path: &str) -> Reply {
        request(self.address, method, path, &[], b"").expect("the gateway answers")
    }

    /// A connection on which a call to a path that nobody lists was answered.
    pub(super) fn used(&self) -> Connection {
        let mut connection = Connection::open(self.address).expect("it accepts");
        connection.send(b"GET /nowhere HTTP/1.1\r\nhost: x\r\n\r\n").expect("it reads");
        let reply = connection.reply().expect("an answer").expect("an answer");
        assert_eq!(reply.status, 404, "{}", reply.text());
        connection
    }

    pub(super) fn call_with(&self, token: &str, method: &str, path: &str) -> Reply {
        let header = ("authorization", format!("Bearer {token}"));
        let headers = [(header.0, header.1.as_str())];
        request(self.address, method, path, &headers, b"").expect("the gateway answers")
    }

    /// Where it says that it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, and gives all that it said beside its results.
    pub(super) fn last_words(mut self) -> String {
        signal("TERM", &self.process);
        let mut words = String::new();
        let talk = self.process.stderr.as_mut().expect("standard error is piped");
        talk.read_to_string(&mut words).expect("it is text");
        words
    }

    /// Asks it to end by a signal, and gives its exit code when it has.
    pub(super) fn stop(mut self, name: &str) -> Option<i32> {
        signal(name, &self.process);
        self.process.wait().expect("it ends").code()
    }
}

/// The turn at 127.0.0.1:8080: until it is dropped no other test of this machine listens there.
fn default_address() -> File {
    let turn = File::create(std::env::temp_dir().join("gatewright-test-8080.lock"));
    let turn = turn.expect("a file can be made");
    turn.lock().expect("it can be locked");
    turn
}

/// Sends a signal by its name.
pub(super) fn signal(name: &str, to: &Child) {
    let kill = format!("kill -{name} {}", to.id());
    let sent = Command::new("sh").args(["-c", &kill]).status().expect("sh can be started");
    assert!(sent.success());
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to stop.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// A line with its indentation, which says what belongs to what, and its words.
fn kept_indent(line: &str) -> String {
    let indent: String = line.chars().take_while(|sign| sign.is_whitespace()).collect();
    let words = normal(line);
    // What is a moment ago on an idle machine is seconds ago on a busy one.
    let words = (0..60).fold(words, |words, secs| {
        ["(", "read "].iter().fold(words, |words, before| {
            words.replace(&format!("{before}{secs} s ago"), &format!("{before}just now"))
        })
    });
    format!("{indent}{words}")
}
