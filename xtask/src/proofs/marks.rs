//! Reads the marks above tests.

use std::collections::BTreeSet;

use crate::{finding::Finding, proofs::catalogue::Id};

/// The sentence that a mark begins with.
const SHOWS: &str = "/// Shows ";

/// The helper that checks what must hold for every attack; a threat counts only through it.
const ATTACK: &str = "attack";

/// One claim of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) id: Id,
    pub(crate) state: State,
    /// The test's file.
    pub(crate) path: String,
    /// The test's function.
    pub(crate) test: String,
}

/// What a test shows of a row; the weakest first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Holds but for what is missing.
    Part {
        missing: String,
    },
    DocumentedLimit,
    AgainstTheEmulator,
    Holds,
}

impl State {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        match text {
            "holds" => Some(Self::Holds),
            "against the emulator" => Some(Self::AgainstTheEmulator),
            "documented limit" => Some(Self::DocumentedLimit),
            _ => {
                let missing = text.strip_prefix("part (")?.strip_suffix(')')?;
                Some(Self::Part { missing: missing.to_owned() })
            }
        }
    }
}

/// A mark that waits for its test.
#[derive(Debug)]
struct Waiting<'t> {
    line: usize,
    text: &'t str,
}

/// A file's marks, and what is wrong with those that cannot be counted.
pub(crate) fn read(path: &str, text: &str) -> (Vec<Mark>, Vec<Finding>) {
    if !text.contains(SHOWS) {
        return (vec![], vec![]);
    }
    let attackers = attackers(text);
    let (mut marks, mut findings) = (Vec::new(), Vec::new());
    let mut waiting: Vec<Waiting<'_>> = Vec::new();
    let mut is_test = false;
    for (place, line) in text.lines().enumerate() {
        let line = line.trim();
        if let Some(text) = line.strip_prefix(SHOWS).filter(|text| begins_with_id(text)) {
            waiting.push(Waiting { line: place + 1, text });
        } else if line.starts_with("#[") {
            is_test |= line == "#[test]" || line.starts_with("#[tokio::test");
        } else if let Some(name) = function(line) {
            for mark in waiting.drain(..) {
                let place = format!("{path}:{}", mark.line);
                match claim(&mark, path, name, is_test, &attackers) {
                    Ok(mark) => marks.push(mark),
                    Err((wrong, cure)) => findings.push(Finding::new(place, wrong, cure)),
                }
            }
            is_test = false;
        }
    }
    findings.extend(waiting.iter().map(|mark| {
        let place = format!("{path}:{}", mark.line);
        Finding::new(place, "this mark stands above no test", "delete it")
    }));
    (marks, findings)
}

fn claim(
    mark: &Waiting<'_>,
    path: &str,
    test: &str,
    is_test: bool,
    attackers: &BTreeSet<&str>,
) -> Result<Mark, (String, &'static str)> {
    if !is_test {
        return Err((format!("`{test}` is not a test"), "move the mark to a test"));
    }
    let form = || {
        let wrong = format!("`Shows {}` is not `Shows ID: STATE`", mark.text);
        (wrong, "a state is: holds, against the emulator, documented limit, part (what is missing)")
    };
    let (id, state) = mark.text.split_once(": ").ok_or_else(form)?;
    let state = State::parse(state).ok_or_else(form)?;
    let id = Id::parse(id).ok_or_else(|| {
        (format!("there is no row `{id}`"), "the rows stand in xtask/src/proofs/catalogue.rs")
    })?;
    if id.is_threat() && !attackers.contains(test) {
        let wrong = format!("`{test}` claims {id} without `gw_testkit::attack`");
        return Err((wrong, "run the attack through it, or delete the mark"));
    }
    Ok(Mark { id, state, path: path.to_owned(), test: test.to_owned() })
}

/// Whether the words after the sentence's beginning are those of a mark and not prose.
fn begins_with_id(text: &str) -> bool {
    let mut signs = text.chars();
    signs.next().is_some_and(|sign| sign.is_ascii_uppercase())
        && signs.next().is_some_and(|sign| sign.is_ascii_digit())
}

/// The functions of a file that call the helper for attacks, themselves or through another one.
fn attackers(text: &str) -> BTreeSet<&str> {
    let bodies = bodies(text);
    let mut found = BTreeSet::from([ATTACK]);
    loop {
        let calls = |body: &str| {
            let mut words = body.split(|sign: char| !sign.is_alphanumeric() && sign != '_');
            words.any(|word| found.contains(word))
        };
        let more: BTreeSet<&str> =
            bodies.iter().filter(|(_, body)| calls(body)).map(|(name, _)| *name).collect();
        if more.is_subset(&found) {
            return found;
        }
        found.extend(more);
    }
}

/// Each function's name and body. A body ends at a brace that stands as far in as its function.
fn bodies(text: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let start = offset + line.len();
        offset = start;
        let Some(name) = function(line.trim()) else { continue };
        let depth = line.len() - line.trim_start().len();
        let end = format!("\n{}}}", " ".repeat(depth));
        // One line back, so that the newline before the brace is seen in an empty body too.
        let Some(rest) = text.get(start.saturating_sub(1)..) else { continue };
        found.push((name, rest.split(end.as_str()).next().unwrap_or(rest)));
    }
    found
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let mut rest = line;
    for word in ["pub ", "pub(crate) ", "pub(super) ", "async "] {
        rest = rest.strip_prefix(word).unwrap_or(rest);
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}
