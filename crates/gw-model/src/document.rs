//! Text to a tree that remembers where every word was written.
//!
//! YAML 1.2 (and so JSON), read as untrusted input: depth, size, nodes after aliases and documents
//! are counted; duplicate keys, merge keys and tags are refused. A bomb is refused by count: an
//! alias is charged before it is copied, so no input costs more than its limits say.

mod json;

use std::{borrow::Cow, collections::BTreeMap};

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span as Place};

use crate::{
    code::Code,
    diagnostic::Diagnostic,
    source::{FileId, Position, Sources, Span},
};

/// How much one file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub bytes: usize,
    /// Lists and maps inside one another.
    pub depth: usize,
    /// Values after aliases are followed, all documents together. What an anchor names is kept for
    /// its aliases, and so counts once more.
    pub nodes: usize,
    pub documents: usize,
    /// Bytes of one text or key.
    pub scalar_bytes: usize,
}

impl Limits {
    /// For files that people write by hand.
    pub const DECLARATION: Self = Self {
        bytes: 4 << 20,
        depth: 64,
        nodes: 100_000,
        documents: 1_000,
        scalar_bytes: 64 << 10,
    };
}

/// A value and its place. An alias has a place of its own; what lies inside keeps the place where it
/// was written.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub value: Value,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    /// As written, so that nothing is lost to a conversion.
    Number(String),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file.
    Map(Vec<Entry>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_span: Span,
    pub node: Node,
}

impl Node {
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::List(_) | Value::Map(_) => {
                None
            }
        }
    }

    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                None
            }
        }
    }

    pub fn as_list(&self) -> Option<&[Self]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::Map(_) => {
                None
            }
        }
    }

    /// What lies behind these keys, one inside the other.
    pub fn at(&self, keys: &[&str]) -> Option<&Self> {
        keys.iter().try_fold(self, |node, key| node.get(key))
    }

    /// How many lists and maps lie inside one another here.
    pub fn depth(&self) -> usize {
        let below = |depth: Option<usize>| 1 + depth.unwrap_or_default();
        match &self.value {
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) => 0,
            Value::List(items) => below(items.iter().map(Self::depth).max()),
            Value::Map(entries) => below(entries.iter().map(|entry| entry.node.depth()).max()),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.as_map()?.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
    }
}

/// Takes a file into the sources and reads it. Bytes that are no text are refused with their place.
pub fn read(
    sources: &mut Sources,
    path: &str,
    bytes: Vec<u8>,
    limits: &Limits,
) -> (FileId, Result<Vec<Node>, Box<Diagnostic>>) {
    match decode(bytes) {
        Ok(text) => {
            let file = sources.add(path, text);
            let text = sources.get(file).map_or("", |source| &source.text);
            (file, parse(text, file, limits))
        }
        Err(NotText { lossy, valid_bytes, utf16 }) => {
            let at = position_after(lossy.get(..valid_bytes).unwrap_or_default());
            let file = sources.add(path, lossy);
            let message = format!("`{path}` is not UTF-8 text");
            let refusal = Diagnostic::new(Code::NotText, message)
                .at(Span { file, start: at, end: next_column(at) }, "the first byte that is not");
            let refusal = if utf16 {
                refusal.help("it looks like UTF-16: save it as UTF-8")
            } else {
                refusal
            };
            (file, Err(Box::new(refusal)))
        }
    }
}

/// Reads every document of a text.
pub fn parse(text: &str, file: FileId, limits: &Limits) -> Result<Vec<Node>, Box<Diagnostic>> {
    if text.len() > limits.bytes {
        let start = Position { line: 1, column: 1 };
        return Err(Box::new(
            Diagnostic::new(Code::TooLarge, format!("a file of {} bytes", text.len()))
                .at(Span { file, start, end: start }, format!("at most {} are read", limits.bytes)),
        ));
    }
    refuse_control_characters(text, file)?;
    let mut builder = Builder::new(text, file, *limits);
    let text = json::join_surrogates(text);
    let mut parser = Parser::new_from_str(&text);
    while let Some(event) = parser.next_event() {
        let (event, place) = event.map_err(|error| builder.syntax(&error))?;
        builder.take(event, place)?;
    }
    Ok(builder.documents)
}

/// Bytes that are no text, as far as they can be shown.
struct NotText {
    lossy: String,
    valid_bytes: usize,
    utf16: bool,
}

