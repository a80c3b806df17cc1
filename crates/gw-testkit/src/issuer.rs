//! An issuer that does as a test says: discovery and key set of any content, slow, broken or gone.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use parking_lot::{Condvar, Mutex};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::{
    authority::{Authority, Flaw},
    signer::Signer,
    wire::{parse_head, read_head},
};

pub const DISCOVERY: &str = "/.well-known/openid-configuration";
pub const KEYS: &str = "/keys";

/// Listens on a free loopback port until it is dropped.
#[derive(Debug)]
pub struct Issuer {
    address: SocketAddr,
    url: String,
    state: Arc<State>,
}

/// What lies under a path.
#[derive(Clone, Debug)]
pub enum Document {
    /// This status with this body.
    Answer(u16, Vec<u8>),
    /// The status line promises more bytes than follow.
    Truncated(Vec<u8>),
    /// The connection stays open and nothing comes.
    Silent,
    /// A redirect to this address.
    Redirect(String),
}

#[derive(Debug, Default)]
struct State {
    documents: Mutex<BTreeMap<String, Document>>,
    /// Callers speak TLS where there is one.
    tls: Mutex<Option<Arc<ServerConfig>>>,
    counts: Mutex<Counts>,
    counted: Condvar,
    stopping: AtomicBool,
}

#[derive(Debug, Default)]
struct Counts {
    /// By path.
    fetched: BTreeMap<String, usize>,
    /// Connections that the other side gave up before it asked for anything.
    hung_up: usize,
}

impl Issuer {
    /// Publishes the public halves of these signers.
    pub fn start(signers: &[&Signer]) -> Self {
        Self::start_with(signers, None)
    }

    /// The same over TLS, as `localhost`, with a good certificate of that authority.
    pub fn start_tls(signers: &[&Signer], authority: &Authority) -> Self {
        Self::start_with(signers, Some(authority))
    }

    fn start_with(signers: &[&Signer], authority: Option<&Authority>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let state = Arc::new(State::default());
        let url = match authority {
            None => format!("http://{address}"),
            Some(_) => format!("https://localhost:{}", address.port()),
        };
        *state.tls.lock() = authority.map(|authority| authority.server(Flaw::None));
        let for_thread = Arc::clone(&state);
        thread::spawn(move || accept(&listener, &for_thread));
        let issuer = Self { address, url, state };
        issuer.set(DISCOVERY, Document::json(&issuer.discovery()));
        issuer.publish(signers);
        issuer
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// From now on it shows another certificate.
    pub fn certify(&self, authority: &Authority, flaw: Flaw) {
        *self.state.tls.lock() = Some(authority.server(flaw));
    }

    /// The document as it should be.
    pub fn discovery(&self) -> Value {
        json!({"issuer": self.url(), "jwks_uri": format!("{}{KEYS}", self.url())})
    }

    /// From now on these are the keys.
    pub fn publish(&self, signers: &[&Signer]) {
        let keys: Vec<_> = signers.iter().map(|signer| signer.jwk()).collect();
        self.set(KEYS, Document::json(&json!({"keys": keys})));
    }

    pub fn set(&self, path: &str, document: Document) {
        self.state.documents.lock().insert(path.to_owned(), document);
    }

    /// How often the path was asked for.
    pub fn fetches(&self, path: &str) -> usize {
        self.state.counts.lock().fetched.get(path).copied().unwrap_or_default()
    }

    /// How many connections were given up by the other side before it asked for anything.
    pub fn hung_up(&self) -> usize {
        self.state.counts.lock().hung_up
    }

    /// Blocks until the path has been asked for so often; the bound of the test run is the limit.
    pub fn wait_for_fetches(&self, path: &str, count: usize) {
        let mut counts = self.state.counts.lock();
        while counts.fetched.get(path).copied().unwrap_or_default() < count {
            self.state.counted.wait(&mut counts);
        }
    }

    /// Blocks until so many connections were given up.
    pub fn wait_for_hung_up(&self, count: usize) {
        let mut counts = self.state.counts.lock();
        while counts.hung_up < count {
            self.state.counted.wait(&mut counts);
        }
    }

    /// The claims of a good token, `lifetime` seconds long from `now`.
    pub fn claims(&self, audience: &str, subject: &str, now: i64) -> Value {
        json!({
            "iss": self.url(), "aud": audience, "sub": subject,
            "iat": now, "nbf": now, "exp": now + 600,
        })
    }
}

impl Document {
    pub fn json(value: &Value) -> Self {
        Self::Answer(200, value.to_string().into_bytes())
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.state.stopping.store(true, Ordering::SeqCst);
        // The accepting thread sits in `accept`; a last connection lets it see the flag.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, state: &Arc<State>) {
    for stream in listener.incoming() {
        if state.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        let state = Arc::clone(state);
        // A peer that goes away in the middle of a request ends its thread and nothing else.
        thread::spawn(move || greet(stream, &state).ok());
    }
}

fn greet(stream: TcpStream, state: &State) -> io::Result<()> {
    let tls = state.tls.lock().clone();
    let Some(tls) = tls else { return serve(stream, state) };
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    serve(StreamOwned::new(connection, stream), state)
}

/// One request per connection, so that a changed document is seen at once.
fn serve(mut stream: impl Read + Write, state: &State) -> io::Result<()> {
    let Ok(Some(head)) = read_head(&mut stream, &mut Vec::new()) else {
        state.counts.lock().hung_up += 1;
        state.counted.notify_all();
        return Ok(());
    };
    let (first, _) = parse_head(&head);
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let document = state.documents.lock().get(&path).cloned();
    *state.counts.lock().fetched.entry(path).or_default() += 1;
    state.counted.notify_all();
    let answer = |status: u16, length: usize, location: &str| {
        format!(
            "HTTP/1.1 {status} Answer\r\ncontent-type: application/json\r\n{location}\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        )
    };
    let answered = match document {
        Some(Document::Answer(status, body)) => {
            stream.write_all(answer(status, body.len(), "").as_bytes())?;
            stream.write_all(&body)
        }
        Some(Document::Truncated(body)) => {
            stream.write_all(answer(200, body.len() + 100, "").as_bytes())?;
            stream.write_all(&body)
        }
        Some(Document::Redirect(to)) => {
            stream.write_all(answer(302, 0, &format!("location: {to}\r\n")).as_bytes())
        }
        // Reading on keeps the connection open until the peer gives up.
        Some(Document::Silent) => read_head(&mut stream, &mut Vec::new()).map(|_| ()),
        None => stream.write_all(answer(404, 0, "").as_bytes()),
    };
    answered.and_then(|()| stream.flush())
}
