//! A terminal as a reader of the documentation has it: a shell that keeps its folder and its
//! variables, and output compared as a person would, not minding ids and times.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

/// No command of the documentation takes longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The line that tells that a command has ended; nothing prints it by itself.
const ENDED: &str = "--- ended";

#[derive(Debug)]
pub(crate) struct Terminal {
    shell: Child,
    input: ChildStdin,
    lines: Receiver<String>,
}

impl Terminal {
    /// Opens a shell in the folder, with nothing of this machine's settings but its programs.
    pub(crate) fn open(folder: &Path) -> Self {
        let mut command = Command::new("bash");
        command
            .args(["--noprofile", "--norc"])
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").expect("programs have a path"))
            .env("HOME", folder.join("home"))
            .env("LC_ALL", "C.UTF-8")
            // Whoever commits has told git once who they are.
            .env("GIT_AUTHOR_NAME", "dana")
            .env("GIT_AUTHOR_EMAIL", "dana@example.com")
            .env("GIT_COMMITTER_NAME", "dana")
            .env("GIT_COMMITTER_EMAIL", "dana@example.com")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // What the shell started ends with it.
            .process_group(0);
        let mut shell = command.spawn().expect("bash can be started");
        let mut input = shell.stdin.take().expect("standard input is piped");
        let output = shell.stdout.take().expect("standard output is piped");
        let (told, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if told.send(line).is_err() {
                    return;
                }
            }
        });
        writeln!(input, "exec 2>&1").expect("the shell reads");
        Self { shell, input, lines }
    }

    /// Runs a command to its end; its output and its exit code.
    pub(crate) fn run(&mut self, command: &str) -> (Vec<String>, i32) {
        writeln!(self.input, "{command}\necho; echo '{ENDED}' $?").expect("the shell reads");
        let mut output = Vec::new();
        let deadline = Instant::now() + PATIENCE;
        loop {
            let line = self.next(deadline);
            let line = line.unwrap_or_else(|| panic!("`{command}` did not end:\n{output:#?}"));
            if let Some(code) = line.strip_prefix(ENDED) {
                while output.last().is_some_and(String::is_empty) {
                    output.pop();
                }
                return (output, code.trim().parse().expect("an exit code is a number"));
            }
            output.push(line);
        }
    }

    /// Starts a command that stays.
    pub(crate) fn start(&mut self, command: &str) {
        writeln!(self.input, "{command}").expect("the shell reads");
    }

    /// What the keyboard does to the command that stays: whatever the shell started by now.
    pub(crate) fn interrupt(&self) {
        let shell = self.shell.id();
        let children = format!("/proc/{shell}/task/{shell}/children");
        let children = fs::read_to_string(children).expect("the system tells of processes");
        let children: Vec<&str> = children.split_whitespace().collect();
        assert!(!children.is_empty(), "something stays");
        let sent = Command::new("kill").arg("-INT").args(children).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits until a line satisfies; the lines until then.
    pub(crate) fn wait_for(&self, what: &str, satisfies: impl Fn(&str) -> bool) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            let line = self.next(deadline);
            let line = line.unwrap_or_else(|| panic!("no line `{what}` in:\n{seen:#?}"));
            let found = satisfies(&line);
            seen.push(line);
            if found {
                return seen;
            }
        }
    }

    /// The next line; `None` when nothing came in time or nothing can come.
    fn next(&self, deadline: Instant) -> Option<String> {
        self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // Its group is the shell and what it started; `kill` comes with the shell.
        let group = format!("-{}", self.shell.id());
        Command::new("kill").args(["-KILL", "--", &group]).status().ok();
        self.shell.wait().ok();
    }
}

/// A line with what differs from run to run taken out: ids, hashes, times, durations.
pub(crate) fn normal(line: &str) -> String {
    let line = line.trim_end();
    let part_of_word = |sign: char| sign.is_alphanumeric() || "-:.…".contains(sign);
    let mut text = String::new();
    let mut word = String::new();
    for sign in line.chars() {
        if part_of_word(sign) {
            word.push(sign);
        } else {
            text.push_str(&normal_word(&std::mem::take(&mut word)));
            text.push(sign);
        }
    }
    text.push_str(&normal_word(&word));
    // What took 0.2 s yesterday takes 31 ms today.
    for unit in [" ms", " s"] {
        text = text.replace(&format!("NUMBER{unit}"), "TIME");
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn normal_word(word: &str) -> String {
    let all = |text: &str, of: fn(&char) -> bool| !text.is_empty() && text.chars().all(|c| of(&c));
    for sign in ["d-", "p-", "dr-"] {
        if word
            .strip_prefix(sign)
            .is_some_and(|rest| all(rest, |c| c.is_alphanumeric() || *c == '…'))
        {
            return format!("{sign}ID");
        }
    }
    if word.starts_with("sha256:") {
        return "sha256:HASH".to_owned();
    }
    let counts = word.starts_with(|c: char| c.is_ascii_digit());
    if counts && word.matches('-').count() == 2 && all(word, |c| c.is_ascii_digit() || *c == '-') {
        return "DATE".to_owned();
    }
    if counts && word.contains(':') && all(word, |c| c.is_ascii_digit() || ":-.TZ".contains(*c)) {
        return "TIME".to_owned();
    }
    if counts && word.contains('.') && all(word, |c| c.is_ascii_digit() || *c == '.') {
        return if word.matches('.').count() == 1 { "NUMBER" } else { word }.to_owned();
    }
    word.to_owned()
}