/// A byte order mark at the beginning means nothing in UTF-8 and is left away.
fn decode(bytes: Vec<u8>) -> Result<String, NotText> {
    let utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
    let mut text = String::from_utf8(bytes).map_err(|error| NotText {
        valid_bytes: error.utf8_error().valid_up_to(),
        lossy: String::from_utf8_lossy(error.as_bytes()).into_owned(),
        utf16,
    })?;
    if text.starts_with('\u{feff}') {
        text.remove(0);
    }
    Ok(text)
}

/// What would be shown in another way than it is read: YAML forbids most of these.
fn refuse_control_characters(text: &str, file: FileId) -> Result<(), Box<Diagnostic>> {
    let mut rest = text.char_indices().peekable();
    while let Some((at, sign)) = rest.next() {
        let followed_by_newline = rest.peek().is_some_and(|(_, next)| *next == '\n');
        let name = match sign {
            '\n' | '\t' | ' '..='~' => continue,
            '\r' if followed_by_newline => continue,
            '\r' => "a carriage return without a line feed",
            '\u{feff}' => "a byte order mark inside the text",
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                "a sign that turns the direction of text"
            }
            sign if sign.is_control() && sign != '\u{85}' => "a control character",
            _ => continue,
        };
        let start = position_after(text.get(..at).unwrap_or_default());
        return Err(Box::new(
            Diagnostic::new(Code::NotText, format!("{name} (U+{:04X})", u32::from(sign)))
                .at(Span { file, start, end: next_column(start) }, "may not stand here"),
        ));
    }
    Ok(())
}

fn position_after(text: &str) -> Position {
    let line = text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let column = text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    position(line, column)
}

fn position(line: usize, column: usize) -> Position {
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: small(line), column: small(column) }
}

fn next_column(at: Position) -> Position {
    Position { column: at.column.saturating_add(1), ..at }
}

/// A list or map that is not closed yet.
struct Frame {
    start: Marker,
    anchor: usize,
    /// How many nodes had been counted before it.
    nodes_before: usize,
    inside: Inside,
}

/// What lies in it begins at that place of the pile of its kind.
enum Inside {
    List { first: usize },
    Map { first: usize, key: Option<(String, Span)> },
}

/// What an alias of this anchor stands for.
struct Anchor {
    node: Node,
    nodes: usize,
    depth: usize,
}

struct Builder<'text> {
    file: FileId,
    limits: Limits,
    documents: Vec<Node>,
    open: Vec<Frame>,
    /// What lies in the lists and maps that are open, the innermost last. Taken off when one closes,
    /// it is exactly as large as it has to be: most maps hold one entry or two.
    items: Vec<Node>,
    entries: Vec<Entry>,
    anchors: BTreeMap<usize, Anchor>,
    nodes: usize,
    lines: std::iter::Enumerate<std::str::Lines<'text>>,
}

type Taken = Result<(), Box<Diagnostic>>;

impl<'text> Builder<'text> {
    fn new(text: &'text str, file: FileId, limits: Limits) -> Self {
        Self {
            file,
            limits,
            documents: vec![],
            open: vec![],
            items: vec![],
            entries: vec![],
            anchors: BTreeMap::new(),
            nodes: 0,
            lines: text.lines().enumerate(),
        }
    }

