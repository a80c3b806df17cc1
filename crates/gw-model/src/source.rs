//! Where a word was written: the files that were read, and places in them.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// One file that was read, by its path from the workspace root.
#[derive(Clone, Debug)]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// Every file that was read in one run. A [`Span`] means something only together with these. A copy
/// shares the texts.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    files: Vec<Arc<SourceFile>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(u32);

/// A place in a text; lines and columns count characters from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub line: u32,
    pub column: u32,
}

/// From where to where (the end is not part of it).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    pub file: FileId,
    pub start: Position,
    pub end: Position,
}

/// A place that outlives the files: what explanations and plans print, `apis/orders/api.yaml:17`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    pub file: String,
    pub line: u32,
}

impl Sources {
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) -> FileId {
        let id = FileId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        self.files.push(Arc::new(SourceFile { path: path.into(), text: text.into() }));
        id
    }

    pub fn get(&self, file: FileId) -> Option<&SourceFile> {
        self.files.get(usize::try_from(file.0).ok()?).map(Arc::as_ref)
    }

    pub fn files(&self) -> impl Iterator<Item = (FileId, &SourceFile)> {
        self.files.iter().zip(0u32..).map(|(file, number)| (FileId(number), file.as_ref()))
    }

    /// The place between two positions of the file of that path; of the whole line if they are one.
    pub fn span(&self, path: &str, start: Position, end: Position) -> Option<Span> {
        let (file, source) = self.files().find(|(_, source)| source.path == path)?;
        if start != end {
            return Some(Span { file, start, end });
        }
        let line = source.text.lines().nth(usize::try_from(start.line.checked_sub(1)?).ok()?)?;
        let column = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).saturating_add(1);
        let begin = line.chars().take_while(|sign| sign.is_whitespace()).count();
        let at = |column| Position { line: start.line, column };
        let end = column(line.trim_end().chars().count());
        Some(Span { file, start: at(column(begin).min(end)), end: at(end) })
    }

    /// Makes a place unreadable for good. Line breaks stay, so that no other place moves.
    pub fn blot(&mut self, span: Span) {
        let index = usize::try_from(span.file.0).unwrap_or(usize::MAX);
        let Some(file) = self.files.get_mut(index).map(Arc::make_mut) else { return };
        let mut at = Position { line: 1, column: 1 };
        let blotted = file.text.chars().map(|sign| {
            let inside = span.start <= at && at < span.end;
            if sign == '\n' {
                at = Position { line: at.line + 1, column: 1 };
                return sign;
            }
            at.column += 1;
            if inside && !sign.is_whitespace() { '*' } else { sign }
        });
        file.text = blotted.collect();
    }

    pub fn origin(&self, span: Span) -> Origin {
        let file = self.get(span.file).map(|file| file.path.clone()).unwrap_or_default();
        Origin { file, line: span.start.line }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
