//! The form of OpenPGP (RFC 9580): armour, packets, and numbers with their length in front.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::super::reader::Reader;

/// One packet. Those that come in parts, or without a length, are for streams and are not read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

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
        packets.push(packet(&mut reader)?);
    }
    Some(packets)
}

fn packet<'a>(reader: &mut Reader<'a>) -> Option<Packet<'a>> {
    let head = reader.byte()?;
    if head & 0x80 == 0 {
        return None;
    }
    let (tag, length) = match head & 0x40 {
        0 => ((head >> 2) & 0x0f, former_length(reader, head & 3)?),
        _ => (head & 0x3f, length(reader, 0xe0)?),
    };
    Some(Packet { tag, body: reader.take(length)? })
}

/// A large number, its length in bits in front.
pub(super) fn large<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let bits = usize::from(reader.short()?);
    reader.take(bits.div_ceil(8))
}

/// One part of a signature, behind its length.
pub(super) fn part<'a>(reader: &mut Reader<'a>) -> Option<&'a [u8]> {
    let length = length(reader, 0xff)?;
    reader.take(length)
}

/// One, two or five bytes. From `long` on the first one means something else; all of it is five.
fn length(reader: &mut Reader<'_>, long: u8) -> Option<usize> {
    let first = reader.byte()?;
    match first {
        0..=0xbf => Some(usize::from(first)),
        0xff => usize::try_from(reader.number()?).ok(),
        _ if first < long => {
            Some((usize::from(first) - 0xc0) * 0x100 + usize::from(reader.byte()?) + 0xc0)
        }
        _ => None,
    }
}

fn former_length(reader: &mut Reader<'_>, kind: u8) -> Option<usize> {
    match kind {
        0 => reader.byte().map(usize::from),
        1 => reader.short().map(usize::from),
        2 => usize::try_from(reader.number()?).ok(),
        _ => None,
    }
}
