//! The form of OpenPGP (RFC 9580): armour, packets, and numbers with their length in front.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// One packet. Those that come in parts, or without a length, are for streams and are not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

pub(super) struct Reader<'a>(&'a [u8]);

/// The bytes within an armour of this kind, such as `SIGNATURE`. What its checksum says nobody needs.
pub(super) fn unwrap(text: &str, kind: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    let inner = text.strip_prefix(&format!("-----BEGIN PGP {kind}-----"))?;
    let inner = inner.strip_suffix(&format!("-----END PGP {kind}-----"))?;
    let mut lines = inner.lines().map(str::trim).skip(1);
    // Headers end with an empty line.
    lines.find(|line| line.is_empty())?;
    let coded: String = lines.filter(|line| !line.starts_with('=')).collect();
    STANDARD.decode(coded).ok()
}

pub(super) fn packets(bytes: &[u8]) -> Option<Vec<Packet<'_>>> {
    let mut reader = Reader::new(bytes);
    let mut packets = vec![];
    while !reader.is_at_end() {
        packets.push(reader.packet()?);
    }
    Some(packets)
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) const fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn short(&mut self) -> Option<u16> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u16::from_be_bytes(*number))
    }

    pub(super) fn number(&mut self) -> Option<u32> {
        let (number, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(u32::from_be_bytes(*number))
    }

    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    /// A large number, its length in bits in front.
    pub(super) fn large(&mut self) -> Option<&'a [u8]> {
        let bits = usize::from(self.short()?);
        self.take(bits.div_ceil(8))
    }

    fn packet(&mut self) -> Option<Packet<'a>> {
        let head = self.byte()?;
        if head & 0x80 == 0 {
            return None;
        }
        let (tag, length) = match head & 0x40 {
            0 => ((head >> 2) & 0x0f, self.former_length(head & 3)?),
            _ => (head & 0x3f, self.length(0xe0)?),
        };
        Some(Packet { tag, body: self.take(length)? })
    }

    /// The length of one part of a signature, and the part.
    pub(super) fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.length(0xff)?;
        self.take(length)
    }

    /// One, two or five bytes. From `long` on the first one means something else; all of it is five.
    fn length(&mut self, long: u8) -> Option<usize> {
        let first = self.byte()?;
        match first {
            0..=0xbf => Some(usize::from(first)),
            0xff => usize::try_from(self.number()?).ok(),
            _ if first < long => {
                Some((usize::from(first) - 0xc0) * 0x100 + usize::from(self.byte()?) + 0xc0)
            }
            _ => None,
        }
    }

    fn former_length(&mut self, kind: u8) -> Option<usize> {
        match kind {
            0 => self.byte().map(usize::from),
            1 => self.short().map(usize::from),
            2 => usize::try_from(self.number()?).ok(),
            _ => None,
        }
    }
}
