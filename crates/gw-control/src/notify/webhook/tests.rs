use gw_model::secret::{Secret, SecretFuture, SecretRefusal};
use gw_net::client::ClientSettings;
use gw_testkit::{clock::FixedClock, shared};
use serde_json::Value;
use time::macros::datetime;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::*;
use crate::tell::sample::{links, waits_for_security, widens};

/// The keys are the bytes 1 and 2, so many times.
fn secret(byte: u8, count: usize) -> String {
    format!("{PREFIX}{}", STANDARD.encode(vec![byte; count]))
}

/// What a secret store holds.
struct Vault(BTreeMap<&'static str, String>);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}

impl SecretStore for Vault {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        let value = self.0.get(name.as_str()).map(|value| Secret {
            value: Redacted::new(value.clone().into_bytes()),
            version: None,
            since: None,
        });
        let refusal = || SecretRefusal::Missing { name: name.clone() };
        Box::pin(std::future::ready(value.ok_or_else(refusal)))
    }
}

fn webhooks(url: &Url, secrets: &[&str], tries: usize) -> Webhooks {
    let vault = Vault(
        [
            ("chat-key", secret(1, 32)),
            ("next-key", secret(2, 64)),
            ("short-key", secret(1, 23)),
            ("long-key", secret(1, 65)),
            ("bare-key", STANDARD.encode([1; 32])),
            ("odd-key", format!("{PREFIX}?")),
        ]
        .into(),
    );
    let secrets = secrets.iter().map(|name| SecretName::parse(name).unwrap()).collect();
    let channel = Webhook { url: url.clone(), secrets };
    let clock = Arc::new(FixedClock::at(datetime!(2026-09-10 09:12 UTC)));
    let client = Client::new(&ClientSettings::here());
    let webhooks =
        Webhooks::new(client, clock, Arc::new(vault), [("chat".to_owned(), channel)].into());
    webhooks.pausing(vec![Duration::ZERO; tries - 1])
}

fn notification() -> Notification {
    Notification::denied(&widens("prod", waits_for_security()), &links())
}

async fn sent(webhooks: &Webhooks, channel: &str) -> Result<(), NotifyError> {
    webhooks.send(&Channel::Webhook(channel.to_owned()), &notification()).await
}

/// A request as it came over the wire.
struct Received {
    head: String,
    body: Vec<u8>,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(found, _)| found.eq_ignore_ascii_case(name));
        found.next().map_or("", |(_, value)| value)
    }
}

/// Answers each request with the next of these heads, and gives back what came.
async fn listening(answers: &'static [&'static str]) -> (Url, JoinHandle<Vec<Received>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/hooks/gatewright", listener.local_addr().unwrap());
    let received = tokio::spawn(async move {
        let mut received = vec![];
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            received.push(read(&mut stream).await);
            let answer =
                format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
        received
    });
    (Url::parse(&url).unwrap(), received)
}

async fn read(stream: &mut tokio::net::TcpStream) -> Received {
    let mut bytes = vec![];
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert_ne!(count, 0, "the request ends too early");
        bytes.extend_from_slice(&part[..count]);
        let Some(end) = bytes.windows(4).position(|it| it == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let received = Received { head, body: bytes[end + 4..].to_vec() };
        if received.body.len() == received.header("content-length").parse::<usize>().unwrap() {
            return received;
        }
    }
}

#[test]
fn the_published_signature_is_made() {
    let Some(folder) = shared::folder("contracts/github-gitlab") else { return };
    let text = std::fs::read(folder.join("webhook-signature-test-vectors.json")).unwrap();
    let vectors: Value = serde_json::from_slice(&text).unwrap();
    let ours = |it: &&Value| it["header"] == "webhook-signature";
    let vector = vectors["vectors"].as_array().unwrap().iter().find(ours).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let key = Key::parse(&Redacted::new(text(&vector["secret"]).into_bytes())).unwrap();
    let (id, timestamp) =
        (text(&vector["headers"]["webhook-id"]), text(&vector["headers"]["webhook-timestamp"]));
    let signed = key.sign(&id, &timestamp, text(&vector["body_utf8"]).as_bytes());
    assert_eq!(signed, text(&vector["value"]));
}

