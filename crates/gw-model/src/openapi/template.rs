//! A path template, `/orders/{id}`: whether it is one, and which others it cannot be told from.

use std::{collections::BTreeSet, fmt};

/// A well-formed path template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    pieces: Vec<Piece>,
}

/// A stretch of a template. Literals contain the slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    Literal(String),
    /// The name between the braces.
    Parameter(String),
}

/// Why a text is not a path template, as the reason behind "`x` is not a path".
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Flaw {
    NoLeadingSlash,
    Query,
    Fragment,
    NotClosed,
    NotOpened,
    Unnamed,
    BadName(String),
    Repeated(String),
    Adjacent,
    DotSegment,
    EmptySegment,
    BadEscape,
    HiddenSlash,
    PathParameter,
    BadCharacter(char),
}

impl Template {
    pub fn parse(text: &str) -> Result<Self, Flaw> {
        if !text.starts_with('/') {
            return Err(Flaw::NoLeadingSlash);
        }
        let pieces = cut(text)?;
        let mut names = BTreeSet::new();
        for piece in &pieces {
            match piece {
                Piece::Parameter(name) if !names.insert(name) => {
                    return Err(Flaw::Repeated(name.clone()));
                }
                Piece::Parameter(_) => {}
                Piece::Literal(literal) => check_characters(literal)?,
            }
        }
        check_segments(text)?;
        Ok(Self { text: text.to_owned(), pieces })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Parameter(name) => Some(name.as_str()),
            Piece::Literal(_) => None,
        })
    }

    /// The template without its names: two templates of one shape answer the same paths.
    pub fn shape(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Literal(literal) => literal.clone(),
            Piece::Parameter(_) => "{}".to_owned(),
        };
        self.pieces.iter().map(piece).collect()
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn cut(text: &str) -> Result<Vec<Piece>, Flaw> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let Some((literal, behind)) = rest.split_once('{') else {
            pieces.push(literal_piece(rest)?);
            break;
        };
        if !literal.is_empty() {
            pieces.push(literal_piece(literal)?);
        } else if matches!(pieces.last(), Some(Piece::Parameter(_))) {
            return Err(Flaw::Adjacent);
        }
        let (name, after) = behind.split_once('}').ok_or(Flaw::NotClosed)?;
        if name.is_empty() {
            return Err(Flaw::Unnamed);
        }
        if name.contains(['/', '{', '?', '#']) || name.trim() != name {
            return Err(Flaw::BadName(name.to_owned()));
        }
        pieces.push(Piece::Parameter(name.to_owned()));
        rest = after;
    }
    Ok(pieces)
}

fn literal_piece(literal: &str) -> Result<Piece, Flaw> {
    if literal.contains('}') {
        return Err(Flaw::NotOpened);
    }
    Ok(Piece::Literal(literal.to_owned()))
}

/// Only what a caller can send in a path without anybody rewriting it on the way.
fn check_characters(literal: &str) -> Result<(), Flaw> {
    let mut characters = literal.chars();
    while let Some(character) = characters.next() {
        match character {
            '?' => return Err(Flaw::Query),
            '#' => return Err(Flaw::Fragment),
            ';' => return Err(Flaw::PathParameter),
            '%' => {
                let digits = (characters.next(), characters.next());
                match digits {
                    (Some('2'), Some('f' | 'F')) | (Some('5'), Some('c' | 'C')) => {
                        return Err(Flaw::HiddenSlash);
                    }
                    (Some(high), Some(low))
                        if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {}
                    _ => return Err(Flaw::BadEscape),
                }
            }
            _ if character.is_ascii_alphanumeric() || "/-._~!$&'()*+,=:@".contains(character) => {}
            _ => return Err(Flaw::BadCharacter(character)),
        }
    }
    Ok(())
}

/// Segments that a request can never have after its path is normalised.
fn check_segments(text: &str) -> Result<(), Flaw> {
    let mut segments = text.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let plain = segment.replace("%2e", ".").replace("%2E", ".");
        if plain == "." || plain == ".." {
            return Err(Flaw::DotSegment);
        }
        if segment.is_empty() && segments.peek().is_some() {
            return Err(Flaw::EmptySegment);
        }
    }
    Ok(())
}

impl Flaw {
    /// What to write instead, where that is clear.
    pub const fn cure(&self) -> Option<&'static str> {
        match self {
            Self::NoLeadingSlash => Some("write a `/` in front of it"),
            Self::Query => Some("describe what stands behind `?` as parameters with `in: query`"),
            Self::Fragment => Some("give each operation a path of its own"),
            Self::BadCharacter(_) => {
                Some("write a space as `%20`, and other characters the same way")
            }
            Self::NotClosed
            | Self::NotOpened
            | Self::Unnamed
            | Self::BadName(_)
            | Self::Repeated(_)
            | Self::Adjacent
            | Self::DotSegment
            | Self::EmptySegment
            | Self::BadEscape
            | Self::HiddenSlash
            | Self::PathParameter => None,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeadingSlash => f.write_str("it does not begin with `/`"),
            Self::Query => f.write_str("a query (`?`) is not part of a path"),
            Self::Fragment => f.write_str("callers never send what stands behind `#`"),
            Self::NotClosed => f.write_str("a `{` is never closed"),
            Self::NotOpened => f.write_str("a `}` was never opened"),
            Self::Unnamed => f.write_str("a parameter has no name (`{}`)"),
            Self::BadName(name) => write!(f, "`{name}` cannot be the name of a parameter"),
            Self::Repeated(name) => write!(f, "the parameter `{name}` stands in it twice"),
            Self::Adjacent => f.write_str(
                "nothing stands between two parameters, so nobody can say where one ends",
            ),
            Self::DotSegment => f.write_str("`.` and `..` are resolved before a path is looked up"),
            Self::EmptySegment => f.write_str("nothing stands between two slashes"),
            Self::BadEscape => f.write_str("`%` must be followed by two hexadecimal digits"),
            Self::HiddenSlash => {
                f.write_str("an escaped slash (`%2F`, `%5C`) is never let through")
            }
            Self::PathParameter => f.write_str("some servers cut a path off at `;`"),
            Self::BadCharacter(character) => {
                write!(f, "`{}` must be percent-encoded in a path", character.escape_default())
            }
        }
    }
}

#[cfg(test)]
mod tests;
