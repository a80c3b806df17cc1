//! A strict reader of JSON from people who cannot be trusted: tokens and key sets.
//!
//! It is not a general one. Where two readers could understand a text differently it refuses it: a
//! member named twice at any depth, anything after the value, more than the caller's limits. A
//! number keeps the text it was written with, so no two different numbers become the same claim.

#[cfg(test)]
mod tests;

use std::fmt;

/// How much of it is read before it is refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) bytes: usize,
    pub(crate) depth: usize,
    /// Values of every kind at every depth.
    pub(crate) values: usize,
}

/// Why a text was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    TooLong,
    TooDeep,
    TooMany,
    /// One object names a member twice.
    Duplicate,
    NotUtf8,
    Syntax,
    NotAnObject,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    /// As it was written.
    Number(String),
    Text(String),
    List(Vec<Self>),
    Object(Object),
}

/// Members, sorted by name, each name once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Object(Vec<(String, Value)>);

impl JsonFault {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::TooLong => "is too long",
            Self::TooDeep => "is nested too deeply",
            Self::TooMany => "has too many values",
            Self::Duplicate => "names one member twice",
            Self::NotUtf8 => "is not UTF-8",
            Self::Syntax => "is not JSON",
            Self::NotAnObject => "is not a JSON object",
        }
    }
}

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::List(_) | Self::Object(_) => None,
        }
    }

    pub(crate) fn object(&self) -> Option<&Object> {
        match self {
            Self::Object(object) => Some(object),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    pub(crate) fn list(&self) -> Option<&[Self]> {
        match self {
            Self::List(values) => Some(values),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) | Self::Object(_) => None,
        }
    }
}

