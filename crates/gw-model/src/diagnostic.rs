//! What is told to the person who wrote something wrong: code, words, place, cure.

use crate::{
    code::Code,
    id::ApiName,
    source::{Origin, Position, Sources, Span},
};

/// One thing to tell. Texts begin with a small letter, end without a full stop, and put back-ticks
/// round what the reader wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    pub code: Code,
    pub message: String,
    /// The first one is the place itself, the others explain it.
    pub labels: Vec<Label>,
    /// Places that are known by path: what was resolved has no [`Span`] any more.
    pub marks: Vec<Mark>,
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

/// A place by the path of its file. Where `start` is `end`, the whole line is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    pub file: String,
    pub start: Position,
    pub end: Position,
    pub text: String,
    /// What is meant, where it is more than a place. The place is then that of the whole
    /// declaration, until [`crate::load::Declarations::locate`] finds a better one.
    pub meant: Option<Meant>,
}

/// Something that declarations name, and whose place they know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Meant {
    /// The name of the API, where it is declared.
    Api(ApiName),
    /// A field of the API, as its `spec` writes it: `upstream.auth`.
    Field { api: ApiName, path: String },
    /// The operation, where the OpenAPI document lists it.
    Operation { api: ApiName, id: String },
}

impl Diagnostic {
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        let (labels, marks, notes, help) = (vec![], vec![], vec![], vec![]);
        Self { code, message: message.into(), labels, marks, notes, help }
    }

    #[must_use]
    pub fn at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// Marks the whole line of an origin.
    #[must_use]
    pub fn on(mut self, origin: &Origin, text: impl Into<String>) -> Self {
        let start = Position { line: origin.line, column: 1 };
        let (file, text) = (origin.file.clone(), text.into());
        self.marks.push(Mark { file, start, end: start, text, meant: None });
        self
    }

    /// Marks what is meant in the declaration that begins at an origin.
    #[must_use]
    pub fn on_meant(self, meant: Meant, origin: &Origin, text: impl Into<String>) -> Self {
        let mut told = self.on(origin, text);
        if let Some(mark) = told.marks.last_mut() {
            mark.meant = Some(meant);
        }
        told
    }

    #[must_use]
    pub fn mark(mut self, mark: Mark) -> Self {
        self.marks.push(mark);
        self
    }

    /// Turns marks into labels, as far as their files are among these.
    #[must_use]
    pub fn resolve(mut self, sources: &Sources) -> Self {
        let (mut labels, mut rest) = (vec![], vec![]);
        for mark in std::mem::take(&mut self.marks) {
            match sources.span(&mark.file, mark.start, mark.end) {
                Some(span) => labels.push(Label { span, text: mark.text }),
                None => rest.push(mark),
            }
        }
        self.labels.append(&mut labels);
        self.marks = rest;
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
