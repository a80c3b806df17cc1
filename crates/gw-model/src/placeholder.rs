//! `${env.NAME}` inside a text: where it stands, and what is put there.

use std::collections::BTreeMap;

use crate::form::VALUE_NAME;

/// A piece of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    Literal(&'a str),
    /// The name of a value of the environment.
    Value(&'a str),
}

/// What begins like a value and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAPlaceholder {
    pub text: String,
}

pub fn is_in(text: &str) -> bool {
    text.contains("${")
}

pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, NotAPlaceholder> {
    let mut pieces = vec![];
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let refused = || {
            let shown: String = after.chars().take_while(|sign| *sign != '}').take(64).collect();
            NotAPlaceholder { text: format!("${{{shown}}}") }
        };
        let (inside, behind) = after.split_once('}').ok_or_else(refused)?;
        let name = inside.strip_prefix("env.").ok_or_else(refused)?;
        if !VALUE_NAME.holds(name) {
            return Err(refused());
        }
        pieces.push(Piece::Literal(before));
        pieces.push(Piece::Value(name));
        rest = behind;
    }
    pieces.push(Piece::Literal(rest));
    Ok(pieces)
}

/// The text with every value put in; `None` where a value is not known.
pub fn fill<V: AsRef<str>>(text: &str, values: &BTreeMap<String, V>) -> Option<String> {
    let filled = pieces(text).ok()?.into_iter().map(|piece| match piece {
        Piece::Literal(literal) => Some(literal),
        Piece::Value(name) => values.get(name).map(AsRef::as_ref),
    });
    filled.collect()
}
