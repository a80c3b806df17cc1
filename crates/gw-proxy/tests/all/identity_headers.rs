//! What says who calls is said by the gateway alone.

use gw_model::{
    api::{Assertion, UpstreamAuth},
    id::SecretName,
};
use gw_testkit::attack::{Attack, Request, attack};
use serde_json::{Value, json};

use crate::bench::{Bench, Running, named};

/// Spellings that are one name to HTTP, and names by which products say what only the gateway may.
const REPLACED: [&str; 60] = [
    "gatewright-assertion",
    "GATEWRIGHT-ASSERTION",
    "Gatewright-Assertion",
    "gatewright-other",
    "Gatewright.Assertion",
    "Gatewright~Probe",
    "x-forwarded-for",
    "X-Forwarded-User",
    "X-Forwarded",
    "X.Forwarded.For",
    "X-Forwarded'For",
    "forwarded",
    "Forwarded-For",
    "X-Real-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "CF-Connecting-IPv6",
    "Fastly-Client-IP",
    "X-Azure-ClientIP",
    "X-Envoy-External-Address",
    "X-Original-Forwarded-For",
    "X-ProxyUser-Ip",
    "X-Originating-IP",
    "X-Remote-IP",
    "X-Remote-Addr",
    "X-Appengine-User-Ip",
    "client-cert",
    "X-Client-Cert",
    "X-ARR-ClientCert",
    "X-SSL-Client-Verify",
    "X-SSL-Cert",
    "SSL-Client-Cert",
    "ssl-client-subject-dn",
    "ssl-client-verify",
    "X-Client-DN",
    "X-Amzn-Mtls-Clientcert",
    "X-HTTP-Method-Override",
    "X-Method-Override",
    "X-HTTP-Method",
    "X-Original-URL",
    "X-Rewrite-URL",
    "X-Original-Host",
    "X-Original-URI",
    "X-Original-Method",
    "X-Host",
    "X-HTTP-Host-Override",
    "X-Scheme",
    "Front-End-Https",
    "X-MS-Client-Principal",
    "X-Amzn-Oidc-Identity",
    "X-Auth-Request-User",
    "X-Goog-Authenticated-User-Email",
    "Cf-Access-Jwt-Assertion",
    "Tailscale-User-Login",
    "Remote-User",
    "Proxy",
    "Proxy-Authorization",
    "Proxy-Connection",
];

fn asserted(bench: &Bench) -> Running<'_> {
    let mut orders = bench.orders();
    orders.spec.upstream.assertion = Some(Assertion {
        audience: "orders-backend".to_owned(),
        header: "Gatewright-Assertion".to_owned(),
    });
    bench.publish(1, &bench.parts([named("orders", orders)]));
    bench.start()
}

/// Shows H5: holds
#[test]
fn every_spelling_of_an_identity_header_is_refused_or_replaced() {
    let bench = Bench::new();
    let gateway = asserted(&bench);
    let token = format!("Bearer {}", bench.token("bob", &json!({})));
    let good = Request::with_headers("/orders", &[("authorization", &token)]);
    let over = gateway.under_attack(good);
    let spelled = [
        "Gatewright_Assertion",
        "gatewright_assertion",
        "GATEWRIGHT_ASSERTION",
        "Gatewright-Assertion_",
        "X_Forwarded_For",
        "x-forwarded_for",
        "_Forwarded",
    ];
    for name in spelled {
        let headers = [("authorization", token.as_str()), (name, "forged-identity-canary")];
        let request = Request::with_headers("/orders", &headers).secret("forged-identity-canary");
        attack(&over, &Attack { name, request, status: 400, reason: "request_refused" });
    }
    for listed in ["Gatewright-Assertion", "authorization", "X-Forwarded-For, close", "Host"] {
        let headers = [("authorization", token.as_str()), ("connection", listed)];
        let request = Request::with_headers("/orders", &headers);
        attack(&over, &Attack { name: listed, request, status: 400, reason: "request_refused" });
    }
    // The forged value is gone, ours stands alone.
    for name in REPLACED {
        bench.backend.clear();
        let headers = [("authorization", token.as_str()), (name, "forged"), (name, "twice")];
        assert_eq!(gateway.call("GET", "/orders", &headers).status, 200);
        let received = &bench.backend.requests()[0];
        assert!(!received.head.contains("forged") && !received.head.contains("twice"), "{name}");
        let ours = received.headers.iter().filter(|(name, _)| name == "gatewright-assertion");
        assert_eq!(ours.count(), 1, "{name}");
    }
}