    fn take(&mut self, event: Event<'_>, place: Place) -> Taken {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd => Ok(()),
            Event::DocumentStart(_) => {
                self.anchors.clear();
                self.refuse_directives(place.start.line())
            }
            Event::DocumentEnd => {
                self.pass_lines(place.start.line());
                Ok(())
            }
            Event::Alias(anchor) => self.take_alias(anchor, place),
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_tag(tag.is_some(), place)?;
                self.take_scalar(text, style, anchor, place)
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), place)?;
                self.open(anchor, place, Inside::List { first: self.items.len() })
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_tag(tag.is_some(), place)?;
                let first = self.entries.len();
                self.open(anchor, place, Inside::Map { first, key: None })
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(place),
        }
    }

    fn take_alias(&mut self, anchor: usize, place: Place) -> Taken {
        let span = self.span(place);
        let refuse = |code, message: &str, label: &str| {
            Err(Box::new(Diagnostic::new(code, message).at(span, label)))
        };
        if self.awaits_key() {
            return refuse(Code::KeyIsNoText, "an alias as a key", "write the key itself");
        }
        let Some(found) = self.anchors.get(&anchor) else {
            return refuse(
                Code::EndlessAlias,
                "an alias that stands inside what it names",
                "this would never end",
            );
        };
        let (nodes, depth) = (found.nodes, found.depth);
        self.count(nodes, span)?;
        self.check_depth(depth, span)?;
        let Some(found) = self.anchors.get(&anchor) else { return Ok(()) };
        let node = Node { value: found.node.value.clone(), span };
        self.put(node)
    }

    fn take_scalar(
        &mut self,
        text: Cow<'_, str>,
        style: ScalarStyle,
        anchor: usize,
        place: Place,
    ) -> Taken {
        let span = self.span(place);
        if text.len() > self.limits.scalar_bytes {
            let message = format!("a text of {} bytes", text.len());
            let label = format!("at most {} are read", self.limits.scalar_bytes);
            return Err(Box::new(Diagnostic::new(Code::TooLarge, message).at(span, label)));
        }
        self.count(1, span)?;
        let key_wanted = self.awaits_key();
        if key_wanted && style == ScalarStyle::Plain {
            self.refuse_plain_key(&text, span)?;
        }
        let value = if style == ScalarStyle::Plain && !key_wanted {
            resolve_plain(text)
        } else {
            Value::Text(text.into_owned())
        };
        let node = Node { value, span };
        self.remember(anchor, &node, 1)?;
        self.put(node)
    }

    fn refuse_plain_key(&self, text: &str, span: Span) -> Taken {
        let refusal = match text {
            "<<" => Diagnostic::new(Code::MergeKey, "merge keys are not part of YAML 1.2")
                .at(span, "written out, everybody sees what holds")
                .help("repeat the fields, or give the whole value an anchor and use an alias"),
            "" => Diagnostic::new(Code::KeyIsNoText, "a key without a name").at(span, "here"),
            _ => return Ok(()),
        };
        Err(Box::new(refusal))
    }

    fn refuse_tag(&self, tagged: bool, place: Place) -> Taken {
        if !tagged {
            return Ok(());
        }
        Err(Box::new(
            Diagnostic::new(Code::Tag, "tags are not read")
                .at(self.span(place), "this value carries a tag")
                .help("leave the tag away: text in quotes is text, everything else is what it looks like"),
        ))
    }

    /// Between two documents a line that begins with `%` speaks to the parser.
    fn refuse_directives(&mut self, upto_line: usize) -> Taken {
        for (number, line) in self.lines.by_ref() {
            if line.starts_with('%') && line.trim_end() != "%YAML 1.2" {
                let start = position(number + 1, 1);
                let end = position(number + 1, line.chars().count() + 1);
                return Err(Box::new(
                    Diagnostic::new(Code::Directive, format!("directive `{}`", line.trim_end()))
                        .at(Span { file: self.file, start, end }, "only `%YAML 1.2` is known"),
                ));
            }
            if number + 1 >= upto_line {
                break;
            }
        }
        Ok(())
    }

    fn pass_lines(&mut self, upto_line: usize) {
        while self.lines.clone().next().is_some_and(|(number, _)| number + 1 < upto_line) {
            self.lines.next();
        }
    }

    fn open(&mut self, anchor: usize, place: Place, inside: Inside) -> Taken {
        let span = self.span(place);
        if self.awaits_key() {
            let message = "a key that is a list or a map";
            return Err(Box::new(Diagnostic::new(Code::KeyIsNoText, message).at(span, "here")));
        }
        let nodes_before = self.nodes;
        self.count(1, span)?;
        self.check_depth(1, span)?;
        self.open.push(Frame { start: place.start, anchor, nodes_before, inside });
        Ok(())
    }

    fn close(&mut self, place: Place) -> Taken {
        let Some(frame) = self.open.pop() else { return Ok(()) };
        let span = self.span(Place::new(frame.start, place.end));
        let value = match frame.inside {
            Inside::List { first } => Value::List(self.items.drain(first..).collect()),
            Inside::Map { first, key: _ } => {
                let entries: Vec<Entry> = self.entries.drain(first..).collect();
                refuse_duplicates(&entries)?;
                Value::Map(entries)
            }
        };
        let node = Node { value, span };
        self.remember(frame.anchor, &node, self.nodes.saturating_sub(frame.nodes_before))?;
        self.put(node)
    }

    /// Keeps what an anchor names; the copy counts like any other nodes.
    fn remember(&mut self, anchor: usize, node: &Node, nodes: usize) -> Taken {
        if anchor > 0 {
            self.count(nodes, node.span)?;
            let kept = Anchor { node: node.clone(), nodes, depth: node.depth() };
            self.anchors.insert(anchor, kept);
        }
        Ok(())
    }

    fn put(&mut self, node: Node) -> Taken {
        match self.open.last_mut().map(|frame| &mut frame.inside) {
            None if self.documents.len() == self.limits.documents => {
                let message = match self.limits.documents {
                    1 => "more than one document".to_owned(),
                    most => format!("more than {most} documents"),
                };
                return Err(Box::new(
                    Diagnostic::new(Code::TooLarge, message).at(node.span, "one too many"),
                ));
            }
            None => self.documents.push(node),
            Some(Inside::List { first: _ }) => self.items.push(node),
            Some(Inside::Map { first: _, key }) => match (key.take(), node.value) {
                (Some((key, key_span)), value) => {
                    self.entries.push(Entry {
                        key,
                        key_span,
                        node: Node { value, span: node.span },
                    });
                }
                (None, Value::Text(text)) => *key = Some((text, node.span)),
                (None, _) => {}
            },
        }
        Ok(())
    }

    fn awaits_key(&self) -> bool {
        matches!(self.open.last().map(|frame| &frame.inside), Some(Inside::Map { key: None, .. }))
    }

    fn count(&mut self, nodes: usize, span: Span) -> Taken {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes <= self.limits.nodes {
            return Ok(());
        }
        let message = format!("more than {} values once aliases are followed", self.limits.nodes);
        Err(Box::new(
            Diagnostic::new(Code::TooLarge, message).at(span, "the limit is reached here"),
        ))
    }

    fn check_depth(&self, below: usize, span: Span) -> Taken {
        if self.open.len().saturating_add(below) <= self.limits.depth {
            return Ok(());
        }
        let message = format!("lists and maps more than {} deep", self.limits.depth);
        Err(Box::new(Diagnostic::new(Code::TooLarge, message).at(span, "one too deep")))
    }

    fn syntax(&self, error: &ScanError) -> Box<Diagnostic> {
        let start = self.position(*error.marker());
        let span = Span { file: self.file, start, end: next_column(start) };
        let told = Diagnostic::new(Code::Syntax, "this is not YAML").at(span, error.info());
        Box::new(match usual_cause(error.info()) {
            Some(cause) => told.help(cause),
            None => told,
        })
    }

    fn position(&self, marker: Marker) -> Position {
        position(marker.line(), marker.col() + 1)
    }

    fn span(&self, place: Place) -> Span {
        Span { file: self.file, start: self.position(place.start), end: self.position(place.end) }
    }
}