#[tokio::test]
async fn what_is_sent_is_signed_by_each_secret_and_shows_none() {
    let (url, received) = listening(&["204 No Content"]).await;
    let webhooks = webhooks(&url, &["chat-key", "next-key"], 1);
    assert_eq!(sent(&webhooks, "chat").await, Ok(()));
    let received = received.await.unwrap();
    let [request] = received.as_slice() else { panic!("{} requests", received.len()) };
    assert!(request.head.starts_with("POST /hooks/gatewright HTTP/1.1"), "{}", request.head);
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), notification().id());
    assert_eq!(request.header("webhook-timestamp"), "1789031520");
    let key = |byte, count| Key::parse(&Redacted::new(secret(byte, count).into_bytes())).unwrap();
    let signed = |key: Key| key.sign(&notification().id(), "1789031520", &request.body);
    let signatures = format!("{} {}", signed(key(1, 32)), signed(key(2, 64)));
    assert_eq!(request.header("webhook-signature"), signatures);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body, notification().to_json());
    let all = format!("{}{body}{webhooks:?}", request.head);
    for hidden in [secret(1, 32), secret(2, 64), STANDARD.encode([1; 32])] {
        assert!(!all.contains(hidden.trim_start_matches(PREFIX)), "{all}");
    }
}

#[tokio::test]
async fn who_cannot_take_it_now_is_asked_again_so_often() {
    let answers = &["503 Away", "429 Slowly\r\nretry-after: 0", "200 OK"];
    let (url, received) = listening(answers).await;
    assert_eq!(sent(&webhooks(&url, &["chat-key"], 3), "chat").await, Ok(()));
    let received = received.await.unwrap();
    let ids: Vec<&str> = received.iter().map(|it| it.header("webhook-id")).collect();
    assert_eq!(ids, [notification().id().as_str(); 3]);

    let (url, received) = listening(&["500 Broken", "500 Broken"]).await;
    let refused = NotifyError::Refused { channel: "chat".to_owned(), status: 500 };
    assert_eq!(sent(&webhooks(&url, &["chat-key"], 2), "chat").await, Err(refused));
    assert_eq!(received.await.unwrap().len(), 2);
    // Nobody listens any more.
    let unreached = sent(&webhooks(&url, &["chat-key"], 2), "chat").await;
    assert!(matches!(unreached, Err(NotifyError::Unreached { .. })), "{unreached:?}");
}

#[tokio::test]
async fn a_no_is_taken_for_a_no() {
    const ANSWERS: [&[&str]; 5] = [
        &["400 Bad Request"],
        &["401 Unauthorized"],
        &["410 Gone"],
        &["302 Found\r\nlocation: http://127.0.0.1:1/"],
        // Whoever wants an hour is told by somebody else.
        &["503 Away\r\nretry-after: 3600"],
    ];
    for answers in ANSWERS {
        let (url, received) = listening(answers).await;
        let status = answers[0].split(' ').next().unwrap().parse().unwrap();
        let refused = NotifyError::Refused { channel: "chat".to_owned(), status };
        assert_eq!(sent(&webhooks(&url, &["chat-key"], 3), "chat").await, Err(refused));
        assert_eq!(received.await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_sent() {
    // Whoever connects would be answered by nobody, and that would be told otherwise.
    let url = Url::parse("http://127.0.0.1:9/").unwrap();
    for name in ["short-key", "long-key", "bare-key", "odd-key"] {
        let refused = NotifyError::Key { name: name.to_owned() };
        let told = sent(&webhooks(&url, &["chat-key", name], 1), "chat").await;
        assert_eq!(told, Err(refused.clone()));
        assert!(refused.to_string().contains("whsec_"), "{refused}");
    }
    let missing = sent(&webhooks(&url, &["other-key"], 1), "chat").await;
    assert!(matches!(missing, Err(NotifyError::Secret(_))), "{missing:?}");
    let unnamed = NotifyError::NoChannel { name: "pager".to_owned() };
    assert_eq!(sent(&webhooks(&url, &["chat-key"], 1), "pager").await, Err(unnamed));
    let unsigned = NotifyError::Key { name: "chat".to_owned() };
    assert_eq!(sent(&webhooks(&url, &[], 1), "chat").await, Err(unsigned));
}

#[tokio::test]
async fn only_judged_addresses_are_called() {
    for url in ["http://hooks.example.com/", "https://127.0.0.1/", "https://169.254.169.254/"] {
        let told = sent(&webhooks(&Url::parse(url).unwrap(), &["chat-key"], 1), "chat").await;
        assert!(matches!(told, Err(NotifyError::Unreached { .. })), "{url}: {told:?}");
    }
}
