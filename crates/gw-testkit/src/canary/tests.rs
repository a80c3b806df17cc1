use std::collections::BTreeSet;

use zlib_rs::{Deflate, DeflateFlush};

use super::*;

/// In a format that its header names: 15 is zlib, 31 is gzip.
fn deflate(bytes: &[u8], format: u8) -> Vec<u8> {
    let mut stream = Deflate::new(6, true, format);
    let mut out = vec![0; bytes.len() + 100];
    assert_eq!(stream.compress(bytes, &mut out, DeflateFlush::Finish), Ok(Status::StreamEnd));
    out.truncate(usize::try_from(stream.total_out()).unwrap());
    out
}

#[test]
fn a_secret_is_found_in_every_form_and_in_the_middle_of_anything() {
    let secrets = varied(1_000);
    assert_eq!(secrets.iter().collect::<BTreeSet<_>>().len(), 1_000);
    let canaries = Canaries::of(&secrets);
    for (secret, text) in secrets.iter().enumerate().step_by(37) {
        let bytes = text.as_bytes();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let utf16 = |to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            text.encode_utf16().flat_map(to_bytes).collect()
        };
        let mut written = vec![
            ("raw", bytes.to_vec()),
            ("hex", hex.clone().into_bytes()),
            ("hex in upper case", hex.to_uppercase().into_bytes()),
            ("JSON", serde_json::json!({ "key": text }).to_string().into_bytes()),
            ("UTF-16", utf16(u16::to_le_bytes)),
            ("UTF-16, the other way", utf16(u16::to_be_bytes)),
            ("gzip", deflate(format!("before {text} after").as_bytes(), 31)),
            ("zlib", deflate(format!("before {text} after").as_bytes(), 15)),
        ];
        for lead in ["", "a", "ab", "abc"] {
            let among = [lead.as_bytes(), bytes, b"rest"].concat();
            written.push(("base64", STANDARD.encode(&among).into_bytes()));
            written.push(("base64 for addresses", URL_SAFE_NO_PAD.encode(&among).into_bytes()));
        }
        written.extend(addresses(bytes).map(|it| ("an address", it)));
        for (form, bytes) in written {
            let among = [b"something \x1f\x8b\x78\x9c ", &bytes[..], b" else"].concat();
            let found = canaries.find(&among);
            let seen: BTreeSet<usize> = found.iter().map(|it| it.secret).collect();
            assert_eq!(seen, [secret].into(), "{form}: {text}");
        }
    }
}

#[test]
fn what_is_no_secret_is_not_found() {
    let canaries = Canaries::of(&varied(1_000));
    for other in varied(1_200).split_off(1_000) {
        assert_eq!(canaries.find(other.as_bytes()), []);
        assert_eq!(canaries.find(&deflate(other.as_bytes(), 31)), []);
    }
    let own_source = include_bytes!("../canary.rs");
    assert_eq!(canaries.find(own_source), []);
    // Too short to say anything.
    assert_eq!(Canaries::of(&["it"]).find(b"it is"), []);
}

#[test]
fn how_it_was_written_is_told() {
    let canaries = Canaries::of(&["other", "s3cr3t/key ä"]);
    let found = |bytes: &[u8]| {
        let found = canaries.find(bytes);
        found.iter().map(|it| (it.secret, it.form, it.compressed)).collect::<Vec<_>>()
    };
    assert_eq!(found("is s3cr3t/key ä!".as_bytes()), [(1, Form::Raw, false)]);
    assert_eq!(found(b"?k=s3cr3t%2Fkey+%C3%A4"), [(1, Form::Address, false)]);
    assert_eq!(found(b"\"s3cr3t\\/key \\u00e4\""), [(1, Form::Json, false)]);
    let packed = deflate("s3cr3t/key ä".as_bytes(), 31);
    assert_eq!(found(&packed), [(1, Form::Raw, true)]);
}
