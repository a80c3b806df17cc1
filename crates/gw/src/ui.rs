//! The only place that prints. Results go to standard output, talk to standard error.
//!
//! Colour and motion appear only on a terminal. A reader that hangs up (`gatewright show | head`)
//! ends the output, never the program. Any other error is kept, for whoever ends the program.

use std::{
    io::{self, IsTerminal, Write},
    sync::{Arc, OnceLock},
    thread,
    time::{Duration, Instant},
};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use gw_model::terminal;
use serde::Serialize;
use tokio::{sync::oneshot, task::JoinHandle};

use crate::{
    diagnostics::visible,
    exit::{Exit, Failure},
};

/// What a sign says; never said by colour alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    Good,
    Bad,
    Warning,
    Open,
}

/// How much talk there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Talk {
    Quiet,
    Normal,
    Detailed,
}

/// The form of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Auto,
    Never,
}

/// Whether a question may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Ask,
    Never,
}

#[derive(Clone, Debug)]
pub(crate) struct Ui {
    pub(crate) talk: Talk,
    pub(crate) form: Form,
    pub(crate) input: Input,
    colour: Colour,
    /// Why a result is not where it was to be written.
    lost: Arc<OnceLock<io::Error>>,
}

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default();
const GREEN: Style = AnsiColor::Green.on_default();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// A wait shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

impl Ui {
    pub(crate) fn new(talk: Talk, form: Form, input: Input, colour: Colour) -> Self {
        Self { talk, form, input, colour, lost: Arc::default() }
    }

    /// Whether standard output takes colour.
    pub(crate) fn coloured(&self) -> bool {
        self.colour == Colour::Auto && io::stdout().is_terminal()
    }

    /// Whether standard error takes colour.
    pub(crate) fn coloured_talk(&self) -> bool {
        self.colour == Colour::Auto && io::stderr().is_terminal()
    }

    /// A result, as it is.
    pub(crate) fn result(&self, text: &str) {
        let mut out = AutoStream::new(io::stdout(), choice(self.coloured()));
        if let Err(error) = reached(out.write_all(text.as_bytes()).and_then(|()| out.flush())) {
            // The first one says most.
            let _later = self.lost.set(error);
        }
    }

    /// That a result did not arrive.
    pub(crate) fn lost(&self) -> Option<Failure> {
        self.lost.get().map(unwritten)
    }

    pub(crate) fn line(&self, text: &str) {
        self.result(&format!("{text}\n"));
    }

    /// A result as one JSON document on one line.
    pub(crate) fn json(&self, document: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(document) {
            self.line(&terminal::json(text));
        }
    }

    /// A sentence to the person at the keyboard.
    pub(crate) fn say(&self, text: &str) {
        if self.talk >= Talk::Normal {
            self.to_stderr(&format!("{text}\n"));
        }
    }

    /// A sentence for whoever asked for details.
    pub(crate) fn detail(&self, text: &str) {
        if self.talk >= Talk::Detailed {
            self.to_stderr(&format!("{text}\n"));
        }
    }

    /// Something that must be read even where talk is off.
    pub(crate) fn alarm(&self, text: &str) {
        self.to_stderr(&format!("{text}\n"));
    }

    pub(crate) fn failure(&self, failure: &Failure) {
        if self.form == Form::Json {
            self.to_stderr(&format!("{}\n", failure_json(failure)));
            return;
        }
        self.to_stderr(&failure_text(failure));
    }

    /// A sign in its colour.
    pub(crate) fn mark(mark: Mark) -> String {
        let (style, sign) = match mark {
            Mark::Good => (GREEN, "✔"),
            Mark::Bad => (RED, "✘"),
            Mark::Warning => (YELLOW, "⚠"),
            Mark::Open => (Style::new(), "–"),
        };
        format!("{style}{sign}{style:#}")
    }

