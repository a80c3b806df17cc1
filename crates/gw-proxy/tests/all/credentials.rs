//! What the gateway proves itself with towards a backend.

use gw_model::{api::UpstreamAuth, id::SecretName};
use gw_policy::generation::Part;
use gw_testkit::{authority::Authority, secured::Secured};

use crate::bench::{Bench, Running, named, wait_until};

fn secret(name: &str) -> SecretName {
    SecretName::parse(name).expect("a name")
}

fn open(bench: &Bench, url: Option<String>, auth: UpstreamAuth) -> Vec<Part> {
    let mut open = bench.open();
    open.spec.upstream.auth = Some(auth);
    open.spec.upstream.url = url.unwrap_or(open.spec.upstream.url);
    bench.parts([named("open", open)])
}

fn status(gateway: &Running<'_>) -> u16 {
    gateway.call("GET", "/open", &[]).status
}

fn last_detail(gateway: &Running<'_>) -> String {
    let (_, record) = gateway.ask("/v1/decisions/last");
    record["detail"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_backend_that_asks_for_a_certificate_is_shown_the_declared_one() {
    let bench = Bench::new();
    let (servers, callers, others) = (Authority::new(), Authority::new(), Authority::new());
    let backend = Secured::start(&servers, &callers);
    let auth = UpstreamAuth::ClientCertificate { secret: secret("open-cert") };
    bench.publish(1, &open(&bench, Some(backend.url()), auth));
    let mut settings = bench.settings();
    settings.upstream_authorities = servers.pem().into_bytes();
    let gateway = bench.start_with(settings);

    // Without the certificate no call is sent: never one without proof.
    assert_eq!(status(&gateway), 503);
    assert_eq!(last_detail(&gateway), "the secret store holds no `open-cert`");
    let (pem, der) = callers.holder("gateway.test");
    bench.vault.set("open-cert", &pem);
    wait_until(|| status(&gateway) == 200);
    assert!(backend.callers().iter().all(|caller| *caller == der));

    // A new one takes its place, on connections of its own.
    let (pem, der) = callers.holder("gateway.test");
    bench.vault.set("open-cert", &pem);
    wait_until(|| status(&gateway) == 200 && backend.callers().last() == Some(&der));

    // One of another authority is refused there, and the caller is told no more than that.
    let (pem, _) = others.holder("gateway.test");
    bench.vault.set("open-cert", &pem);
    wait_until(|| status(&gateway) == 502);
    let answered = backend.callers().len();
    let refused = gateway.call("GET", "/open", &[]);
    assert_eq!((refused.status, backend.callers().len()), (502, answered));
    assert!(!refused.text().contains("certificate"), "{}", refused.text());

    // What holds no key is no certificate to show.
    bench.vault.set("open-cert", &callers.pem());
    wait_until(|| status(&gateway) == 503);
    let detail = "the secret `open-cert`: this holds no private key in PEM form";
    assert_eq!(last_detail(&gateway), detail);
    assert_eq!(backend.callers().len(), answered);
}

#[test]
fn a_backend_of_an_authority_that_nobody_trusts_is_not_shown_the_certificate() {
    let bench = Bench::new();
    let (servers, callers) = (Authority::new(), Authority::new());
    let backend = Secured::start(&servers, &callers);
    let auth = UpstreamAuth::ClientCertificate { secret: secret("open-cert") };
    bench.publish(1, &open(&bench, Some(backend.url()), auth));
    bench.vault.set("open-cert", &callers.holder("gateway.test").0);
    let gateway = bench.start();
    wait_until(|| status(&gateway) == 502);
    assert!(backend.callers().is_empty());
}

#[test]
fn a_backend_that_asks_for_a_password_is_sent_the_declared_one() {
    let bench = Bench::new();
    let (username, secret) = ("gateway".to_owned(), secret("open-password"));
    bench.publish(1, &open(&bench, None, UpstreamAuth::Basic { username, secret }));
    bench.vault.set("open-password", "opensesame");
    let gateway = bench.start();
    // What a caller sends in its place never arrives.
    let own = [("authorization", "Basic bm9ib2R5OmVsc2U=")];
    wait_until(|| gateway.call("GET", "/open", &own).status != 503);
    let requests = bench.backend.requests();
    let sent: Vec<_> = requests.iter().map(|it| it.header("authorization")).collect();
    assert!(!sent.is_empty());
    assert!(sent.iter().all(|it| *it == Some("Basic Z2F0ZXdheTpvcGVuc2VzYW1l")), "{sent:?}");

    bench.vault.remove("open-password");
    wait_until(|| status(&gateway) == 503);
    assert_eq!(last_detail(&gateway), "the secret store holds no `open-password`");
    let (_, told) = gateway.ask("/v1/status");
    let because = "the secret store holds no `open-password`";
    assert_eq!(told["unready"], serde_json::json!([{ "api": "open", "because": because }]));
    let probe = [("gatewright-probe", told["probe"].as_str().expect("a word"))];
    let answered = gateway.call("GET", "/open", &probe);
    assert_eq!(answered.header("gatewright-probe"), Some("secret_unavailable"));
    assert_eq!(answered.header("gatewright-probe-detail"), Some(because));
}
