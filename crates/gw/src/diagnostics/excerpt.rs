//! The lines that a diagnostic is about, and nothing else of their files.
//!
//! A generated document can be one line of megabytes, so long lines are cut around the place.

use std::{collections::BTreeMap, ops::Range};

use codespan_reporting::{
    diagnostic::{Label, LabelStyle},
    files::{Error, Files},
};
use gw_model::{
    diagnostic::Diagnostic,
    source::{FileId, Sources, Span},
    terminal::is_hidden,
};

/// A line up to this long is shown whole.
const WHOLE_CHARS: usize = 160;
/// How much of a longer one stands before the place.
const BEFORE_CHARS: usize = 40;

/// What the renderer sees as files.
#[derive(Debug, Default)]
pub(super) struct Excerpts {
    files: Vec<Excerpt>,
    pub(super) labels: Vec<Label<usize>>,
    /// Labels that stand too far away in a long line to be shown with the others.
    pub(super) unseen: Vec<String>,
}

#[derive(Debug)]
struct Excerpt {
    id: FileId,
    path: String,
    text: String,
    /// By their index in the whole file.
    lines: BTreeMap<usize, Line>,
}

#[derive(Debug)]
struct Line {
    /// In the text of the excerpt.
    range: Range<usize>,
    /// How many characters were cut off on the left.
    cut: usize,
}

impl Excerpts {
    pub(super) fn of(diagnostic: &Diagnostic, sources: &Sources) -> Self {
        let mut excerpts = Self::default();
        for label in &diagnostic.labels {
            excerpts.take(label.span, sources);
        }
        for (index, label) in diagnostic.labels.iter().enumerate() {
            let style = if index == 0 { LabelStyle::Primary } else { LabelStyle::Secondary };
            let message = super::visible(&label.text);
            match excerpts.range(label.span) {
                Some((file, range)) => {
                    let shown = Label { style, file_id: file, range, message };
                    excerpts.labels.push(shown);
                }
                None => {
                    let path = sources.get(label.span.file).map_or("?", |file| &file.path);
                    let start = label.span.start;
                    excerpts
                        .unseen
                        .push(format!("{path}:{}:{}: {message}", start.line, start.column));
                }
            }
        }
        excerpts.bridge_gaps(sources);
        excerpts
    }

    fn take(&mut self, span: Span, sources: &Sources) {
        let Some(file) = sources.get(span.file) else { return };
        let position = self.files.iter().position(|known| known.id == span.file);
        let position = position.unwrap_or_else(|| {
            let (path, text) = (super::visible(&file.path), String::new());
            self.files.push(Excerpt { id: span.file, path, text, lines: BTreeMap::new() });
            self.files.len() - 1
        });
        if let Some(excerpt) = self.files.get_mut(position) {
            excerpt.take(&file.text, index(span.start.line), index(span.start.column));
        }
    }

    /// The renderer shows a single line between two others, so it must be there.
    fn bridge_gaps(&mut self, sources: &Sources) {
        for excerpt in &mut self.files {
            let Some(file) = sources.get(excerpt.id) else { continue };
            let shown: Vec<usize> = excerpt.lines.keys().copied().collect();
            for (one, next) in shown.iter().zip(shown.iter().skip(1)) {
                if next - one == 2 {
                    excerpt.take(&file.text, one + 1, 0);
                }
            }
        }
    }

    /// The first line of a span, within what is shown.
    fn range(&self, span: Span) -> Option<(usize, Range<usize>)> {
        let position = self.files.iter().position(|known| known.id == span.file)?;
        let excerpt = self.files.get(position)?;
        let line = excerpt.lines.get(&index(span.start.line))?;
        let shown = excerpt.text.get(line.range.clone())?.trim_end_matches('\n');
        let length = shown.chars().count();
        let begin =
            index(span.start.column).checked_sub(line.cut).filter(|begin| *begin <= length)?;
        let end = if span.end.line > span.start.line {
            shown.trim_end().chars().count()
        } else {
            index(span.end.column).saturating_sub(line.cut)
        };
        let byte = |column: usize| {
            let offset = shown.char_indices().nth(column).map_or(shown.len(), |(offset, _)| offset);
            line.range.start + offset
        };
        Some((position, byte(begin)..byte(end.clamp(begin, length))))
    }

    fn excerpt(&self, id: usize) -> Result<&Excerpt, Error> {
        self.files.get(id).ok_or(Error::FileMissing)
    }
}

impl Excerpt {
    /// Adds a line, cut so that the column can be seen.
    fn take(&mut self, whole: &str, line: usize, column: usize) {
        if self.lines.contains_key(&line) {
            return;
        }
        let text = whole.lines().nth(line).unwrap_or_default();
        let long = text.chars().nth(WHOLE_CHARS).is_some();
        let cut = if long { column.saturating_sub(BEFORE_CHARS) } else { 0 };
        let start = self.text.len();
        let seen = text.chars().skip(cut).take(WHOLE_CHARS);
        self.text.extend(seen.map(|sign| match sign {
            '\t' => ' ',
            sign if is_hidden(sign) => '\u{fffd}',
            sign => sign,
        }));
        self.text.push('\n');
        self.lines.insert(line, Line { range: start..self.text.len(), cut });
    }

    fn line(&self, index: usize) -> Result<&Line, Error> {
        let max = self.lines.keys().next_back().copied().unwrap_or_default();
        self.lines.get(&index).ok_or(Error::LineTooLarge { given: index, max })
    }
}

impl<'a> Files<'a> for Excerpts {
    type FileId = usize;
    type Name = &'a str;
    type Source = &'a str;

    fn name(&'a self, id: usize) -> Result<&'a str, Error> {
        Ok(&self.excerpt(id)?.path)
    }

    fn source(&'a self, id: usize) -> Result<&'a str, Error> {
        Ok(&self.excerpt(id)?.text)
    }

    fn line_index(&'a self, id: usize, byte: usize) -> Result<usize, Error> {
        let excerpt = self.excerpt(id)?;
        let found = excerpt.lines.iter().find(|(_, line)| line.range.contains(&byte));
        found
            .map(|(index, _)| *index)
            .ok_or(Error::IndexTooLarge { given: byte, max: excerpt.text.len() })
    }

    fn column_number(&'a self, id: usize, line: usize, byte: usize) -> Result<usize, Error> {
        let excerpt = self.excerpt(id)?;
        let line = excerpt.line(line)?;
        let before = excerpt.text.get(line.range.start..byte);
        Ok(line.cut + before.map_or(0, |text| text.chars().count()) + 1)
    }

    fn line_range(&'a self, id: usize, line: usize) -> Result<Range<usize>, Error> {
        Ok(self.excerpt(id)?.line(line)?.range.clone())
    }
}

/// Lines and columns are counted from 1, here from 0.
fn index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1)
}
