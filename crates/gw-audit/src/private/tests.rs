use super::*;

#[test]
fn the_hash_tells_nothing_without_its_salt_and_everything_with_it() {
    let erik = Opened::new("erik@acme.com", [1; SALT_LEN]);
    let again = Opened::new("erik@acme.com", [2; SALT_LEN]);
    assert_ne!(erik.hash, again.hash, "equal texts do not show");
    assert!(erik.holds());
    assert!(!Opened { text: "mira@acme.com".to_owned(), ..erik.clone() }.holds());
    assert!(!Opened { salt: again.salt, ..erik.clone() }.holds());
    assert!(!format!("{erik:?} {}", erik.hash).contains("acme"));
}

#[test]
fn a_salt_and_a_text_are_never_taken_for_one_another() {
    let one = Opened::new("bc", [0; SALT_LEN]);
    let shifted = Opened { salt: format!("{}b", one.salt), text: "c".to_owned(), ..one.clone() };
    assert!(!shifted.holds());
}
