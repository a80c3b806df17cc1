use super::*;

#[test]
fn one_address_says_where_everything_is() {
    let rows = [
        (
            "https://bitbucket.org",
            "https://api.bitbucket.org/2.0",
            "https://bitbucket.org/site/oauth2/access_token",
        ),
        (
            "http://localhost:7072/",
            "http://localhost:7072/2.0",
            "http://localhost:7072/site/oauth2/access_token",
        ),
        (
            "https://git.example.com/bb",
            "https://git.example.com/bb/2.0",
            "https://git.example.com/bb/site/oauth2/access_token",
        ),
    ];
    for (url, api, tokens) in rows {
        let place = Place::at(&Url::parse(url).unwrap());
        assert_eq!((place.api.as_str(), place.tokens.as_str()), (api, tokens));
    }
}

#[test]
fn hashes_and_ids_have_a_form() {
    for (text, least, good) in [
        ("9f2c1e7", 7, true),
        ("9f2c1e", 7, false),
        ("9F2C1E7", 7, false),
        ("9f2c1e7/", 7, false),
        ("main", 1, false),
        (&"a".repeat(40), 40, true),
        (&"a".repeat(41), 7, false),
    ] {
        assert_eq!(is_hash(text, least), good, "{text}");
    }
    assert!(is_uuid("{7c9e6679-7425-40de-944b-e07fc1f90ae7}"));
    for wrong in [
        "7c9e6679-7425-40de-944b-e07fc1f90ae7",
        "{}",
        "{\" OR permission=\"admin------------------}",
    ] {
        assert!(!is_uuid(wrong), "{wrong}");
    }
}

#[test]
fn only_people_are_people() {
    for (kind, expected) in [
        ("user", AccountKind::Person),
        ("team", AccountKind::Machine),
        ("app_user", AccountKind::Machine),
        ("AppUser", AccountKind::Machine),
        ("", AccountKind::Machine),
    ] {
        let part = AccountPart {
            kind: kind.to_owned(),
            uuid: "{AB}".to_owned(),
            display_name: Some("ann\u{1b}[2J\nby bob".to_owned()),
            nickname: None,
        };
        let account = part.account();
        assert_eq!((account.kind, account.id.as_str()), (expected, "{ab}"), "{kind}");
        assert_eq!(account.name, "ann [2J by bob");
    }
}
