use std::sync::LazyLock;

use gw_model::scalar::Period;
use gw_testkit::signer::Signer;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

/// The signers of these tests; every one names its key `k1` unless it says otherwise.
pub(crate) fn es256() -> &'static Signer {
    static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::es256("k1"));
    &SIGNER
}

/// Another key with the same name.
pub(crate) fn es256_other() -> &'static Signer {
    static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::es256("k1"));
    &SIGNER
}

pub(crate) fn rs256() -> &'static Signer {
    static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::rs256("k1"));
    &SIGNER
}

fn eddsa() -> &'static Signer {
    static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::eddsa("k1"));
    &SIGNER
}

/// The public half under another name.
pub(crate) fn named(signer: &Signer, id: &str) -> Json {
    let mut jwk = signer.jwk();
    jwk["kid"] = id.into();
    jwk
}

const NOW: i64 = 1_800_000_000;
const ISSUER: &str = "https://id.example/realm";

fn name(text: &str) -> IdentityName {
    IdentityName::parse(text).unwrap()
}

fn oidc() -> Oidc {
    Oidc {
        issuer: ISSUER.to_owned(),
        audiences: vec!["api://orders".to_owned()],
        subject: "sub".to_owned(),
        algorithms: vec![Algorithm::Es256],
        clock_skew: Period::from_secs(60).unwrap(),
        rename: BTreeMap::new(),
    }
}

fn trusted(identities: &[(&str, Oidc)]) -> TrustedIssuers {
    let all = identities.iter().map(|(text, oidc)| (name(text), Identity::Oidc(oidc.clone())));
    TrustedIssuers::of(&all.collect())
}

fn keys(jwks: &[Json]) -> KeySet {
    KeySet::parse(json!({"keys": jwks}).to_string().as_bytes()).unwrap()
}

fn claims() -> Json {
    json!({"iss": ISSUER, "aud": "api://orders", "sub": "bob", "exp": NOW + 600, "iat": NOW})
}

fn with(member: &str, value: Json) -> Json {
    let mut claims = claims();
    claims[member] = value;
    claims
}

fn without(member: &str) -> Json {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(member);
    claims
}

fn check_at(
    text: &str,
    identities: &[(&str, Oidc)],
    keys: &KeySet,
    now: i64,
) -> Result<Vec<Principal>, TokenRefusal> {
    let token = Unverified::parse(text)?;
    verify(&token, trusted(identities).get(token.issuer())?, keys, now)
}

fn check(text: &str) -> Result<Vec<Principal>, TokenRefusal> {
    check_at(text, &[("staff", oidc())], &keys(&[es256().jwk()]), NOW)
}

fn refused(text: &str) -> &'static str {
    check(text).unwrap_err().reason()
}

fn claims_refused(claims: &Json) -> &'static str {
    refused(&es256().token(claims))
}

fn header_refused(header: &Json) -> &'static str {
    refused(&es256().write(&header.to_string(), &claims().to_string()))
}

