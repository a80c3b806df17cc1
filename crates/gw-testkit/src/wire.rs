//! Bytes over a loopback connection, exactly as written: what a client library would repair or
//! refuse has to be sent by hand.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    ops::Range,
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

/// How long a peer may stay silent before a test gives up on it.
const PATIENCE: Duration = Duration::from_secs(20);

/// A reply as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case, in the order of arrival.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let same = |(found, _): &&(String, String)| found.eq_ignore_ascii_case(name);
        self.headers.iter().find(same).map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).expect("the reply's body is JSON")
    }
}

/// One connection. Several requests may follow one another on it.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, unread: Vec::new() })
    }

    /// Sends the bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Reads one reply; `None` when the peer closed the connection without one.
    pub fn reply(&mut self) -> io::Result<Option<Reply>> {
        let Some(head) = read_head(&mut self.stream, &mut self.unread)? else { return Ok(None) };
        let (first, headers) = parse_head(&head);
        let status = first.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
        let bodiless = matches!(status, 100..=199 | 204 | 304);
        let body = if bodiless {
            Vec::new()
        } else {
            read_body(&mut self.stream, &mut self.unread, &headers, WithoutLength::UntilClose)?
        };
        Ok(Some(Reply { status, headers, body }))
    }

    /// Whether the peer closed its side; waits for it or for more bytes.
    pub fn is_closed(&mut self) -> bool {
        self.unread.is_empty() && matches!(self.stream.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

/// Sends one request on a connection of its own and reads the reply.
pub fn exchange(address: SocketAddr, bytes: &[u8]) -> io::Result<Option<Reply>> {
    let mut connection = Connection::open(address)?;
    connection.send(bytes)?;
    connection.reply()
}

/// A well-formed request: the length is counted, `Host` and `Connection: close` are added.
pub fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> io::Result<Reply> {
    let mut head =
        format!("{method} {target} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() || method == "POST" || method == "PUT" || method == "PATCH" {
        head.push_str(&format!("content-length: {}\r\n", body.len()));
    }
    head.push_str("\r\n");
    let bytes = [head.as_bytes(), body].concat();
    let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a reply");
    exchange(address, &bytes)?.ok_or_else(closed)
}

/// Below the ports that a system gives to whoever connects: one of those may be taken before somebody
/// listens on it.
const PORTS: Range<u16> = 15_000..32_000;

/// A loopback port that nobody listens on at this moment, and that this process was not given before.
pub fn free_port() -> u16 {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that run at once begin at places of their own.
    let (first, count) = (process::id().wrapping_mul(613), PORTS.end - PORTS.start);
    let port = |_| {
        let place = first.wrapping_add(GIVEN.fetch_add(1, Relaxed)) % u32::from(count);
        PORTS.start + u16::try_from(place).expect("it is less than their number")
    };
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    PORTS.map(port).find(is_free).expect("loopback has a free port")
}

/// What a message without a length means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum WithoutLength {
    Empty,
    UntilClose,
}

/// Reads up to the empty line; `None` at the end of the stream.
pub(crate) fn read_head(
    stream: &mut impl Read,
    unread: &mut Vec<u8>,
) -> io::Result<Option<String>> {
    loop {
        if let Some(end) = find(unread, b"\r\n\r\n") {
            let rest = unread.split_off(end + 4);
            let head = std::mem::replace(unread, rest);
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if !read_more(stream, unread)? {
            return Ok(None);
        }
    }
}

/// The first line and the headers of a head, names in lower case.
pub(crate) fn parse_head(head: &str) -> (String, Vec<(String, String)>) {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default().to_owned();
    let header = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
    };
    (first, lines.filter_map(header).collect())
}

pub(crate) fn read_body(
    stream: &mut impl Read,
    unread: &mut Vec<u8>,
    headers: &[(String, String)],
    without_length: WithoutLength,
) -> io::Result<Vec<u8>> {
    let header = |name: &str| headers.iter().find(|(found, _)| found == name).map(|(_, v)| v);
    if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return read_chunks(stream, unread);
    }
    if let Some(length) = header("content-length").and_then(|value| value.parse().ok()) {
        return take(stream, unread, length);
    }
    if let WithoutLength::Empty = without_length {
        return Ok(Vec::new());
    }
    while read_more(stream, unread)? {}
    Ok(std::mem::take(unread))
}

fn read_chunks(stream: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(stream, unread)?;
        let digits = line.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(io::Error::other)?;
        body.extend(take(stream, unread, size)?);
        read_line(stream, unread)?;
        if size == 0 {
            return Ok(body);
        }
    }
}

fn read_line(stream: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<String> {
    loop {
        if let Some(end) = find(unread, b"\r\n") {
            let rest = unread.split_off(end + 2);
            let line = std::mem::replace(unread, rest);
            return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
        }
        if !read_more(stream, unread)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

fn take(stream: &mut impl Read, unread: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while unread.len() < length {
        if !read_more(stream, unread)? {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let rest = unread.split_off(length);
    Ok(std::mem::replace(unread, rest))
}

/// Whether anything came before the end of the stream.
fn read_more(stream: &mut impl Read, unread: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; 16 * 1024];
    let count = loop {
        match stream.read(&mut buffer) {
            // A signal came, such as that a child has ended.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            other => break other?,
        }
    };
    unread.extend(buffer.iter().take(count));
    Ok(count > 0)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
