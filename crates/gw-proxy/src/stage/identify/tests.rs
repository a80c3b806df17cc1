use super::*;

fn held(halves: &Halves<()>) -> (usize, usize) {
    let tokens = || halves.young.values().chain(halves.old.values());
    (tokens().count(), tokens().map(|(token, ())| token.len()).sum())
}

#[test]
fn remembered_tokens_are_bounded_by_number_and_by_bytes() {
    for (length, count) in [(8, 3 * HALF), (32 * 1024, 500)] {
        let mut halves = Halves::default();
        for number in 0..count {
            halves.keep(format!("{number:0length$}").into(), ());
            let (tokens, bytes) = (halves.young.len(), halves.young_bytes);
            assert!(tokens <= HALF && bytes <= HALF_BYTES, "{tokens} tokens of {bytes} bytes");
        }
        let (tokens, bytes) = held(&halves);
        assert!(tokens > 0 && tokens <= 2 * HALF && bytes <= 2 * HALF_BYTES);
    }
    // The same token again is not more.
    let mut halves = Halves::default();
    for _ in 0..3 * HALF {
        halves.keep("one".into(), ());
    }
    assert_eq!((held(&halves), halves.young_bytes), ((1, 3), 3));
}

#[test]
fn a_token_is_found_only_by_all_of_it() {
    let mut halves = Halves::default();
    let (one, other) =
        (format!("head.one.{}", "s".repeat(64)), format!("head.two.{}", "s".repeat(64)));
    halves.keep(one.as_str().into(), 1);
    assert_eq!(halves.find(&one), Some(&1));
    assert_eq!(halves.find(&other), None, "another token with the same end");
    halves.keep(other.as_str().into(), 2);
    assert_eq!(halves.find(&one), None);
    assert_eq!(halves.find(&other), Some(&2));
    assert_eq!(halves.young_bytes, other.len());
}