#[test]
fn a_good_token_proves_one_principal() {
    let principals = check(&es256().token(&with("groups", json!(["a", "b"])))).unwrap();
    insta::assert_json_snapshot!(principals, @r#"
    [
      {
        "identity": "staff",
        "issuer": "https://id.example/realm",
        "subject": "bob",
        "claims": {
          "aud": [
            "api://orders"
          ],
          "exp": [
            "1800000600"
          ],
          "groups": [
            "a",
            "b"
          ],
          "iat": [
            "1800000000"
          ],
          "iss": [
            "https://id.example/realm"
          ],
          "sub": [
            "bob"
          ]
        },
        "expiresAt": 1800000660
      }
    ]
    "#);
}

#[test]
fn each_kind_of_key_verifies_its_own_tokens_only() {
    let signers = [es256(), rs256(), eddsa()];
    let all =
        Oidc { algorithms: vec![Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa], ..oidc() };
    for signer in signers {
        for keyed in signers {
            let set = keys(&[keyed.jwk()]);
            let held = check_at(&signer.token(&claims()), &[("a", all.clone())], &set, NOW).is_ok();
            assert_eq!(held, std::ptr::eq(signer, keyed), "{signer:?} {keyed:?}");
        }
    }
}

#[test]
fn an_unsigned_token_is_refused_in_every_spelling() {
    for name in ["none", "None", "nOnE", "NONE", "", "HS256", "HS512", "es256", "ES256K", "RSA1_5"]
    {
        assert_eq!(header_refused(&json!({"alg": name, "kid": "k1"})), "token-algorithm-unknown");
    }
    for alg in [json!(null), json!(["ES256"]), json!({"ES256": 1}), json!(1)] {
        assert_eq!(header_refused(&json!({"alg": alg, "kid": "k1"})), "token-algorithm-unknown");
    }
    assert_eq!(header_refused(&json!({"kid": "k1"})), "token-algorithm-unknown");
    let good = es256().token(&claims());
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(refused(&format!("{signed}.")), "token-signature");
    assert_eq!(refused(signed), "token-malformed");
}

#[test]
fn the_algorithm_comes_from_the_declaration() {
    let set = keys(&[named(es256(), "e"), rs256().jwk()]);
    let token = rs256().token(&claims());
    let refusal = check_at(&token, &[("staff", oidc())], &set, NOW).unwrap_err();
    insta::assert_snapshot!(refusal.operator(), @"the token is signed with an algorithm that is not accepted here: it uses RS256, declared are ES256");
    let rs = Oidc { algorithms: vec![Algorithm::Rs256], ..oidc() };
    assert!(check_at(&token, &[("staff", rs)], &set, NOW).is_ok());
}

#[test]
fn a_key_is_chosen_by_exact_name() {
    let long = "k".repeat(257);
    for (id, reason) in [
        (json!("K1"), "token-key-unknown"),
        (json!("k1 "), "token-key-unknown"),
        (json!("k1\u{0}"), "token-key-unknown"),
        (json!("../../dev/null"), "token-key-unknown"),
        (json!("' OR 1=1 --"), "token-key-unknown"),
        (json!("\u{212a}1"), "token-key-unknown"),
        (json!(""), "token-key-id-malformed"),
        (json!(long), "token-key-id-malformed"),
        (json!(1), "token-key-id-malformed"),
        (json!(["k1"]), "token-key-id-malformed"),
        (json!(null), "token-key-id-malformed"),
    ] {
        assert_eq!(header_refused(&json!({"alg": "ES256", "kid": id})), reason, "{id}");
    }
    assert!(check(&es256().write(r#"{"alg":"ES256"}"#, &claims().to_string())).is_ok());
}

#[test]
fn a_key_inside_the_token_is_never_used() {
    let other = es256_other();
    for kid in ["k1", "other"] {
        let header = json!({
            "alg": "ES256", "kid": kid, "jwk": named(other, kid), "x5c": ["MIIB"],
            "jku": "https://attacker.example/keys", "x5u": "https://attacker.example/cert",
        });
        let token = other.write(&header.to_string(), &claims().to_string());
        assert!(["token-signature", "token-key-unknown"].contains(&refused(&token)));
        let mut honest = header.clone();
        honest["kid"] = json!("k1");
        let token = es256().write(&honest.to_string(), &claims().to_string());
        assert!(check(&token).is_ok(), "such members are ignored");
    }
}

#[test]
fn a_member_named_twice_is_refused_in_both_parts() {
    let good = claims().to_string();
    let twice = good.replacen('{', r#"{"sub":"admin","#, 1);
    let signer = es256();
    let header = r#"{"alg":"ES256","kid":"k1"}"#;
    assert_eq!(refused(&signer.write(header, &twice)), "token-duplicate-member");
    for header in [
        r#"{"alg":"ES256","alg":"ES256","kid":"k1"}"#,
        r#"{"alg":"none","kid":"k1","alg":"ES256"}"#,
        r#"{"alg":"ES256","kid":"k1","\u006bid":"k2"}"#,
    ] {
        assert_eq!(refused(&signer.write(header, &good)), "token-duplicate-member", "{header}");
    }
    for claims in ["[]", "1", "null", "\"x\"", "{", "{}x", "\u{feff}{}"] {
        assert_eq!(refused(&signer.write(header, claims)), "token-unreadable", "{claims}");
    }
}

#[test]
fn huge_and_deep_tokens_are_refused_before_work() {
    assert_eq!(refused(&"a".repeat(16 * 1024 + 1)), "token-too-long");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(4000), "]".repeat(4000));
    let wide = format!("{{\"a\":[{}0]}}", "0,".repeat(4000));
    let header = r#"{"alg":"ES256","kid":"k1"}"#;
    for claims in [deep, wide] {
        assert_eq!(refused(&es256().write(header, &claims)), "token-unreadable");
    }
}

#[test]
fn what_is_not_a_compact_signed_token_is_refused() {
    for (text, reason) in [
        ("", "token-malformed"),
        (".", "token-malformed"),
        ("..", "token-unreadable"),
        ("...", "token-malformed"),
        ("a.b.c.d.e", "token-encrypted"),
        ("....", "token-encrypted"),
        ("eyJhbGciOiJFUzI1NiJ9=.e30.AA", "token-malformed"),
        ("eyJhbGciOiJFUzI1NiJ9.e31.AA", "token-malformed"),
        ("eyJhbGciOiJFUzI1NiJ9.e30.A/", "token-malformed"),
        (" eyJhbGciOiJFUzI1NiJ9.e30.AA", "token-malformed"),
        ("{\"payload\":\"e30\"}", "token-malformed"),
    ] {
        assert_eq!(refused(text), reason, "{text}");
    }
}

#[test]
fn dates_are_whole_seconds_with_the_declared_skew() {
    let at = |member: &str, value: Json| check(&es256().token(&with(member, value)));
    let hold = [("exp", NOW - 59), ("nbf", NOW + 60), ("iat", NOW + 60), ("nbf", 0)];
    for (member, date) in hold {
        assert!(at(member, json!(date)).is_ok(), "{member} {date}");
    }
    for (member, date, reason) in [
        ("exp", NOW - 60, "token-expired"),
        ("exp", 0, "token-expired"),
        ("nbf", NOW + 61, "token-not-yet-valid"),
        ("iat", NOW + 61, "token-issued-in-future"),
    ] {
        assert_eq!(at(member, json!(date)).unwrap_err().reason(), reason, "{member} {date}");
    }
    assert_eq!(claims_refused(&without("exp")), "token-expiry-missing");
    assert!(check(&es256().token(&without("iat"))).is_ok());
    let header = r#"{"alg":"ES256","kid":"k1"}"#;
    for member in ["exp", "nbf", "iat"] {
        for date in [
            "1.5e9",
            "1800000600.5",
            "-1",
            "9223372036854775808",
            "18446744073709551616",
            "253402300800",
            "\"1800000600\"",
            "null",
            "true",
            "[1800000600]",
            "{}",
        ] {
            let claims = without(member).to_string();
            let claims = claims.replacen('{', &format!("{{\"{member}\":{date},"), 1);
            let token = es256().write(header, &claims);
            assert_eq!(refused(&token), "token-date-malformed", "{member} {date}");
        }
    }
}

#[test]
fn the_audience_is_an_exact_member() {
    for audience in [
        json!("api://orders/"),
        json!("api://order"),
        json!("API://orders"),
        json!("x api://orders"),
        json!(["api://orders/", "api://payments"]),
        json!([]),
        json!(["api://orders", 7]),
        json!({"api://orders": 1}),
        json!(null),
    ] {
        assert_eq!(claims_refused(&with("aud", audience.clone())), "token-audience", "{audience}");
    }
    assert_eq!(claims_refused(&without("aud")), "token-audience");
    assert!(check(&es256().token(&with("aud", json!(["x", "api://orders"])))).is_ok());
}

#[test]
fn the_issuer_is_exact_and_binds_the_keys() {
    for issuer in [
        "https://id.example/realm/",
        "https://ID.example/realm",
        "https://id.example:443/realm",
        "http://id.example/realm",
        "https://id.ex\u{430}mple/realm",
        "https://id.example/realm\u{0}",
        "",
    ] {
        assert_eq!(claims_refused(&with("iss", json!(issuer))), "token-issuer-unknown", "{issuer}");
    }
    assert_eq!(claims_refused(&without("iss")), "token-issuer-missing");
    assert_eq!(claims_refused(&with("iss", json!([ISSUER]))), "token-issuer-missing");
    // The keys of one issuer never verify a token of another, though both name a key `k1`.
    let other = Oidc { issuer: "https://other.example".to_owned(), ..oidc() };
    let token = es256().token(&with("iss", json!("https://other.example")));
    let set = keys(&[es256_other().jwk()]);
    let refusal = check_at(&token, &[("a", oidc()), ("b", other.clone())], &set, NOW).unwrap_err();
    assert_eq!(refusal, TokenRefusal::Signature);
    let token = Unverified::parse(&token).unwrap();
    let issuers = trusted(&[("a", oidc()), ("b", other)]);
    let set = keys(&[es256().jwk()]);
    let wrong = verify(&token, issuers.get(ISSUER).unwrap(), &set, NOW);
    assert_eq!(wrong, Err(TokenRefusal::UnknownIssuer));
}

#[test]
fn a_token_for_another_purpose_is_refused() {
    for kind in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", "application/jwt"] {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": kind}).to_string();
        assert!(check(&es256().write(&header, &claims().to_string())).is_ok(), "{kind}");
    }
    for kind in [
        json!("dpop+jwt"),
        json!("logout+jwt"),
        json!("id+jwt"),
        json!("secevent+jwt"),
        json!("JOSE"),
        json!("JWE"),
        json!("at+jwt "),
        json!(""),
        json!(null),
        json!(1),
    ] {
        let header = json!({"alg": "ES256", "kid": "k1", "typ": kind});
        assert_eq!(header_refused(&header), "token-type", "{kind}");
    }
    for (member, value, reason) in [
        ("nonce", json!("n"), "token-purpose"),
        ("at_hash", json!("h"), "token-purpose"),
        ("c_hash", json!("h"), "token-purpose"),
        ("s_hash", json!("h"), "token-purpose"),
        ("typ", json!("ID"), "token-purpose"),
        ("typ", json!("Refresh"), "token-purpose"),
        ("typ", json!("Offline"), "token-purpose"),
        ("typ", json!("Logout"), "token-purpose"),
        ("events", json!({}), "token-purpose"),
        ("cnf", json!({"jkt": "x"}), "token-bound"),
    ] {
        assert_eq!(claims_refused(&with(member, value)), reason, "{member}");
    }
    assert!(check(&es256().token(&with("typ", json!("Bearer")))).is_ok());
    let typed = json!({"alg": "ES256", "kid": "k1", "typ": "at+jwt"}).to_string();
    let claims = with("nonce", json!("n")).to_string();
    assert!(check(&es256().write(&typed, &claims)).is_ok(), "the type says what it is");
}

#[test]
fn the_subject_is_the_declared_claim() {
    for subject in [json!(""), json!(7), json!(["bob"]), json!(null), json!({"id": "bob"})] {
        assert_eq!(claims_refused(&with("sub", subject)), "token-subject-missing");
    }
    let oid = Oidc {
        subject: "id".to_owned(),
        rename: BTreeMap::from([("id".to_owned(), "user.oid".to_owned())]),
        ..oidc()
    };
    let set = keys(&[es256().jwk()]);
    let token = es256().token(&with("user", json!({"oid": "o-1"})));
    let principals = check_at(&token, &[("staff", oid)], &set, NOW).unwrap();
    assert_eq!(principals[0].subject, "o-1");
}

#[test]
fn one_token_may_prove_several_identities_of_one_issuer() {
    let audience = |audience: &str| Oidc { audiences: vec![audience.to_owned()], ..oidc() };
    let strict = Oidc { clock_skew: Period::from_secs(1).unwrap(), ..audience("api://b") };
    let late = Oidc { subject: "missing".to_owned(), ..audience("api://b") };
    let identities = [
        ("a", audience("api://a")),
        ("b", audience("api://b")),
        ("late", late),
        ("strict", strict),
    ];
    let set = keys(&[es256().jwk()]);
    let proved = |claims: &Json| {
        let token = es256().token(claims);
        check_at(&token, &identities, &set, NOW).map(|principals| {
            principals.iter().map(|one| one.identity.to_string()).collect::<Vec<_>>().join(" ")
        })
    };
    let both = json!(["api://a", "api://b"]);
    assert_eq!(proved(&with("aud", both)).unwrap(), "a b strict");
    assert_eq!(proved(&with("aud", json!("api://b"))).unwrap(), "b strict");
    let mut old = with("aud", json!("api://b"));
    old["exp"] = json!(NOW - 30);
    assert_eq!(proved(&old).unwrap(), "b");
    // Nothing holds: the nearest identity says why.
    old["exp"] = json!(NOW - 600);
    assert_eq!(proved(&old).unwrap_err().reason(), "token-expired");
    assert_eq!(proved(&with("aud", json!("api://c"))).unwrap_err().reason(), "token-audience");
}

#[test]
fn refusals_are_told_in_words() {
    let token = |claims: &Json| check(&es256().token(claims)).unwrap_err();
    let told = [
        token(&with("exp", json!(NOW - 200))),
        token(&with("exp", json!(NOW - 90_000))),
        token(&with("nbf", json!(NOW + 90))),
        token(&with("aud", json!("secret-looking-audience"))),
        token(&without("sub")),
        check("x").unwrap_err(),
    ];
    let told = told.iter().map(TokenRefusal::operator).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!(told, @r"
    the token expired 3 min ago
    the token expired 25 h ago
    the token becomes valid in 90 s
    the token is not meant for this API: `aud` must hold one of `api://orders`
    the token does not say who its bearer is: `subject: sub` must name a claim that is a text
    the token is not a signed JWT in compact form
    ");
}

proptest! {
    #[test]
    fn any_one_bit_change_of_a_good_token_is_refused(place in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let mut bytes = es256().token(&claims()).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= 1 << bit;
        if let Ok(text) = String::from_utf8(bytes) {
            prop_assert!(check(&text).is_err());
        }
    }

    #[test]
    fn never_panics_on_any_text(text in any::<String>()) {
        prop_assert!(check(&text).is_err());
    }

    #[test]
    fn never_panics_on_any_parts(header in any::<String>(), claims in any::<String>()) {
        prop_assert!(check(&es256().write(&header, &claims)).is_err());
    }

    /// Whatever the dates are, a token holds exactly inside its time.
    #[test]
    fn a_token_holds_exactly_inside_its_time(exp in 0..4_000_i64, nbf in 0..4_000_i64, iat in 0..4_000_i64) {
        let now = 2_000;
        let token = es256().token(&json!({
            "iss": ISSUER, "aud": "api://orders", "sub": "bob", "exp": exp, "nbf": nbf, "iat": iat,
        }));
        let set = keys(&[es256().jwk()]);
        let result = check_at(&token, &[("staff", oidc())], &set, now);
        let expected = exp + 60 > now && nbf - 60 <= now && iat - 60 <= now;
        prop_assert_eq!(result.is_ok(), expected);
        if let Ok(principals) = result {
            prop_assert_eq!(principals[0].expires_at, Some(exp + 60));
        }
    }
}