impl Object {
    /// Reads a text that must be one object and nothing else.
    pub(crate) fn parse(bytes: &[u8], limits: Limits) -> Result<Self, JsonFault> {
        match parse(bytes, limits)? {
            Value::Object(object) => Ok(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                Err(JsonFault::NotAnObject)
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        let place = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        self.0.get(place).map(|(_, value)| value)
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

pub(crate) fn parse(bytes: &[u8], limits: Limits) -> Result<Value, JsonFault> {
    if bytes.len() > limits.bytes {
        return Err(JsonFault::TooLong);
    }
    let text = std::str::from_utf8(bytes).map_err(|_| JsonFault::NotUtf8)?;
    let mut reader = Reader { rest: text, depth: limits.depth, values: limits.values };
    let value = reader.value()?;
    reader.skip_space();
    if reader.rest.is_empty() { Ok(value) } else { Err(JsonFault::Syntax) }
}

struct Reader<'a> {
    rest: &'a str,
    /// Levels that may still be opened.
    depth: usize,
    /// Values that may still be read.
    values: usize,
}

impl<'a> Reader<'a> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    /// Takes the sign if it comes next.
    fn take(&mut self, sign: char) -> bool {
        let rest = self.rest.strip_prefix(sign);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// Takes the first bytes, which must end between two characters.
    fn advance(&mut self, bytes: usize) -> Result<&'a str, JsonFault> {
        let (taken, rest) = self.rest.split_at_checked(bytes).ok_or(JsonFault::Syntax)?;
        self.rest = rest;
        Ok(taken)
    }

    fn value(&mut self) -> Result<Value, JsonFault> {
        self.values = self.values.checked_sub(1).ok_or(JsonFault::TooMany)?;
        self.skip_space();
        match self.rest.bytes().next() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::list),
            Some(b'"') => self.text().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn nested(
        &mut self,
        read: fn(&mut Self) -> Result<Value, JsonFault>,
    ) -> Result<Value, JsonFault> {
        self.depth = self.depth.checked_sub(1).ok_or(JsonFault::TooDeep)?;
        let value = read(self);
        self.depth += 1;
        value
    }

    fn object(&mut self) -> Result<Value, JsonFault> {
        let mut members = Vec::new();
        let mut more = self.opens('{', '}');
        while more {
            self.skip_space();
            let name = self.text()?;
            self.skip_space();
            if !self.take(':') {
                return Err(JsonFault::Syntax);
            }
            members.push((name, self.value()?));
            more = self.goes_on('}')?;
        }
        members.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
        if members.windows(2).any(|pair| matches!(pair, [(left, _), (right, _)] if left == right)) {
            return Err(JsonFault::Duplicate);
        }
        members.shrink_to_fit();
        Ok(Value::Object(Object(members)))
    }

    fn list(&mut self) -> Result<Value, JsonFault> {
        let mut values = Vec::new();
        let mut more = self.opens('[', ']');
        while more {
            values.push(self.value()?);
            more = self.goes_on(']')?;
        }
        values.shrink_to_fit();
        Ok(Value::List(values))
    }

    /// Takes the opening sign; whether something stands before the closing one.
    fn opens(&mut self, open: char, close: char) -> bool {
        self.take(open);
        self.skip_space();
        !self.take(close)
    }

    /// Takes the comma or the closing sign; whether another one must follow.
    fn goes_on(&mut self, close: char) -> Result<bool, JsonFault> {
        self.skip_space();
        if self.take(',') {
            Ok(true)
        } else if self.take(close) {
            Ok(false)
        } else {
            Err(JsonFault::Syntax)
        }
    }

    fn word(&mut self) -> Result<Value, JsonFault> {
        let words =
            [("true", Value::Bool(true)), ("false", Value::Bool(false)), ("null", Value::Null)];
        for (word, value) in words {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(JsonFault::Syntax)
    }

    fn number(&mut self) -> Result<Value, JsonFault> {
        let start = self.rest;
        self.take('-');
        if !self.take('0') {
            self.digits()?;
        }
        if self.take('.') {
            self.digits()?;
        }
        if self.take('e') || self.take('E') {
            let _signed = self.take('+') || self.take('-');
            self.digits()?;
        }
        let written = start.len() - self.rest.len();
        let number = start.split_at_checked(written).ok_or(JsonFault::Syntax)?.0;
        Ok(Value::Number(number.to_owned()))
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        let count = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return Err(JsonFault::Syntax);
        }
        self.advance(count).map(|_| ())
    }

    fn text(&mut self) -> Result<String, JsonFault> {
        if !self.take('"') {
            return Err(JsonFault::Syntax);
        }
        let mut text = String::new();
        loop {
            let special = |sign: char| sign == '"' || sign == '\\' || sign < ' ';
            let plain = self.rest.find(special).ok_or(JsonFault::Syntax)?;
            text.push_str(self.advance(plain)?);
            if self.take('"') {
                return Ok(text);
            }
            if !self.take('\\') {
                return Err(JsonFault::Syntax);
            }
            text.push(self.escaped()?);
        }
    }

    fn escaped(&mut self) -> Result<char, JsonFault> {
        match self.advance(1)? {
            "\"" => Ok('"'),
            "\\" => Ok('\\'),
            "/" => Ok('/'),
            "b" => Ok('\u{8}'),
            "f" => Ok('\u{c}'),
            "n" => Ok('\n'),
            "r" => Ok('\r'),
            "t" => Ok('\t'),
            "u" => self.unicode(),
            _ => Err(JsonFault::Syntax),
        }
    }

    /// Half a surrogate pair is nothing that two readers agree about.
    fn unicode(&mut self) -> Result<char, JsonFault> {
        let first = self.hex()?;
        let point = if (0xd800..0xdc00).contains(&first) {
            if !(self.take('\\') && self.take('u')) {
                return Err(JsonFault::Syntax);
            }
            let second = self.hex()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(JsonFault::Syntax);
            }
            0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(point).ok_or(JsonFault::Syntax)
    }

    fn hex(&mut self) -> Result<u32, JsonFault> {
        let digits = self.advance(4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(JsonFault::Syntax);
        }
        u32::from_str_radix(digits, 16).map_err(|_| JsonFault::Syntax)
    }
}
