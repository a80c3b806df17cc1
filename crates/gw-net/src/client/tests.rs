use gw_testkit::{
    backend::{self, Backend},
    issuer::{DISCOVERY, Document, Issuer, KEYS},
};

use super::*;

fn client(loopback: LoopbackReach) -> Client {
    let timeout = Duration::from_millis(500);
    Client::new(&ClientSettings { loopback, timeout, ..ClientSettings::default() })
}

async fn get(url: &str, limit: usize) -> Result<Vec<u8>, FetchError> {
    client(LoopbackReach::Free).get(&Url::parse(url).unwrap(), limit).await
}

#[tokio::test]
async fn a_document_of_this_machine_is_read_over_http() {
    let issuer = Issuer::start(&[]);
    let bytes = get(&format!("{}{DISCOVERY}", issuer.url()), 1024).await.unwrap();
    assert_eq!(bytes, issuer.discovery().to_string().as_bytes());
    let named = issuer.url().replace("127.0.0.1", "localhost");
    assert!(get(&format!("{named}{DISCOVERY}"), 1024).await.is_ok());
}

#[tokio::test]
async fn a_long_or_short_answer_is_refused() {
    let issuer = Issuer::start(&[]);
    let url = format!("{}{KEYS}", issuer.url());
    issuer.set(KEYS, Document::Answer(200, vec![b'x'; 100]));
    assert_eq!(get(&url, 99).await, Err(FetchError::TooLong { limit: 99 }));
    assert!(get(&url, 100).await.is_ok());
    issuer.set(KEYS, Document::Answer(500, vec![]));
    assert_eq!(get(&url, 100).await, Err(FetchError::Status(500)));
    issuer.set(KEYS, Document::Truncated(b"{\"keys\":[]}".to_vec()));
    assert!(matches!(get(&url, 100).await, Err(FetchError::Connection(_))));
    issuer.set(KEYS, Document::Silent);
    assert_eq!(get(&url, 100).await, Err(FetchError::Timeout));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_a_way() {
    let (issuer, elsewhere) = (Issuer::start(&[]), Backend::start());
    issuer.set(KEYS, Document::Redirect(elsewhere.url()));
    let answer = get(&format!("{}{KEYS}", issuer.url()), 100).await;
    assert_eq!(answer, Err(FetchError::Status(302)));
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn nothing_but_safe_addresses_is_connected_to() {
    let backend = Backend::start();
    let port = backend.address().port();
    let listed = client(LoopbackReach::Listed);
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]", "127.1"] {
        let url = Url::parse(&format!("https://{host}:{port}/")).unwrap();
        let refusal = listed.get(&url, 100).await.unwrap_err();
        assert!(matches!(refusal, FetchError::Unreachable(_)), "{host}: {refusal:?}");
    }
    for host in ["127.0.0.1", "localhost", "2130706433", "127.1", "127.0.0.2", "[::1]"] {
        let url = Url::parse(&format!("http://{host}:{port}/")).unwrap();
        let refusal = listed.get(&url, 100).await.unwrap_err();
        assert!(matches!(refusal, FetchError::Unreachable(_)), "{host}: {refusal:?}");
    }
    for url in [
        "http://example.com/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "http://0/",
        "http://[::]/",
    ] {
        let refusal = get(url, 100).await.unwrap_err();
        assert_eq!(refusal, FetchError::Insecure, "{url}");
    }
    assert_eq!(backend.connections(), 0);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    // A server that is there and does not speak TLS is told apart from one that is not there.
    let backend = Backend::start();
    let free = client(LoopbackReach::Free);
    let url = Url::parse(&format!("https://{}/", backend.address())).unwrap();
    assert!(matches!(
        free.get(&url, 100).await,
        Err(FetchError::Connection(_) | FetchError::NoClient(_) | FetchError::Timeout)
    ));
    assert_eq!(backend.requests().len(), 0);
}

/// What goes over the wire for one question.
async fn sent(ask: Ask<'_>) -> backend::Received {
    let server = Backend::start();
    let url = Url::parse(&server.url()).unwrap();
    client(LoopbackReach::Free).ask(&url, ask).await.unwrap();
    server.requests().remove(0)
}

#[tokio::test]
async fn a_question_is_sent_as_it_is_asked() {
    let password = Redacted::new("open sesame".to_owned());
    let asked = sent(Ask {
        method: Method::Put,
        authorization: Some(Authorization::Basic { user: "ann@example.com", password: &password }),
        headers: &[("content-type", "application/json")],
        body: Some(b"{}".to_vec()),
    });
    let asked = asked.await;
    assert_eq!((asked.method.as_str(), asked.body.as_slice()), ("PUT", &b"{}"[..]));
    assert_eq!(asked.header("content-type"), Some("application/json"));
    let basic = "Basic YW5uQGV4YW1wbGUuY29tOm9wZW4gc2VzYW1l";
    assert_eq!(asked.header("authorization"), Some(basic));
    let authorization = Some(Authorization::Bearer(&password));
    let asked = sent(Ask { method: Method::Post, authorization, ..Ask::default() }).await;
    assert_eq!(asked.header("authorization"), Some("Bearer open sesame"));
    assert_eq!((asked.method.as_str(), asked.body.len()), ("POST", 0));
    let asked = sent(Ask { method: Method::Delete, ..Ask::default() }).await;
    assert_eq!((asked.method.as_str(), asked.header("authorization")), ("DELETE", None));
    assert_eq!(sent(Ask::default()).await.method, "GET");
}

#[tokio::test]
async fn every_status_is_an_answer_and_its_body_has_a_limit() {
    let server = Backend::start();
    let headers = vec![("retry-after".to_owned(), "7".to_owned())];
    server.set_answer(backend::Answer { status: 429, headers, body: vec![b'x'; 100] });
    let (url, client) = (Url::parse(&server.url()).unwrap(), client(LoopbackReach::Free));
    let answer = client.ask(&url, Ask::default()).await.unwrap();
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("7")));
    assert_eq!(answer.body(100).await.map(|body| body.len()), Ok(100));
    let mut answer = client.ask(&url, Ask::default()).await.unwrap();
    assert_eq!(answer.chunk().await.unwrap().map(|chunk| chunk.first().copied()), Some(Some(b'x')));
    let answer = client.ask(&url, Ask::default()).await.unwrap();
    assert_eq!(answer.body(99).await, Err(FetchError::TooLong { limit: 99 }));
}

#[tokio::test]
async fn what_proves_the_asker_is_never_shown() {
    let password = Redacted::new("open sesame".to_owned());
    for authorization in [
        Authorization::Bearer(&password),
        Authorization::Basic { user: "ann", password: &password },
    ] {
        let ask = Ask { authorization: Some(authorization), ..Ask::default() };
        assert!(!format!("{ask:?}").contains("sesame"));
    }
    // What no header can carry is refused here, and not repeated.
    let broken = Redacted::new("open\r\nsesame".to_owned());
    let authorization = Some(Authorization::Bearer(&broken));
    let server = Backend::start();
    let url = Url::parse(&server.url()).unwrap();
    let ask = Ask { authorization, ..Ask::default() };
    let refused = client(LoopbackReach::Free).ask(&url, ask).await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("sesame"));
    assert_eq!(server.requests().len(), 0);
}
