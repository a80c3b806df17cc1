//! Diagnostics as people and machines read them: text, JSON and SARIF 2.1.0. Nothing is printed here.
//!
//! Whatever was read is untrusted: a control character of a file never reaches a terminal.

mod excerpt;
pub(crate) mod machine;

use codespan_reporting::{
    diagnostic as shown,
    term::{self, Config, Styles, StylesWriter, termcolor},
};
use gw_model::{
    diagnostic::{Diagnostic, Severity},
    source::Sources,
    terminal::Visible,
};

use self::excerpt::Excerpts;

/// Whether the text may hold colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Coloured,
}

/// How many there are of each severity, and in how many files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) errors: usize,
    pub(crate) warnings: usize,
    pub(crate) notes: usize,
    /// Files in which something was found.
    pub(crate) touched: usize,
    pub(crate) files: usize,
}

impl Summary {
    pub(crate) fn of(diagnostics: &[Diagnostic], sources: &Sources) -> Self {
        let count =
            |severity| diagnostics.iter().filter(|found| found.severity() == severity).count();
        let mut touched: Vec<_> = diagnostics
            .iter()
            .filter_map(|found| found.labels.first().map(|label| label.span.file))
            .collect();
        touched.sort();
        touched.dedup();
        Self {
            errors: count(Severity::Error),
            warnings: count(Severity::Warning),
            notes: count(Severity::Note),
            touched: touched.len(),
            files: sources.files().count(),
        }
    }

    /// "3 errors, 1 warning in 1 of 4 files. Nothing was sent anywhere."
    pub(crate) fn line(&self) -> String {
        let counted = [(self.errors, "error"), (self.warnings, "warning"), (self.notes, "note")];
        let parts: Vec<_> = counted
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| plural(*count, word))
            .collect();
        let files = plural(self.files, "file");
        match (parts.is_empty(), self.touched) {
            (true, _) => {
                format!("{files} read, nothing to complain about. Nothing was sent anywhere.")
            }
            (false, 0) => format!("{}. Nothing was sent anywhere.", parts.join(", ")),
            (false, touched) => {
                format!("{} in {touched} of {files}. Nothing was sent anywhere.", parts.join(", "))
            }
        }
    }
}

fn plural(count: usize, word: &str) -> String {
    if count == 1 { format!("1 {word}") } else { format!("{count} {word}s") }
}

/// All of them with the lines that they are about, and a last line that counts them.
pub(crate) fn text(diagnostics: &[Diagnostic], sources: &Sources, paint: Paint) -> String {
    let mut all: String =
        diagnostics.iter().map(|diagnostic| one(diagnostic, sources, paint) + "\n").collect();
    all.push_str(&Summary::of(diagnostics, sources).line());
    all.push('\n');
    all
}

/// One diagnostic, without a blank line behind it.
pub(crate) fn one(diagnostic: &Diagnostic, sources: &Sources, paint: Paint) -> String {
    let diagnostic = diagnostic.clone().resolve(sources);
    let excerpts = Excerpts::of(&diagnostic, sources);
    let severity = match diagnostic.severity() {
        Severity::Error => shown::Severity::Error,
        Severity::Warning => shown::Severity::Warning,
        Severity::Note => shown::Severity::Note,
    };
    let unseen = excerpts.unseen.iter().cloned();
    let marks = diagnostic.marks.iter().map(|mark| {
        let place = format!("{}:{}", mark.file, mark.start.line);
        if mark.text.is_empty() { place } else { format!("{place}: {}", mark.text) }
    });
    let notes = unseen.chain(marks).chain(diagnostic.notes.iter().cloned());
    let full = shown::Diagnostic::new(severity)
        .with_code(diagnostic.code.to_string())
        .with_message(visible(&diagnostic.message))
        .with_labels(excerpts.labels.clone())
        .with_notes(notes.map(|note| visible(&note)).collect());
    let mut text = paint_text(&full, &excerpts, paint);
    text.truncate(text.trim_end().len());
    text.push('\n');
    text.push_str(&help(&diagnostic.help, paint));
    text
}

fn paint_text(full: &shown::Diagnostic<usize>, excerpts: &Excerpts, paint: Paint) -> String {
    let config = Config::default();
    let mut bytes = Vec::new();
    let written = match paint {
        Paint::Plain => term::emit_to_io_write(&mut bytes, &config, excerpts, full),
        Paint::Coloured => {
            let styles = Styles::default();
            let mut writer = StylesWriter::new(termcolor::Ansi::new(&mut bytes), &styles);
            term::emit_to_write_style(&mut writer, &config, excerpts, full)
        }
    };
    match written {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        // A place outside its file loses the excerpt, never the message.
        Err(_) => format!("{}: {}\n", full.code.as_deref().unwrap_or_default(), full.message),
    }
}

/// Ways out, below one another.
fn help(ways: &[String], paint: Paint) -> String {
    let word = match paint {
        Paint::Plain => "help:".to_owned(),
        Paint::Coloured => {
            let style = anstyle::AnsiColor::Cyan.on_default().bold();
            format!("{style}help:{style:#}")
        }
    };
    let mut text = String::new();
    for (index, way) in ways.iter().enumerate() {
        let lead = if index == 0 { format!("  {word} ") } else { " ".repeat(8) };
        let hanging = visible(way).replace('\n', &format!("\n{}", " ".repeat(8)));
        text.push_str(&format!("{lead}{hanging}\n"));
    }
    text
}

/// The text with everything written out that could steer a terminal or hide a word; its lines stay.
pub(crate) fn visible(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| Visible(line).to_string()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod wrong;