    /// Shows that something goes on, from a second after now until the answer is dropped.
    pub(crate) fn progress(&self, what: &str) -> Progress {
        let shows = self.talk >= Talk::Normal && self.form == Form::Text;
        if !shows || !io::stderr().is_terminal() {
            return Progress { ended: None, painter: None };
        }
        let (ended, mut ends) = oneshot::channel::<()>();
        let (ui, what) = (self.clone(), Arc::<str>::from(what));
        let painter = tokio::spawn(async move {
            let begun = Instant::now();
            let mut patience = PATIENCE;
            while tokio::time::timeout(patience, &mut ends).await.is_err() {
                ui.to_stderr(&format!("\r  {what} … {} s", begun.elapsed().as_secs()));
                patience = Duration::from_millis(250);
            }
            if begun.elapsed() >= PATIENCE {
                ui.to_stderr("\r\u{1b}[2K");
            }
        });
        Progress { ended: Some(ended), painter: Some(painter) }
    }

    /// Asks for a word; `None` where nobody may be asked, or nobody answers.
    pub(crate) async fn ask(&self, question: &str) -> Option<String> {
        if self.input == Input::Never || !io::stdin().is_terminal() {
            return None;
        }
        self.to_stderr(question);
        let (answered, answer) = oneshot::channel();
        // On a thread of its own, which ends with the program: meanwhile the command can be stopped.
        thread::spawn(move || {
            let mut line = String::new();
            let read = io::stdin().read_line(&mut line).unwrap_or_default();
            // Whoever asked may have been stopped.
            let _unheard = answered.send((read > 0).then(|| line.trim().to_owned()));
        });
        let mut open = OpenLine { ui: self, ends: true };
        let answer = answer.await.ok().flatten();
        open.ends = answer.is_none();
        answer
    }

    fn to_stderr(&self, text: &str) {
        let mut err = AutoStream::new(io::stderr(), choice(self.coloured_talk()));
        drop(err.write_all(text.as_bytes()).and_then(|()| err.flush()));
    }
}

/// The line of a question. What is said next stands on a line of its own, also where nobody answered.
#[derive(Debug)]
struct OpenLine<'a> {
    ui: &'a Ui,
    ends: bool,
}

impl Drop for OpenLine<'_> {
    fn drop(&mut self) {
        if self.ends {
            self.ui.to_stderr("\n");
        }
    }
}

/// Ends the line that shows progress when it is dropped or [`Progress::end`]ed.
#[derive(Debug)]
pub(crate) struct Progress {
    ended: Option<oneshot::Sender<()>>,
    painter: Option<JoinHandle<()>>,
}

impl Progress {
    /// Waits until the line is wiped, so that what comes next begins a line.
    pub(crate) async fn end(mut self) {
        drop(self.ended.take());
        if let Some(painter) = self.painter.take() {
            drop(painter.await);
        }
    }
}

/// What came of writing. Nobody is left to read: that is no failure of ours.
pub(crate) fn reached(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

pub(crate) fn unwritten(error: &io::Error) -> Failure {
    Failure::new(Exit::Failed, format!("the result cannot be written: {error}"))
}

fn choice(coloured: bool) -> ColorChoice {
    if coloured { ColorChoice::Always } else { ColorChoice::Never }
}

/// A text of several lines under a sign, its later lines under its first word.
fn indented(sign: &str, text: &str) -> String {
    let pad = " ".repeat(sign.chars().count());
    let mut lines = text.lines();
    let mut all = format!("{sign}{}\n", lines.next().unwrap_or_default());
    for line in lines {
        all.push_str(&format!("{pad}{line}\n"));
    }
    all
}

pub(crate) fn failure_text(failure: &Failure) -> String {
    let code = failure.code.map(|code| format!("[{code}]")).unwrap_or_default();
    let mut text = format!("{RED}{BOLD}error{code}{RED:#}: {}\n", visible(&failure.message));
    for note in &failure.notes {
        text.push_str(&indented("  = ", &visible(note)));
    }
    for help in &failure.help {
        text.push_str(&indented("  help: ", &visible(help)));
    }
    text
}

fn failure_json(failure: &Failure) -> String {
    let document = serde_json::json!({
        "schema": "gatewright.io/failure/v1",
        "exit": failure.exit as u8,
        "code": failure.code.map(|code| code.to_string()),
        "message": failure.message,
        "notes": failure.notes,
        "help": failure.help,
    });
    terminal::json(document.to_string())
}
