//! The lines in which Git speaks: four digits of length, and the bytes.

use bytes::{Buf, Bytes, BytesMut};

use super::{
    failure::{Excess, GitError},
    link::Link,
};

/// The longest line that Git writes.
const MAX_LINE: usize = 65_520;

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Data(Bytes),
    /// The end of what belongs together.
    Flush,
    Delimiter,
    /// The end of an answer.
    End,
}

/// Reads lines from a link, and no more bytes than are allowed.
#[derive(Debug)]
pub(super) struct Wire<'a> {
    link: Link<'a>,
    buffer: BytesMut,
    left: u64,
    excess: Excess,
}

impl<'a> Wire<'a> {
    pub(super) fn new(link: Link<'a>, allowed: u64, excess: Excess) -> Self {
        Self { link, buffer: BytesMut::new(), left: allowed, excess }
    }

    /// Whether more can be asked after a pack.
    pub(super) const fn is_lasting(&self) -> bool {
        self.link.is_lasting()
    }

    /// From now on so many bytes are allowed.
    pub(super) fn allow(&mut self, allowed: u64, excess: Excess) {
        (self.left, self.excess) = (allowed, excess);
    }

    pub(super) async fn ask(&mut self, request: Vec<u8>) -> Result<(), GitError> {
        // Whatever stands behind the answer that was read belongs to no question.
        self.buffer.clear();
        self.link.ask(request).await
    }

    pub(super) async fn line(&mut self) -> Result<Line, GitError> {
        self.fill(4).await?;
        let digits = self.buffer.split_to(4);
        let length = std::str::from_utf8(&digits).ok().filter(|text| !text.starts_with('+'));
        let length = length.and_then(|text| usize::from_str_radix(text, 16).ok());
        match length {
            Some(0) => Ok(Line::Flush),
            Some(1) => Ok(Line::Delimiter),
            Some(2) => Ok(Line::End),
            Some(length @ 4..=MAX_LINE) => {
                self.fill(length - 4).await?;
                let data = self.buffer.split_to(length - 4).freeze();
                match data.strip_prefix(b"ERR ") {
                    Some(what) => Err(GitError::Said { what: text(what) }),
                    None => Ok(Line::Data(data)),
                }
            }
            _ => Err(GitError::NotGit { why: "it does not speak in the lines of Git" }),
        }
    }

    /// A line that has to have content.
    pub(super) async fn data(&mut self) -> Result<Bytes, GitError> {
        match self.line().await? {
            Line::Data(data) => Ok(data),
            Line::Flush | Line::Delimiter | Line::End => {
                Err(GitError::broken("it ends where something has to stand"))
            }
        }
    }

    async fn fill(&mut self, wanted: usize) -> Result<(), GitError> {
        while self.buffer.len() < wanted {
            let chunk = self.link.chunk().await?;
            let Some(chunk) = chunk else { return Err(GitError::broken("it ends too early")) };
            let length = u64::try_from(chunk.remaining()).unwrap_or(u64::MAX);
            self.left = self.left.checked_sub(length).ok_or(self.excess)?;
            self.buffer.extend_from_slice(&chunk);
        }
        Ok(())
    }
}

/// What a host says to people: one line, bounded.
pub(super) fn text(bytes: &[u8]) -> String {
    const MAX_SAID: usize = 500;
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().take(MAX_SAID).collect()
}

/// Adds a line to a request.
pub(super) fn put(request: &mut Vec<u8>, line: &str) {
    request.extend(format!("{:04x}{line}", line.len() + 4).into_bytes());
}

pub(super) const FLUSH: &[u8] = b"0000";
pub(super) const DELIMITER: &[u8] = b"0001";
