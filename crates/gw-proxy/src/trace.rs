//! W3C trace context: a caller's trace goes on, or one begins here.

use http::{HeaderMap, header::HeaderValue};

use crate::noise::Noise;

/// Where this call stands in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    sampled: u8,
}

pub(crate) const TRACEPARENT: &str = "traceparent";
pub(crate) const TRACESTATE: &str = "tracestate";

impl Trace {
    /// Goes on with the caller's trace if its header is well formed. A `tracestate` without a good
    /// `traceparent` means nothing and is taken away.
    pub(crate) fn of(headers: &mut HeaderMap, noise: &mut Noise) -> Self {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        let given = lines.next().filter(|_| lines.next().is_none()).and_then(parse);
        let span_id = noise.next().max(1);
        if let Some((trace_id, sampled)) = given {
            return Self { trace_id, span_id, sampled };
        }
        headers.remove(TRACESTATE);
        let trace_id = (u128::from(noise.next()) << 64) | u128::from(noise.next().max(1));
        Self { trace_id, span_id, sampled: 0 }
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let mut text = *b"00-................................-................-..";
        let (trace_id, span_id) = (self.trace_id.to_be_bytes(), self.span_id.to_be_bytes());
        let digits = trace_id.iter().chain(&span_id).chain([&self.sampled]).flat_map(hex);
        for (to, digit) in text.iter_mut().filter(|byte| **byte == b'.').zip(digits) {
            *to = digit;
        }
        HeaderValue::from_bytes(&text).ok()
    }
}

fn hex(byte: &u8) -> [u8; 2] {
    [byte >> 4, byte & 0xf].map(|digit| match digit {
        0..10 => b'0' + digit,
        _ => b'a' + digit - 10,
    })
}

/// The trace id and the sampled flag of a `traceparent`.
fn parse(value: &HeaderValue) -> Option<(u128, u8)> {
    let text = value.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may add parts; version 00 has exactly four.
    let whole = version != "00" || parts.next().is_none();
    let fits = version.len() == 2 && trace.len() == 32 && span.len() == 16 && flags.len() == 2;
    let hex = |part: &str| part.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !whole || !fits || version == "ff" || ![version, trace, span, flags].into_iter().all(hex) {
        return None;
    }
    let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some((trace_id, flags & 1))
}

#[cfg(test)]
mod tests;
