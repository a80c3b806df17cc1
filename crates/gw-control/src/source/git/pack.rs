//! Weighs a pack before it is opened: how many objects it holds, how large each is once unpacked,
//! and how much must be held at once for the deepest chain of differences.
//!
//! An object that is kept as a difference names the one that it differs from by where it lies in
//! front of it, so nothing can go round in a circle. A difference from an object by name is not asked
//! for and not taken.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use gix_zlib::{Decompress, stream::inflate};

use super::{
    caps::Caps,
    failure::{Excess, GitError},
};

/// Longer ones say more than 2⁶⁴.
const MAX_NUMBER_BYTES: usize = 10;

const COMMIT: u8 = 1;
const TAG: u8 = 4;
const DELTA_BY_PLACE: u8 = 6;
const DELTA_BY_NAME: u8 = 7;

/// An object that was weighed: where it begins, and what must be held for it.
struct Weighed {
    at: u64,
    chain: u64,
}

struct Scale<'a> {
    pack: Counted<BufReader<File>>,
    caps: &'a Caps,
    weighed: Vec<Weighed>,
    inflate: Decompress,
}

/// Knows how far it was read.
struct Counted<R> {
    inner: R,
    at: u64,
}

/// Reads the whole pack once. Ends early when it is told to stop.
pub(super) fn weigh(path: &Path, caps: &Caps, stop: &AtomicBool) -> Result<(), GitError> {
    let file = File::open(path).map_err(GitError::copy)?;
    let pack = Counted { inner: BufReader::with_capacity(64 << 10, file), at: 0 };
    let mut scale = Scale { pack, caps, weighed: vec![], inflate: Decompress::new() };
    let mut header = [0; 12];
    scale.pack.read_exact(&mut header).map_err(GitError::broken)?;
    let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, count @ ..] = header else {
        return Err(GitError::broken("it is no pack"));
    };
    let count = u64::from(u32::from_be_bytes(count));
    if count > caps.objects {
        return Err(Excess::Objects { limit: caps.objects }.into());
    }
    for _ in 0..count {
        if stop.load(Relaxed) {
            return Err(GitError::TooSlow { limit: caps.time });
        }
        scale.object()?;
    }
    Ok(())
}

impl Scale<'_> {
    fn object(&mut self) -> Result<(), GitError> {
        let at = self.pack.at;
        let (kind, size) = self.head()?;
        let (size, base) = match kind {
            COMMIT..=TAG => {
                self.unpack(size, None)?;
                (size, 0)
            }
            DELTA_BY_PLACE => {
                let back = self.distance()?;
                let base = at.checked_sub(back).and_then(|place| self.chain_at(place));
                let base = base.ok_or_else(|| {
                    GitError::broken("a difference from an object that is not there")
                })?;
                let mut result = 0;
                self.unpack(size, Some(&mut result))?;
                (result, base)
            }
            DELTA_BY_NAME => {
                return Err(GitError::broken("a difference from an object by its name"));
            }
            _ => return Err(GitError::broken("an object of no kind")),
        };
        let chain = base.saturating_add(size);
        if chain > self.caps.chain_bytes {
            return Err(Excess::Chain { limit: self.caps.chain_bytes }.into());
        }
        self.weighed.push(Weighed { at, chain });
        Ok(())
    }

    fn chain_at(&self, place: u64) -> Option<u64> {
        let index = self.weighed.binary_search_by_key(&place, |known| known.at).ok()?;
        self.weighed.get(index).map(|known| known.chain)
    }

    /// Three bits of kind, and a size of four bits in the first byte and seven in each that follows.
    fn head(&mut self) -> Result<(u8, u64), GitError> {
        let first = self.byte()?;
        let (kind, mut size) = ((first >> 4) & 0b111, u64::from(first & 0b1111));
        let (mut more, mut shift) = (first & 0x80 != 0, 4);
        while more {
            let byte = self.byte()?;
            let part = u64::from(byte & 0x7f).checked_shl(shift);
            size |= part.ok_or_else(|| GitError::broken("an object without end"))?;
            (more, shift) = (byte & 0x80 != 0, shift + 7);
        }
        self.admit(size)?;
        Ok((kind, size))
    }

    /// How far in front the other object begins. Each byte but the last adds one, so that every
    /// distance has one spelling.
    fn distance(&mut self) -> Result<u64, GitError> {
        let mut distance = 0_u64;
        for index in 0..MAX_NUMBER_BYTES {
            let byte = self.byte()?;
            let grown = if index == 0 { Some(0) } else { distance.checked_add(1) };
            let grown = grown.and_then(|grown| grown.checked_mul(0x80));
            let Some(grown) = grown else { break };
            distance = grown | u64::from(byte & 0x7f);
            if byte & 0x80 == 0 {
                return Ok(distance);
            }
        }
        Err(GitError::broken("a difference from nowhere"))
    }

    /// Unpacks as much as is announced and forgets it. A difference begins with two sizes; the second
    /// is that of what comes of it.
    fn unpack(&mut self, size: u64, result: Option<&mut u64>) -> Result<(), GitError> {
        self.inflate.reset();
        let mut room = [0; 16 << 10];
        let (mut unpacked, mut beginning) = (0_u64, Vec::with_capacity(2 * MAX_NUMBER_BYTES));
        loop {
            let got = inflate::read(&mut self.pack, &mut self.inflate, &mut room)
                .map_err(GitError::broken)?;
            if got == 0 {
                break;
            }
            let missing = (2 * MAX_NUMBER_BYTES).saturating_sub(beginning.len());
            beginning.extend(room.iter().take(got.min(missing)));
            unpacked += u64::try_from(got).unwrap_or(u64::MAX);
            if unpacked > size {
                break;
            }
        }
        if unpacked != size {
            return Err(GitError::broken("an object of another size than it says"));
        }
        if let Some(result) = result {
            let mut bytes = beginning.into_iter();
            let sizes = number(&mut bytes).and_then(|_| number(&mut bytes));
            *result = sizes.ok_or_else(|| GitError::broken("a difference without its sizes"))?;
            self.admit(*result)?;
        }
        Ok(())
    }

    fn admit(&self, size: u64) -> Result<(), GitError> {
        let limit = self.caps.object_bytes;
        if size > limit { Err(Excess::Object { limit }.into()) } else { Ok(()) }
    }

    fn byte(&mut self) -> Result<u8, GitError> {
        let mut byte = [0];
        self.pack.read_exact(&mut byte).map_err(GitError::broken)?;
        let [byte] = byte;
        Ok(byte)
    }
}

/// Seven bits in each byte, the lowest first.
fn number(bytes: &mut impl Iterator<Item = u8>) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let byte = bytes.next()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(room)?;
        self.at += u64::try_from(got).unwrap_or_default();
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Counted<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, used: usize) {
        self.at += u64::try_from(used).unwrap_or_default();
        self.inner.consume(used);
    }
}

#[cfg(test)]
mod tests;
