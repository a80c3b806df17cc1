//! A backend that remembers every request it receives, byte for byte where it matters.

#[cfg(test)]
mod tests;

use std::{
    io::{self, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use parking_lot::Mutex;

use crate::wire::{WithoutLength, parse_head, read_body, read_head};

/// A request as the backend received it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The whole head as it arrived, lossily as text.
    pub head: String,
    pub method: String,
    pub target: String,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Received {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |(found, _): &&(String, String)| found.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }
}

/// What the backend answers.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Default for Answer {
    fn default() -> Self {
        let json = ("content-type".to_owned(), "application/json".to_owned());
        Self { status: 200, headers: vec![json], body: b"{\"from\":\"backend\"}".to_vec() }
    }
}

/// Listens on a free loopback port until it is dropped.
#[derive(Debug)]
pub struct Backend {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    requests: Mutex<Vec<Received>>,
    answer: Mutex<Answer>,
    echoed: Mutex<Option<String>>,
    connections: AtomicUsize,
    stopping: AtomicBool,
}

impl Backend {
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::new(Seen::default());
        let for_thread = Arc::clone(&seen);
        thread::spawn(move || accept(&listener, &for_thread));
        Self { address, seen }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far, the oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.seen.requests.lock().clone()
    }

    /// How many connections were ever accepted.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// Forgets the requests so far.
    pub fn clear(&self) {
        self.seen.requests.lock().clear();
    }

    /// From now on answers carry the request's header of this name as `x-echo`.
    pub fn echo(&self, name: &str) {
        *self.seen.echoed.lock() = Some(name.to_owned());
    }

    /// What is answered from now on.
    pub fn set_answer(&self, answer: Answer) {
        *self.seen.answer.lock() = answer;
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.seen.stopping.store(true, Ordering::SeqCst);
        // The accepting thread sits in `accept`; a last connection lets it see the flag.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, seen: &Arc<Seen>) {
    for stream in listener.incoming() {
        if seen.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        seen.connections.fetch_add(1, Ordering::SeqCst);
        let seen = Arc::clone(seen);
        // A peer that goes away in the middle of a request ends its thread and nothing else.
        thread::spawn(move || serve(stream, &seen).ok());
    }
}

fn serve(mut stream: TcpStream, seen: &Seen) -> io::Result<()> {
    let mut unread = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut unread)? {
        let (first, headers) = parse_head(&head);
        let body = read_body(&mut stream, &mut unread, &headers, WithoutLength::Empty)?;
        let mut words = first.split(' ').map(str::to_owned);
        let method = words.next().unwrap_or_default();
        let target = words.next().unwrap_or_default();
        let head_only = method == "HEAD";
        let received = Received { head, method, target, headers, body };
        let mut answer = seen.answer.lock().clone();
        if let Some(value) = seen.echoed.lock().as_ref().and_then(|name| received.header(name)) {
            answer.headers.push(("x-echo".to_owned(), value.to_owned()));
        }
        seen.requests.lock().push(received);
        stream.write_all(&render(&answer, head_only))?;
    }
    Ok(())
}

fn render(answer: &Answer, head_only: bool) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Answer\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str(&format!("content-length: {}\r\n\r\n", answer.body.len()));
    let body = if head_only { &[][..] } else { &answer.body };
    [head.as_bytes(), body].concat()
}
