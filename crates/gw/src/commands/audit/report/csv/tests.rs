use super::*;

#[test]
fn no_cell_is_a_formula_and_none_ends_before_its_text() {
    for (text, expected) in [
        ("", ""),
        ("verified", "verified"),
        ("12", "12"),
        ("=1+1", "'=1+1"),
        ("+49 30", "\"'+49 30\""),
        ("-2", "'-2"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =HYPERLINK(\"http://x\",\"y\")", "\"'  =HYPERLINK(\"\"http://x\"\",\"\"y\"\")\""),
        ("＝1", "'＝1"),
        ("|calc", "'|calc"),
        ("a,b", "\"a,b\""),
        ("say \"no\"", "\"say \"\"no\"\"\""),
    ] {
        let cell = cell(text);
        let expected = if expected.contains('\'') && !expected.starts_with('"') {
            format!("\"{expected}\"")
        } else {
            expected.to_owned()
        };
        assert_eq!(cell, expected, "{text:?}");
    }
    for control in ["a\nb", "a\r\n=1", "\t=1", "\u{1b}[31m", "\u{202e}x", "\0"] {
        let cell = cell(control);
        assert!(!cell.chars().any(char::is_control) && !cell.contains('\u{202e}'), "{cell:?}");
        assert!(!cell.trim_matches('"').starts_with('='), "{cell:?}");
    }
}
