//! What is told to the person who wrote something wrong: code, words, place, cure.

use crate::{code::Code, source::Span};

/// One thing to tell. Texts begin with a small letter, end without a full stop, and put back-ticks
/// round what the reader wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub message: String,
    /// The first one is the place itself, the others explain it.
    pub labels: Vec<Label>,
    pub notes: Vec<String>,
    /// Ways out, the best first.
    pub help: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Error,
    Warning,
    Note,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    pub span: Span,
    pub text: String,
}

impl Diagnostic {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), labels: vec![], notes: vec![], help: vec![] }
    }

    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    #[must_use]
    pub fn note(mut self, text: impl Into<String>) -> Self {
        self.notes.push(text.into());
        self
    }

    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help.push(text.into());
        self
    }

    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}
