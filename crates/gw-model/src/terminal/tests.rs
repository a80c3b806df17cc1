use proptest::prelude::*;

use super::*;

const HOSTILE: &str = "bob\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\u{e0041}\r\nDENIED";

#[test]
fn what_is_hidden_is_written_out() {
    assert_eq!(
        Visible(HOSTILE).to_string(),
        r"bob\u{1b}[31m\u{9b}2J\u{202e}\u{2028}\u{e0041}\u{d}\u{a}DENIED"
    );
    assert_eq!(Visible("Ørjan 東京 ✔ →").to_string(), "Ørjan 東京 ✔ →");
}

#[test]
fn a_line_is_one_line() {
    let mut text = String::new();
    line(&mut text, format_args!("  who  {HOSTILE:<40}|")).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.ends_with("|\n"), "{text}");
}

proptest! {
    #[test]
    fn a_document_means_the_same_and_hides_nothing(text in ".*", hostile in any::<bool>()) {
        let text = if hostile { format!("{text}{HOSTILE}") } else { text };
        let shown = json(serde_json::to_string(&text).unwrap());
        prop_assert!(!shown.chars().any(is_hidden), "{shown:?}");
        prop_assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), text);
    }
}
