use axum::routing::get;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

/// What each answer says: more than lies between both ends.
const LENGTH: usize = 10_000;
const ASKED: usize = 20;

/// So long nothing of these tests lasts.
const LONG: Duration = Duration::from_mins(1);

/// Longer than anything that is tried here.
const PATIENT: Limits =
    Limits { connections: 1, head: LONG, write: LONG, whole: LONG, farewell: LONG };

/// A caller who has asked so often at once, and a conversation with them.
async fn asked(limits: Limits) -> (DuplexStream, impl Future<Output = ()>) {
    let (mut caller, ours) = duplex(4_096);
    let question = "GET /long HTTP/1.1\r\nhost: x\r\n\r\n";
    caller.write_all(question.repeat(ASKED).as_bytes()).await.unwrap();
    let routes = Router::new().route("/long", get(async || "x".repeat(LENGTH)));
    let (keep, stop) = watch::channel(false);
    let conversation = async move {
        converse(ours, routes, limits, stop).await;
        drop(keep);
    };
    (caller, conversation)
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.unwrap()
}

#[tokio::test]
async fn whoever_does_not_read_is_left() {
    let limits = Limits { write: Duration::from_millis(50), ..PATIENT };
    let (mut caller, conversation) = asked(limits).await;
    in_time(conversation).await;
    let mut told = vec![];
    in_time(caller.read_to_end(&mut told)).await.unwrap();
    assert!(told.len() < LENGTH, "{}", told.len());
}

#[tokio::test]
async fn whoever_reads_is_answered_to_the_end() {
    let limits =
        Limits { write: Duration::from_secs(15), head: Duration::from_millis(50), ..PATIENT };
    let (mut caller, conversation) = asked(limits).await;
    let mut told = vec![];
    let (read, ()) =
        in_time(async { tokio::join!(caller.read_to_end(&mut told), conversation) }).await;
    read.unwrap();
    assert!(told.len() > ASKED * LENGTH, "{}", told.len());
}

#[tokio::test]
async fn no_connection_is_kept_for_ever() {
    // It reads all that it is told, and says nothing more.
    let limits = Limits { whole: Duration::from_millis(200), ..PATIENT };
    let (mut caller, conversation) = asked(limits).await;
    let mut told = vec![];
    let (read, ()) =
        in_time(async { tokio::join!(caller.read_to_end(&mut told), conversation) }).await;
    read.unwrap();
    // It reads nothing, and has its time to the end.
    let limits = Limits { farewell: Duration::from_millis(50), ..limits };
    let (_caller, conversation) = asked(limits).await;
    in_time(conversation).await;
}
