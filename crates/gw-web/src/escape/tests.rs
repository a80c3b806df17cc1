use super::html;

#[test]
fn text_stays_text() {
    let rows = [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\" onload='x'", "&quot; onload=&#39;x&#39;"),
        ("&lt;", "&amp;lt;"),
        ("a\u{202e}b\u{7}c\nd", "a\u{fffd}b\u{fffd}c\nd"),
        ("größe 漢字", "größe 漢字"),
    ];
    for (text, escaped) in rows {
        assert_eq!(html(text), escaped);
    }
}
