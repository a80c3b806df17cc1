//! Webhooks: what is subscribed, and how it is sent.
//!
//! Sending never holds up what is told: letters go into a queue, and each is posted by itself. They
//! are posted to this machine only.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use aws_lc_rs::hmac;
use gw_model::secret::Redacted;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use url::{Host, Url};

use super::{memory, state::Uuid};

/// A larger payload is not sent, and nobody is told.
const MOST_BYTES: usize = 256 * 1024;
/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);
/// A 5xx is tried again this often.
const RETRIES: u32 = 2;
const USUAL_PAUSE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Hook {
    pub(super) uuid: Uuid,
    pub(super) url: String,
    pub(super) description: String,
    pub(super) is_active: bool,
    pub(super) events: Vec<String>,
    #[serde(with = "memory::secret_if_any")]
    pub(super) secret: Option<Redacted<String>>,
    pub(super) created: OffsetDateTime,
}

/// How one attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Answered(u16),
    /// Nobody listened, or nobody answered in time. It is not tried again.
    Lost,
    /// Never sent.
    TooLarge,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub event: String,
    pub hook: Uuid,
    /// The same for each attempt.
    pub request: Uuid,
    pub attempt: u32,
    pub outcome: Outcome,
}

/// What is to be posted.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub(super) event: String,
    pub(super) hook: Hook,
    pub(super) request: Uuid,
    pub(super) body: String,
}

/// Posts letters until it is dropped.
#[derive(Debug)]
pub(super) struct Mailer {
    queue: mpsc::UnboundedSender<Letter>,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Desk {
    pause: Mutex<Duration>,
    done: Mutex<Vec<Delivery>>,
    open: watch::Sender<usize>,
}

impl Mailer {
    pub(super) fn start() -> Self {
        let (queue, mut letters) = mpsc::unbounded_channel();
        let desk = Arc::new(Desk {
            pause: Mutex::new(USUAL_PAUSE),
            done: Mutex::default(),
            open: watch::Sender::new(0),
        });
        let for_task = Arc::clone(&desk);
        let task = tokio::spawn(async move {
            let mut under_way = JoinSet::new();
            while let Some(letter) = letters.recv().await {
                under_way.spawn(deliver(letter, Arc::clone(&for_task)));
                while under_way.try_join_next().is_some() {}
            }
        });
        Self { queue, desk, task }
    }

    pub(super) fn send(&self, letter: Letter) {
        if letter.body.len() > MOST_BYTES {
            return self.desk.note(&letter, 0, Outcome::TooLarge);
        }
        self.desk.open.send_modify(|open| *open += 1);
        // The queue is open as long as the mailer is.
        self.queue.send(letter).ok();
    }

    pub(super) fn set_pause(&self, pause: Duration) {
        *self.desk.pause.lock() = pause;
    }

    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        self.desk.done.lock().clone()
    }

    /// Waits until nothing is under way.
    pub(super) async fn settled(&self) {
        // The sender lives as long as this does.
        self.desk.open.subscribe().wait_for(|open| *open == 0).await.ok();
    }
}

impl Drop for Mailer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Desk {
    fn note(&self, letter: &Letter, attempt: u32, outcome: Outcome) {
        self.done.lock().push(Delivery {
            event: letter.event.clone(),
            hook: letter.hook.uuid.clone(),
            request: letter.request.clone(),
            attempt,
            outcome,
        });
    }
}

async fn deliver(letter: Letter, desk: Arc<Desk>) {
    for attempt in 1..=RETRIES + 1 {
        let answer = timeout(PATIENCE, post(&letter, attempt)).await.ok().flatten();
        desk.note(&letter, attempt, answer.map_or(Outcome::Lost, Outcome::Answered));
        if answer.is_none_or(|status| status < 500) || attempt > RETRIES {
            break;
        }
        let pause = *desk.pause.lock();
        sleep(pause).await;
    }
    desk.open.send_modify(|open| *open -= 1);
}

/// The address behind a URL of this machine.
pub(super) fn here(url: &str) -> Option<(Url, SocketAddr)> {
    let url = Url::parse(url).ok().filter(|url| url.scheme() == "http")?;
    let port = url.port_or_known_default()?;
    let address = match url.host()? {
        Host::Domain("localhost") => SocketAddr::from(([127, 0, 0, 1], port)),
        Host::Ipv4(address) if address.is_loopback() => SocketAddr::from((address, port)),
        Host::Ipv6(address) if address.is_loopback() => SocketAddr::from((address, port)),
        Host::Domain(_) | Host::Ipv4(_) | Host::Ipv6(_) => return None,
    };
    Some((url, address))
}

/// The status of the answer; `None` when there is none.
async fn post(letter: &Letter, attempt: u32) -> Option<u16> {
    let (url, address) = here(&letter.hook.url)?;
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(head(letter, attempt, &url).as_bytes()).await.ok()?;
    stream.write_all(letter.body.as_bytes()).await.ok()?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await.ok()?;
    line.split(' ').nth(1)?.parse().ok()
}

fn head(letter: &Letter, attempt: u32, url: &Url) -> String {
    let Letter { event, hook, request, body } = letter;
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let port = url.port_or_known_default().unwrap_or_default();
    let host = url.host_str().unwrap_or_default();
    let mut head = format!(
        "POST {}{query} HTTP/1.1\r\nHost: {host}:{port}\r\nUser-Agent: Bitbucket-Webhooks/2.0\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\
         X-Event-Key: {event}\r\nX-Hook-UUID: {}\r\nX-Request-UUID: {}\r\n\
         X-Attempt-Number: {attempt}\r\n",
        url.path(),
        body.len(),
        hook.uuid.bare(),
        request.bare(),
    );
    if let Some(secret) = &hook.secret {
        head.push_str(&format!(
            "X-Hub-Signature: {}\r\n",
            signature(secret.reveal(), body.as_bytes())
        ));
    }
    head.push_str("\r\n");
    head
}

/// The header has GitHub's old name and a newer digest.
pub(super) fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, body);
    tag.as_ref().iter().fold("sha256=".to_owned(), |text, byte| format!("{text}{byte:02x}"))
}
