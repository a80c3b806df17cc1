//! Bytes that SHA-1 takes for others.
//!
//! They were published in 2017 (shattered.io), and are the only kind that is: two beginnings of a file. An
//! object of Git begins with its kind and its size, so as objects these two are as different as any others.

use gix_hash::{Kind, hasher};

use super::*;

/// What both begin with.
const COMMON: &str = "\
    255044462d312e330a25e2e3cfd30a0a0a312030206f626a0a3c3c2f57696474\
    682032203020522f4865696768742033203020522f547970652034203020522f\
    537562747970652035203020522f46696c7465722036203020522f436f6c6f72\
    53706163652037203020522f4c656e6774682038203020522f42697473506572\
    436f6d706f6e656e7420383e3e0a73747265616d0affd8fffe00245348412d31\
    20697320646561642121212121852fec092339759c39b1a1c63c4c97e1fffe01";

/// The two blocks by which the first one goes on.
const FIRST: &str = "\
    7f46dc93a6b67e013b029aaa1db2560b45ca67d688c7f84b8c4c791fe02b3df6\
    14f86db1690901c56b45c1530afedfb76038e972722fe7ad728f0e4904e046c2\
    30570fe9d41398abe12ef5bc942be33542a4802d98b5d70f2a332ec37fac3514\
    e74ddc0f2cc1a874cd0c78305a21566461309789606bd0bf3f98cda8044629a1";

/// Those of the other one.
const SECOND: &str = "\
    7346dc9166b67e118f029ab621b2560ff9ca67cca8c7f85ba84c79030c2b3de2\
    18f86db3a90901d5df45c14f26fedfb3dc38e96ac22fe7bd728f0e45bce046d2\
    3c570feb141398bb552ef5a0a82be331fea48037b8b5d71f0e332edf93ac3500\
    eb4ddc0decc1a864790c782c76215660dd309791d06bd0af3f98cda4bc4629b1";

fn bytes(end: &str) -> Vec<u8> {
    let digits = [COMMON, end].concat().into_bytes();
    let digits = digits.chunks(2).map(|two| std::str::from_utf8(two).unwrap());
    digits.map(|two| u8::from_str_radix(two, 16).unwrap()).collect()
}

/// By the hash that gives every object its id.
fn hashed(kind: Kind, bytes: &[u8]) -> Result<gix_hash::ObjectId, GitError> {
    let mut hasher = hasher(kind);
    hasher.update(bytes);
    hasher.try_finalize().map_err(GitError::broken)
}

pub(super) fn both() -> [Vec<u8>; 2] {
    [FIRST, SECOND].map(bytes)
}

#[test]
fn what_collides_has_no_id() {
    let [first, second] = both();
    assert_ne!(first, second);
    for one in [&first, &second] {
        let refused = hashed(Kind::Sha1, one).unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("f92d74e3874587aaf443d1db961d4e26dde13e9c"), "{said}");
        let codes: Vec<_> = refused.diagnostics().iter().map(|it| it.code.to_string()).collect();
        assert_eq!(codes, ["GW6003"]);
        // Neither the beginning nor anything beside it.
        hashed(Kind::Sha1, &one[..192]).unwrap();
        hashed(Kind::Sha1, &[&one[..319], &[!one[319]]].concat()).unwrap();
    }
    assert_ne!(hashed(Kind::Sha256, &first).unwrap(), hashed(Kind::Sha256, &second).unwrap());
}
