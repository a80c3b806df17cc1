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
fn framing_headers_are_known_in_every_spelling() {
    for name in ["Host", "content-length", "TE", "Transfer-Encoding", "content_Length"] {
        assert!(is_framing(name), "{name}");
        assert!(is_reserved(name), "{name}");
    }
    assert!(!is_reserved("tea"));
}

#[test]
fn the_assertion_is_the_gateways_own_word() {
    assert!(!is_reserved_for_assertion("Gatewright-Assertion"));
    assert!(!is_reserved_for_assertion("X-Caller"));
    for name in ["Content-Length", "Host", "X-Forwarded-For", "x_real_ip"] {
        assert!(is_reserved_for_assertion(name), "{name}");
    }
}
