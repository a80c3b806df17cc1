use super::*;

#[test]
fn a_range_includes_and_excludes() {
    for (range, version, out) in [
        ("*", "0.1.0", false),
        (">=0.1", "0.1.0", false),
        (">=0.1, <2", "1.9.3", false),
        (">=0.1, <2", "2.0.0", true),
        ("^1.4", "1.3.9", true),
        ("1.4.*", "1.4.7", false),
        (">=9.0", "0.1.0", true),
    ] {
        assert_eq!(excludes(range, version), out, "{range} {version}");
    }
}

#[test]
fn the_version_of_the_tool_is_one() {
    assert!(!excludes("*", TOOL));
}

#[test]
fn what_is_no_range_is_known() {
    for text in ["banana", "", ">=", "1 || 2", ">= 1.2.3.4", "latest"] {
        assert!(is_range(text).is_err(), "{text}");
    }
}
