use super::*;

fn refused(text: &str) -> String {
    let (line, message) = parse(text).unwrap_err();
    format!("{line}: {message}")
}

#[test]
fn what_is_not_a_setting_is_refused_with_its_line() {
    insta::assert_snapshot!(
        refused("[gateway]\nadmin = \"127.0.0.1:9000\"\ntrusted = []\n"),
        @"3: unknown field `trusted`, expected one of `admin`, `publicUrl`, `threads`, `trustedProxies`, `upstreamAuthorities`"
    );
    insta::assert_snapshot!(refused("[tls]\ncertificate = \"a.pem\"\n"), @"1: missing field `key`");
    insta::assert_snapshot!(
        refused("[gateway]\nadmin = \"nowhere\"\n"),
        @"2: invalid socket address syntax"
    );
}

#[test]
fn an_empty_file_says_nothing() {
    assert!(parse("").unwrap().tls.is_none());
}
