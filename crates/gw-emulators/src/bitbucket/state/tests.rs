use super::*;

#[test]
fn a_star_stands_for_any_text_and_nothing_else_stands_for_anything() {
    let rows = [
        ("*", "", true),
        ("*", "feature/x", true),
        ("main", "main", true),
        ("main", "mainly", false),
        ("ma*", "main", true),
        ("ma*", "domain", false),
        ("*in", "main", true),
        ("*in", "inner", false),
        ("a*a", "a", false),
        ("a*a", "aa", true),
        ("a*b*b", "ab", false),
        ("a*b*b", "axbxb", true),
        ("*a*", "bab", true),
        ("x**y", "xy", true),
        ("release/*", "release/1/2", true),
        ("ma?n", "main", false),
        ("[m]ain", "main", false),
    ];
    for (pattern, text, expected) in rows {
        assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn names_look_like_what_they_name_and_do_not_repeat() {
    let mut names = Names::draw().expect("randomness");
    let (one, other) = (names.uuid(), names.uuid());
    assert_ne!(one, other);
    let groups: Vec<usize> = one.bare().split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12]);
    assert_eq!(one.as_str(), format!("{{{}}}", one.bare()));
    assert!(names.token("ATATT").len() > 64);
    let mut others = Names::draw().expect("randomness");
    assert_ne!(others.uuid(), one, "another process gives other names");
}
