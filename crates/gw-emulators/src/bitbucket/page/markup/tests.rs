use insta::assert_snapshot;

use super::rendered;

#[test]
fn a_comment_is_shown_as_it_is_meant() {
    let comment = "**Gatewright** · plan for `9f2c1e7` · waits\n\n| a | b |\n|---|---|\n| x \\| y | **no** |\n\n\
                   [Plan](https://gatewright.test/p/1) · see `a*b`\nlast\n\n_Updated now._";
    assert_snapshot!(rendered(comment), @r#"<p><strong>Gatewright</strong> · plan for <code>9f2c1e7</code> · waits</p><table><tr><th>a<th>b</tr><tr><td>x | y<td><strong>no</strong></tr></table><p><a href="https://gatewright.test/p/1" rel="noopener noreferrer">Plan</a> · see <code>a*b</code><br>last</p><p><small>Updated now.</small></p>"#);
}

#[test]
fn what_is_meant_as_nothing_stays_text() {
    for (text, shown) in [
        ("<b>&\"", "<p>&lt;b&gt;&amp;&quot;</p>"),
        ("[x](javascript:alert(1))", "<p>x)</p>"),
        (
            "[x](https://a\"><script>)",
            "<p><a href=\"https://a&quot;&gt;&lt;script&gt;\" rel=\"noopener noreferrer\">x</a></p>",
        ),
        ("[open", "<p>[open</p>"),
        ("**open", "<p>**open</p>"),
        ("`open <i>", "<p>`open &lt;i&gt;</p>"),
        (
            "[<b>](http://x) [y",
            "<p><a href=\"http://x\" rel=\"noopener noreferrer\">&lt;b&gt;</a> [y</p>",
        ),
        ("", ""),
    ] {
        assert_eq!(rendered(text), shown, "{text}");
    }
}
