//! Request head to operation: host, method and path decide, nothing else.
//!
//! There is one normal form of a path. It decides which operation is meant, what the rules judge and
//! what the upstream receives, so the three can never disagree. A path that two servers could read
//! differently is refused, never interpreted.
//!
//! A template of OpenAPI may hold several parameters in one segment (`/compare/{base}...{head}`),
//! and a fixed segment wins over a parameter whatever the order of the files. Radix trees that are
//! published for Rust allow one parameter per segment and refuse such sets of routes, so the tree
//! here is our own: a node per segment, children sorted, nothing allocated while searching.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use gw_model::scalar::Method;

/// Why a path is refused before anybody asks what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathRefusal {
    /// It does not begin with `/`.
    NotAbsolute,
    /// `//` somewhere: some servers merge the two, some do not.
    EmptySegment,
    /// `.` or `..` as a segment, plain or encoded.
    DotSegment,
    /// `%2F` or `%5C`: a separator for some, a letter for others.
    EncodedSeparator,
    /// `%` without two hexadecimal digits, or `%25` in front of two: decoded twice it means another path.
    BadEncoding,
    /// An encoded control character.
    Control,
    /// Encoded bytes that are not UTF-8, among them overlong forms.
    NotUtf8,
    /// A character that may not stand in a path unencoded.
    BadCharacter,
    /// `;`: some servers cut a segment there.
    PathParameter,
    TooLong,
}

/// More segments than any template may have.
const SEGMENTS_MAX: usize = 128;

/// The longest path that is looked at.
pub const PATH_BYTES_MAX: usize = 8 * 1024;

impl PathRefusal {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotAbsolute => "the path does not begin with `/`",
            Self::EmptySegment => "the path has an empty segment (`//`)",
            Self::DotSegment => "the path has a segment `.` or `..`",
            Self::EncodedSeparator => "the path has an encoded `/` or `\\`",
            Self::BadEncoding => "the path has a `%` that can be decoded in two ways",
            Self::Control => "the path has an encoded control character",
            Self::NotUtf8 => "the path has encoded bytes that are not UTF-8",
            Self::BadCharacter => "the path has a character that must be encoded",
            Self::PathParameter => "the path has a `;`, which some servers cut off",
            Self::TooLong => "the path is longer than 8192 bytes",
        }
    }
}

impl fmt::Display for PathRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::error::Error for PathRefusal {}

/// The one normal form of a path (without query): letters that need no encoding are decoded, digits
/// of the others are in upper case. Borrowed where the path already has that form.
pub fn normalize(path: &str) -> Result<Cow<'_, str>, PathRefusal> {
    if path.len() > PATH_BYTES_MAX {
        return Err(PathRefusal::TooLong);
    }
    let Some(inside) = path.strip_prefix('/') else { return Err(PathRefusal::NotAbsolute) };
    if !path.bytes().all(is_plain) {
        return decode(path).map(Cow::Owned);
    }
    refuse_segments(inside)?;
    Ok(Cow::Borrowed(path))
}

/// What may stand in a path and means only itself: `pchar` of RFC 3986 without `;`, and `/`.
const fn is_plain(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'/' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',')
        || matches!(byte, b'=' | b':' | b'@')
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

fn refuse_segments(inside: &str) -> Result<(), PathRefusal> {
    let mut segments = inside.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "" if segments.peek().is_some() => return Err(PathRefusal::EmptySegment),
            "." | ".." => return Err(PathRefusal::DotSegment),
            _ => {}
        }
    }
    Ok(())
}

/// The slow way, for paths with a `%` or with something that is refused.
fn decode(path: &str) -> Result<String, PathRefusal> {
    let mut normal = String::with_capacity(path.len());
    // Every encoded byte, with plain ones between them: together they must be UTF-8.
    let mut decoded = Vec::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let value = hex_pair(&bytes).ok_or(PathRefusal::BadEncoding)?;
                bytes.nth(1);
                match value {
                    b'/' | b'\\' => return Err(PathRefusal::EncodedSeparator),
                    0..=0x1f | 0x7f => return Err(PathRefusal::Control),
                    b'.' => return Err(PathRefusal::DotSegment),
                    _ if is_unreserved(value) => normal.push(char::from(value)),
                    _ => push_encoded(&mut normal, value),
                }
                decoded.push(value);
            }
            b';' => return Err(PathRefusal::PathParameter),
            _ if is_plain(byte) => {
                normal.push(char::from(byte));
                decoded.push(byte);
            }
            _ => return Err(PathRefusal::BadCharacter),
        }
    }
    if std::str::from_utf8(&decoded).is_err() {
        return Err(PathRefusal::NotUtf8);
    }
    // Looked for in what was decoded: the digits behind an encoded `%` may be encoded themselves.
    let mut percents =
        normal.match_indices("%25").filter_map(|(at, found)| normal.get(at + found.len()..));
    if percents.any(|behind| hex_pair(&behind.bytes()).is_some()) {
        return Err(PathRefusal::BadEncoding);
    }
    refuse_segments(normal.strip_prefix('/').unwrap_or(&normal))?;
    Ok(normal)
}

