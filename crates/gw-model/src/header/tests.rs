use super::*;

#[test]
fn identity_headers_are_known_in_every_spelling() {
    for name in ["Gatewright-Assertion", "gatewright_assertion", "X_FORWARDED-For", "Forwarded"] {
        assert!(is_identity(name), "{name}");
        assert!(is_reserved(name), "{name}");
    }
    for name in ["Gatewright.Probe", "Gatewright~Assertion", "X.Forwarded.For", "X-Forwarded'For"] {
        assert!(is_identity(name), "{name}");
    }
    for name in ["x-forward", "gatewright", "x-request-id", "cookie", "x-client-version", "remote"]
    {
        assert!(!is_identity(name), "{name}");
    }
}

#[test]
fn every_listed_name_is_found() {
    // They are searched by halves.
    assert!(IDENTITY.is_sorted());
    for name in IDENTITY {
        assert!(is_identity(name), "{name}");
        assert!(is_identity(&name.to_ascii_uppercase().replace('-', ".")), "{name}");
        assert!(!is_identity(&format!("z{name}")), "{name}");
    }
    for prefix in IDENTITY_PREFIXES {
        assert!(is_identity(&format!("{prefix}any")), "{prefix}");
    }
}

#[test]
fn what_is_meant_for_a_proxy_is_known_in_every_spelling() {
    for name in ["Proxy", "proxy-authorization", "Proxy-Authenticate", "PROXY.Connection"] {
        assert!(is_proxy(name), "{name}");
        assert!(is_reserved(name), "{name}");
    }
    for name in ["proxied", "x-proxy", "proxyx"] {
        assert!(!is_proxy(name), "{name}");
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