/// What people did, where the parser speaks of what it wanted.
fn usual_cause(info: &str) -> Option<&'static str> {
    if info.contains("tab") {
        Some("the indentation is made of spaces in YAML, never of tabs")
    } else if info.contains("simple key") {
        Some("each field needs a colon: see the line above, and the indentation")
    } else if info.contains("expected key") || info.contains("mapping values") {
        Some("see the indentation: fields that belong together begin in the same column")
    } else {
        None
    }
}

/// The same key twice has no meaning; which one wins differs between readers.
fn refuse_duplicates(entries: &[Entry]) -> Taken {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| (entry.key.as_str(), entry.key_span));
    let twice = sorted.iter().zip(sorted.iter().skip(1)).filter(|(one, two)| one.key == two.key);
    let Some((first, second)) = twice.min_by_key(|(_, second)| second.key_span) else {
        return Ok(());
    };
    Err(Box::new(
        Diagnostic::new(Code::DuplicateKey, format!("key `{}` stands here twice", second.key))
            .at(second.key_span, "the second time")
            .at(first.key_span, "the first time"),
    ))
}

/// The core schema of YAML 1.2: `no`, `on` and `0777` are not what they were in YAML 1.1.
fn resolve_plain(text: Cow<'_, str>) -> Value {
    match text.as_ref() {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        written if is_number(written) => Value::Number(text.into_owned()),
        _ => Value::Text(text.into_owned()),
    }
}

fn is_number(text: &str) -> bool {
    let digits =
        |text: &str, known: fn(&u8) -> bool| !text.is_empty() && text.as_bytes().iter().all(known);
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, |byte| (b'0'..=b'7').contains(byte));
    }
    if let Some(hexadecimal) = text.strip_prefix("0x") {
        return digits(hexadecimal, u8::is_ascii_hexdigit);
    }
    if matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
        return true;
    }
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let exponent_holds = exponent.is_none_or(|exponent| {
        digits(exponent.strip_prefix(['-', '+']).unwrap_or(exponent), u8::is_ascii_digit)
    });
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let mantissa_holds = all(whole) && all(fraction) && !(whole.is_empty() && fraction.is_empty());
    exponent_holds && mantissa_holds
}

#[cfg(test)]
mod tests;
