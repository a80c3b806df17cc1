use super::*;

#[test]
fn an_address_is_one_that_nobody_reads_otherwise() {
    for good in [
        "https://bitbucket.org/acme/gateway.git",
        "ssh://git@bitbucket.org/acme/gateway.git",
        "ssh://git@git.acme.example:7999/gw/gateway.git",
        "http://127.0.0.1:7990/acme/gateway.git",
        "http://localhost:7990/acme/gateway.git",
    ] {
        assert!(Address::parse(good).is_ok(), "{good}");
    }
    for (bad, why) in [
        ("gateway", AddressError::NotAUrl),
        ("git@bitbucket.org:acme/gateway.git", AddressError::NotAUrl),
        ("http://bitbucket.org/acme/gateway.git", AddressError::Scheme),
        ("http://127.0.0.1.nip.io/acme/gateway.git", AddressError::Scheme),
        ("file:///srv/gateway.git", AddressError::Scheme),
        ("ext::sh", AddressError::Scheme),
        ("git://bitbucket.org/acme/gateway.git", AddressError::Scheme),
        ("https://x-token-auth:secret@bitbucket.org/acme/gateway.git", AddressError::Credential),
        ("https://someone@bitbucket.org/acme/gateway.git", AddressError::Credential),
        ("ssh://-oProxyCommand=x@bitbucket.org/acme/gateway.git", AddressError::Credential),
        ("ssh://git@-oProxyCommand=x/acme/gateway.git", AddressError::Host),
        ("ssh://git@bitbucket.org/--upload-pack=x", AddressError::Path),
        ("ssh://git@bitbucket.org/acme/';x;'", AddressError::Path),
        ("ssh://git@bitbucket.org/acme/$(x)", AddressError::Path),
        ("ssh://git@bitbucket.org/", AddressError::Path),
        ("https://bitbucket.org/acme/gateway.git?x=y", AddressError::Path),
        ("https://bitbucket.org/acme//gateway.git", AddressError::Path),
    ] {
        assert_eq!(Address::parse(bad).err(), Some(why), "{bad}");
    }
}

#[test]
fn a_credential_fits_the_way() {
    let https = Address::parse("https://bitbucket.org/acme/gateway.git").unwrap();
    let ssh = Address::parse("ssh://git@bitbucket.org/acme/gateway.git").unwrap();
    let token =
        Credential::Token { user: "x".to_owned(), token: Redacted::new("secret".to_owned()) };
    let key = |private_key: &str| Credential::Key {
        private_key: private_key.into(),
        known_hosts: "/etc/gatewright/known_hosts".into(),
    };
    assert_eq!(https.admits(&token), Ok(()));
    assert_eq!(https.admits(&Credential::None), Ok(()));
    assert_eq!(ssh.admits(&token), Err(AddressError::OtherCredential));
    assert_eq!(https.admits(&key("/etc/key")), Err(AddressError::OtherCredential));
    assert_eq!(ssh.admits(&key("/etc/key")), Ok(()));
    for path in ["key", "/etc/%h", "/etc/a key", "/etc/\"key", "/etc/${HOME}/key"] {
        let refused = ssh.admits(&key(path)).unwrap_err();
        assert_eq!(refused, AddressError::KeyPath { path: path.into() }, "{path}");
    }
    assert!(!format!("{token:?}").contains("secret"));
}