fn hex_pair(bytes: &std::str::Bytes<'_>) -> Option<u8> {
    let mut ahead = bytes.clone();
    let mut digit = || char::from(ahead.next()?).to_digit(16);
    u8::try_from(digit()? * 16 + digit()?).ok()
}

fn push_encoded(text: &mut String, byte: u8) {
    let digit =
        |value: u8| char::from_digit(u32::from(value), 16).unwrap_or_default().to_ascii_uppercase();
    text.push('%');
    text.push(digit(byte >> 4));
    text.push(digit(byte & 0xf));
}

/// The name in a `Host` or authority as names are compared: no port, no trailing dot, lower case.
pub fn host_name(authority: &str) -> Cow<'_, str> {
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => authority,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// A path template in its normal form.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    /// Empty only at the end: the path ends with `/`.
    Fixed(Box<str>),
    Mixed(Mixed),
    Parameter,
}

/// Fixed texts with a parameter between each two: `{base}...{head}` is `["", "...", ""]`.
type Mixed = Box<[Box<str>]>;

impl Template {
    /// Takes a template of OpenAPI, `/orders/{id}`; what is fixed in it is brought into normal form.
    pub fn parse(template: &str) -> Result<Self, PathRefusal> {
        let inside = template.strip_prefix('/').ok_or(PathRefusal::NotAbsolute)?;
        let mut segments = vec![];
        let mut texts = inside.split('/').peekable();
        while let Some(text) = texts.next() {
            match text {
                "" if texts.peek().is_some() => return Err(PathRefusal::EmptySegment),
                "." | ".." => return Err(PathRefusal::DotSegment),
                _ => segments.push(Segment::parse(text)?),
            }
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(PathRefusal::TooLong);
        }
        Ok(Self { segments })
    }

    /// One call that fits, with parameters filled in.
    pub fn sample(&self) -> String {
        let mut path = String::new();
        for segment in &self.segments {
            path.push('/');
            match segment {
                Segment::Fixed(text) => path.push_str(text),
                Segment::Mixed(texts) => path.push_str(&texts.join("1")),
                Segment::Parameter => path.push('1'),
            }
        }
        path
    }
}

/// The template as it is compared: `/orders/{}`. Names of parameters do not tell routes apart.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            match segment {
                Segment::Fixed(text) => write!(f, "/{text}")?,
                Segment::Mixed(texts) => write!(f, "/{}", texts.join("{}"))?,
                Segment::Parameter => f.write_str("/{}")?,
            }
        }
        Ok(())
    }
}

impl Segment {
    fn parse(text: &str) -> Result<Self, PathRefusal> {
        let mut fixed = vec![];
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((_, behind)) = after.split_once('}') else { break };
            fixed.push(normal_text(before)?);
            rest = behind;
        }
        fixed.push(normal_text(rest)?);
        Ok(match fixed.as_mut_slice() {
            [only] => Self::Fixed(std::mem::take(only)),
            [before, behind] if before.is_empty() && behind.is_empty() => Self::Parameter,
            _ => Self::Mixed(fixed.into_boxed_slice()),
        })
    }

    /// Whether a text fits.
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Fixed(own) => **own == *text,
            Self::Mixed(texts) => fits(texts, text),
            Self::Parameter => !text.is_empty(),
        }
    }
}

/// Whether a text may fit both; judged by how both begin and end, so never too seldom.
fn may_meet(one: &[Box<str>], two: &[Box<str>]) -> bool {
    let begins = |a: &str, b: &str| a.starts_with(b) || b.starts_with(a);
    let ends = |a: &str, b: &str| a.ends_with(b) || b.ends_with(a);
    one.first().zip(two.first()).is_some_and(|(a, b)| begins(a, b))
        && one.last().zip(two.last()).is_some_and(|(a, b)| ends(a, b))
}