#[test]
fn a_backend_learns_who_called_and_can_check_it() {
    let bench = Bench::new();
    let gateway = asserted(&bench);
    let token = bench.token("bob", &json!({ "groups": ["sales"], "iss2": "x" }));
    let reply = gateway.as_bearer("GET", "/orders", &token);
    assert_eq!(reply.status, 200);
    let received = bench.backend.requests().remove(0);
    assert_eq!(received.header("authorization"), None);
    assert_eq!(received.header("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(received.header("x-forwarded-proto"), Some("http"));
    let assertion = received.header("gatewright-assertion").expect("one");

    let keys = gateway.call("GET", "/.well-known/gatewright/jwks.json", &[]);
    assert_eq!(keys.header("cache-control"), Some("public, max-age=300"));
    let claims = verified(assertion, &keys.json());
    assert_eq!(claims["iss"], format!("http://{}", gateway.gateway.address()));
    assert_eq!(claims["aud"], "orders-backend");
    assert_eq!(claims["sub"], "bob");
    assert_eq!(claims["identity"], "staff");
    assert_eq!(claims["issuer"], bench.issuer.url());
    assert_eq!(claims["groups"], json!(["sales"]));
    assert_eq!(claims["decision"].as_str(), reply.header("gatewright-decision"));
    assert_eq!(claims["exp"].as_i64().zip(claims["iat"].as_i64()).map(|(e, i)| e - i), Some(60));
}

#[test]
fn the_callers_own_token_goes_on_only_where_that_is_declared() {
    let bench = Bench::new();
    let mut orders = bench.orders();
    orders.spec.upstream.pass_authorization = true;
    bench.publish(1, &bench.parts([named("orders", orders.clone())]));
    let gateway = bench.start();
    let token = bench.token("bob", &json!({}));
    gateway.as_bearer("GET", "/orders", &token);
    let sent = bench.backend.requests()[0].header("authorization").map(str::to_owned);
    assert_eq!(sent, Some(format!("Bearer {token}")));
    // A credential of the gateway's own takes its place.
    let secret = SecretName::parse("orders-key").expect("a name");
    bench.vault.set("orders-key", "hunter2");
    orders.spec.upstream.auth = Some(UpstreamAuth::Basic { username: "gw".to_owned(), secret });
    bench.publish(2, &bench.parts([named("orders", orders)]));
    gateway.await_generation(2);
    gateway.as_bearer("GET", "/orders", &token);
    let sent = bench.backend.requests()[1].header("authorization").map(str::to_owned);
    assert_eq!(sent.as_deref(), Some("Basic Z3c6aHVudGVyMg=="));
}

#[test]
fn a_token_that_proved_nothing_goes_on_to_no_backend() {
    let bench = Bench::new();
    let mut open = bench.open();
    open.spec.upstream.pass_authorization = true;
    bench.publish(1, &bench.parts([named("open", open)]));
    let gateway = bench.start();
    let claims = bench.issuer.claims("api://orders", "root", 0).to_string();
    let unsigned = bench.signer.write(&json!({"alg": "none", "kid": "k1"}).to_string(), &claims);
    let foreign = bench.token("root", &json!({ "aud": "api://other" }));
    for refused in
        [format!("Bearer {unsigned}"), format!("Bearer {foreign}"), "Basic cm9vdDo=".into()]
    {
        bench.backend.clear();
        let headers = [("authorization", refused.as_str())];
        assert_eq!(gateway.call("GET", "/open", &headers).status, 200);
        assert_eq!(bench.backend.requests()[0].header("authorization"), None, "{refused}");
    }
    bench.backend.clear();
    let token = bench.token("bob", &json!({}));
    gateway.as_bearer("GET", "/open", &token);
    let sent = bench.backend.requests()[0].header("authorization").map(str::to_owned);
    assert_eq!(sent, Some(format!("Bearer {token}")));
}

/// Checks an assertion the way a backend does, with nothing of the gateway's own.
fn verified(assertion: &str, keys: &Value) -> Value {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    let key = &keys["keys"][0];
    let part = |name: &str| BASE64.decode(key[name].as_str().expect("a text")).expect("base64");
    let point = [vec![4], part("x"), part("y")].concat();
    let (signed, signature) = assertion.rsplit_once('.').expect("three parts");
    let signature = BASE64.decode(signature).expect("base64");
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(signed.as_bytes(), &signature)
        .expect("the signature holds");
    let (header, claims) = signed.split_once('.').expect("three parts");
    let header: Value =
        serde_json::from_slice(&BASE64.decode(header).expect("base64")).expect("JSON");
    assert_eq!((&header["alg"], &header["kid"]), (&json!("ES256"), &key["kid"]));
    serde_json::from_slice(&BASE64.decode(claims).expect("base64")).expect("JSON")
}
