use super::*;

#[test]
fn identity_headers_are_known_in_every_spelling() {
    for name in ["Gatewright-Assertion", "gatewright_assertion", "X_FORWARDED-For", "Forwarded"] {
        assert!(is_identity(name), "{name}");
        assert!(is_reserved(name), "{name}");
    }
    for name in ["x-forward", "gatewright", "x-request-id", "cookie"] {
        assert!(!is_identity(name), "{name}");
    }
}

#[test]
fn framing_headers_are_known_in_either_case() {
    for name in ["Host", "content-length", "TE", "Transfer-Encoding"] {
        assert!(is_framing(name), "{name}");
        assert!(is_reserved(name), "{name}");
    }
    assert!(!is_reserved("tea"));
}