/// Fixed text of a template in the normal form of a path: what must be encoded is encoded.
fn normal_text(text: &str) -> Result<Box<str>, PathRefusal> {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b';' => return Err(PathRefusal::PathParameter),
            b'\\' => return Err(PathRefusal::BadCharacter),
            b'%' => encoded.push('%'),
            _ if is_plain(byte) => encoded.push(char::from(byte)),
            _ => push_encoded(&mut encoded, byte),
        }
    }
    if encoded.contains('%') {
        encoded = decode(&encoded)?;
    }
    Ok(encoded.into_boxed_str())
}

/// Whether a text is these fixed texts with something between each two.
fn fits(texts: &[Box<str>], text: &str) -> bool {
    let [first, middle @ .., last] = texts else { return false };
    let Some(mut rest) = text.strip_prefix(&**first) else { return false };
    for part in middle {
        // At least one character belongs to the parameter; the earliest place leaves most to the rest.
        let mut signs = rest.chars();
        if signs.next().is_none() {
            return false;
        }
        let Some((_, behind)) = signs.as_str().split_once(&**part) else { return false };
        rest = behind;
    }
    rest.len() > last.len() && rest.ends_with(&**last)
}

/// Which operation answers, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Found(u32),
    /// The path exists. The operation is one of those that answer other methods there.
    MethodNotListed(u32),
    NoRoute,
}

/// Every route of a snapshot.
#[derive(Debug, Default)]
pub(crate) struct Router {
    /// An API with a host answers there and nowhere else.
    hosts: BTreeMap<Box<str>, Node>,
    /// An API without a host answers on every host that no other API names.
    elsewhere: Node,
}

impl Router {
    pub(crate) fn find(&self, host: &str, method: Option<Method>, path: &str) -> Lookup {
        let root = if self.hosts.is_empty() {
            &self.elsewhere
        } else {
            self.hosts.get(&*host_name(host)).unwrap_or(&self.elsewhere)
        };
        let found = path.strip_prefix('/').and_then(|inside| root.find(Some(inside)));
        let Some(answers) = found else { return Lookup::NoRoute };
        let listed = answers.iter().find(|(known, _)| Some(*known) == method);
        match (listed, answers.first()) {
            (Some((_, operation)), _) => Lookup::Found(*operation),
            (None, Some((_, other))) => Lookup::MethodNotListed(*other),
            (None, None) => Lookup::NoRoute,
        }
    }
}

/// Routes while they are collected.
#[derive(Debug, Default)]
pub(crate) struct RouterBuilder {
    hosts: BTreeMap<Option<Box<str>>, Growing>,
}

impl RouterBuilder {
    /// Adds a route; returns those that had exactly this path before.
    pub(crate) fn add(
        &mut self,
        host: Option<&str>,
        template: &Template,
        method: Method,
        operation: u32,
    ) -> Vec<(Method, u32)> {
        let mut node = self.hosts.entry(host.map(Box::from)).or_default();
        for segment in &template.segments {
            node = match segment {
                Segment::Fixed(text) => node.fixed.entry(text.clone()).or_default(),
                Segment::Mixed(texts) => node.mixed.entry(texts.clone()).or_default(),
                Segment::Parameter => node.parameter.get_or_insert_default(),
            };
        }
        let before = node.answers.clone();
        if before.iter().all(|(known, _)| *known != method) {
            node.answers.push((method, operation));
        }
        before
    }

    /// A route of somebody else that fits some of the same calls and is less exact, so that it never
    /// sees them.
    pub(crate) fn shadowed(
        &self,
        host: Option<&str>,
        template: &Template,
        foreign: &dyn Fn(u32) -> bool,
    ) -> Option<u32> {
        let root = self.hosts.get(&host.map(Box::from))?;
        root.shadowed(&template.segments, Way::Same, foreign)
    }

    pub(crate) fn finish(self) -> Router {
        let mut router = Router::default();
        for (host, root) in self.hosts {
            match host {
                Some(host) => {
                    router.hosts.insert(host, root.freeze());
                }
                None => router.elsewhere = root.freeze(),
            }
        }
        router
    }
}

#[derive(Debug, Default)]
struct Growing {
    fixed: BTreeMap<Box<str>, Self>,
    mixed: BTreeMap<Mixed, Self>,
    parameter: Option<Box<Self>>,
    answers: Vec<(Method, u32)>,
}

/// Whether a walk has followed its template so far, or has taken a less exact way.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Same,
    Looser,
}

impl Growing {
    /// Of two templates that fit the same calls, one is more exact where they first differ. Up to
    /// there this walk follows its own template or leaves it for a less exact way; from there on it
    /// follows every way that fits. So the more exact template always finds the other.
    fn shadowed(&self, rest: &[Segment], way: Way, foreign: &dyn Fn(u32) -> bool) -> Option<u32> {
        let Some((segment, rest)) = rest.split_first() else {
            let mut others = self.answers.iter().map(|(_, operation)| *operation);
            return others.find(|other| way == Way::Looser && foreign(*other));
        };
        let fixed = || match segment {
            Segment::Fixed(text) => self.fixed.get(text)?.shadowed(rest, way, foreign),
            Segment::Mixed(_) | Segment::Parameter if way == Way::Same => None,
            Segment::Mixed(_) | Segment::Parameter => self
                .fixed
                .iter()
                .filter(|(text, _)| segment.takes(text))
                .find_map(|(_, node)| node.shadowed(rest, way, foreign)),
        };
        let mixed = || {
            let mut ways = self.mixed.iter().filter_map(|(texts, node)| match segment {
                Segment::Fixed(text) => fits(texts, text).then_some((Way::Looser, node)),
                Segment::Mixed(own) if own == texts => Some((way, node)),
                Segment::Mixed(own) => may_meet(own, texts).then_some((Way::Looser, node)),
                Segment::Parameter => (way == Way::Looser).then_some((way, node)),
            });
            ways.find_map(|(way, node)| node.shadowed(rest, way, foreign))
        };
        let parameter = || {
            let node = self.parameter.as_deref()?;
            match segment {
                Segment::Fixed(text) if text.is_empty() => None,
                Segment::Fixed(_) | Segment::Mixed(_) => node.shadowed(rest, Way::Looser, foreign),
                Segment::Parameter => node.shadowed(rest, way, foreign),
            }
        };
        fixed().or_else(mixed).or_else(parameter)
    }

    fn freeze(self) -> Node {
        let mut mixed: Box<[_]> =
            self.mixed.into_iter().map(|(texts, node)| (texts, node.freeze())).collect();
        let length = |texts: &[Box<str>]| texts.iter().map(|text| text.len()).sum::<usize>();
        // The longest fixed text is the most exact; the sort is stable, so ties keep their order.
        mixed.sort_by_key(|(texts, _)| std::cmp::Reverse(length(texts)));
        Node {
            fixed: self.fixed.into_iter().map(|(text, node)| (text, node.freeze())).collect(),
            mixed,
            parameter: self.parameter.map(|node| Box::new(node.freeze())),
            answers: self.answers.into_boxed_slice(),
        }
    }
}

/// Routes as they are searched: nothing grows any more.
#[derive(Debug, Default)]
struct Node {
    /// Sorted by text.
    fixed: Box<[(Box<str>, Self)]>,
    /// The most exact first.
    mixed: Box<[(Mixed, Self)]>,
    parameter: Option<Box<Self>>,
    answers: Box<[(Method, u32)]>,
}

impl Node {
    /// The most exact way first; a way that ends nowhere is given up for the next. Each node is
    /// visited at most once, because there is one way to it.
    fn find(&self, rest: Option<&str>) -> Option<&[(Method, u32)]> {
        let Some(rest) = rest else {
            return (!self.answers.is_empty()).then_some(&*self.answers);
        };
        let (segment, rest) = match rest.split_once('/') {
            Some((segment, rest)) => (segment, Some(rest)),
            None => (rest, None),
        };
        let fixed = self.fixed.binary_search_by(|(text, _)| (**text).cmp(segment));
        if let Some((_, next)) = fixed.ok().and_then(|index| self.fixed.get(index))
            && let Some(found) = next.find(rest)
        {
            return Some(found);
        }
        for (texts, next) in &self.mixed {
            if fits(texts, segment)
                && let Some(found) = next.find(rest)
            {
                return Some(found);
            }
        }
        let next = self.parameter.as_ref().filter(|_| !segment.is_empty())?;
        next.find(rest)
    }
}

#[cfg(test)]
mod tests;
