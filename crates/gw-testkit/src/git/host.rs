//! A Git host over http: git's own backend, behind a door that asks for user and password, with faults.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::{
    authority::{Authority, Flaw},
    wire::{WithoutLength, parse_head, read_body, read_head},
};

/// Longer than any answer of a test takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// What goes wrong from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Every question is answered so, with these further headers.
    Status(u16, Headers),
    /// Every question is answered with these bytes as if they were Git's.
    Bytes(Vec<u8>),
    /// The pack ends after so many bytes of its answer, and the connection with it.
    Cut(usize),
    /// Whatever is in the pack, one bit of it is another.
    Flip(usize),
    /// What is asked for the objects gets no answer.
    Silent,
    /// The connection ends without an answer.
    Close,
}

/// Serves every repository below a folder on a free port of loopback until it is dropped.
#[derive(Debug)]
pub struct GitHost {
    address: SocketAddr,
    scheme: &'static str,
    inside: Arc<Inside>,
}

#[derive(Debug)]
struct Inside {
    root: PathBuf,
    /// What has to stand in `authorization`.
    wanted: Mutex<Option<String>>,
    fault: Mutex<Option<Fault>>,
    /// Method and target of each question.
    asked: Mutex<Vec<String>>,
    secured: Option<Arc<ServerConfig>>,
    /// Only the older protocol is spoken.
    old: AtomicBool,
    stopping: AtomicBool,
}

impl GitHost {
    pub fn start(root: &Path) -> Self {
        Self::serve(root, None)
    }

    /// The same over TLS, as `localhost`.
    pub fn secured(root: &Path, authority: &Authority, flaw: Flaw) -> Self {
        Self::serve(root, Some(authority.server(flaw)))
    }

    fn serve(root: &Path, secured: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let scheme = if secured.is_some() { "https" } else { "http" };
        let inside = Arc::new(Inside {
            root: root.to_owned(),
            wanted: Mutex::default(),
            fault: Mutex::default(),
            asked: Mutex::default(),
            secured,
            old: AtomicBool::default(),
            stopping: AtomicBool::default(),
        });
        let for_thread = Arc::clone(&inside);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stopping.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let inside = Arc::clone(&for_thread);
                thread::spawn(move || inside.accept(stream).ok());
            }
        });
        Self { address, scheme, inside }
    }

    /// The address of a repository by its path below the folder.
    pub fn url(&self, path: &str) -> String {
        format!("{}://localhost:{}/{path}", self.scheme, self.address.port())
    }

    /// From now on nobody else is let in.
    pub fn let_in_only(&self, user: &str, password: &str) {
        let wanted = STANDARD.encode(format!("{user}:{password}"));
        *self.inside.wanted.lock() = Some(format!("Basic {wanted}"));
    }

    pub fn break_by(&self, fault: Option<Fault>) {
        *self.inside.fault.lock() = fault;
    }

    /// From now on as hosts did before version 2 of the protocol.
    pub fn speak_of_old(&self) {
        self.inside.old.store(true, SeqCst);
    }

    /// Method and target of every question so far.
    pub fn asked(&self) -> Vec<String> {
        self.inside.asked.lock().clone()
    }
}

impl Drop for GitHost {
    fn drop(&mut self) {
        self.inside.stopping.store(true, SeqCst);
        // The accepting thread sits in `accept`; a last connection lets it see the flag.
        drop(TcpStream::connect(self.address));
    }
}

impl Inside {
    fn accept(&self, stream: TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        match &self.secured {
            Some(config) => {
                let connection = ServerConnection::new(Arc::clone(config));
                let connection = connection.map_err(io::Error::other)?;
                let mut stream = StreamOwned::new(connection, stream);
                self.answer(&mut stream)?;
                stream.conn.send_close_notify();
                stream.flush()
            }
            None => self.answer(&mut { stream }),
        }
    }

    /// One question of one connection.
    fn answer(&self, stream: &mut (impl Read + Write)) -> io::Result<()> {
        let mut unread = vec![];
        let Some(head) = read_head(stream, &mut unread)? else { return Ok(()) };
        let (first, headers) = parse_head(&head);
        let body = read_body(stream, &mut unread, &headers, WithoutLength::Empty)?;
        let mut words = first.split(' ');
        let method = words.next().unwrap_or_default().to_owned();
        let target = words.next().unwrap_or_default().to_owned();
        self.asked.lock().push(format!("{method} {target}"));
        let header = |name: &str| {
            let found = headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.as_str())
        };
        let wanted = self.wanted.lock().clone();
        if wanted.is_some() && wanted.as_deref() != header("authorization") {
            let ask = [("www-authenticate", "Basic realm=\"git\"".to_owned())];
            return reply(stream, 401, &ask, b"who are you?\n");
        }
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let fault = self.fault.lock().clone();
        match &fault {
            Some(Fault::Status(status, headers)) => return reply(stream, *status, headers, b""),
            Some(Fault::Close) => return Ok(()),
            Some(Fault::Bytes(bytes)) => {
                let kind = match method.as_str() {
                    "GET" => "application/x-git-upload-pack-advertisement",
                    _ => "application/x-git-upload-pack-result",
                };
                return reply(stream, 200, &[("content-type", kind.to_owned())], bytes);
            }
            Some(Fault::Silent) if method == "POST" => {
                // The other side gives up first.
                return stream.read(&mut [0]).map(drop);
            }
            Some(Fault::Silent | Fault::Cut(_) | Fault::Flip(_)) | None => {}
        }
        let asked = Asked { method: &method, path, query, body: &body };
        let version = header("git-protocol").filter(|_| !self.old.load(SeqCst));
        let (headers, mut answer) = self.ask_git(&asked, header("content-type"), version)?;
        let is_pack = answer.windows(4).position(|bytes| bytes == b"PACK");
        match (fault, is_pack) {
            (Some(Fault::Cut(length)), Some(_)) => {
                let whole = answer.len();
                answer.truncate(length);
                write_head(stream, 200, &headers, whole)?;
                stream.write_all(&answer)
            }
            (Some(Fault::Flip(place)), Some(start)) => {
                let at = start + place % (answer.len() - start);
                if let Some(byte) = answer.get_mut(at) {
                    *byte ^= 1;
                }
                reply(stream, 200, &headers, &answer)
            }
            _ => reply(stream, 200, &headers, &answer),
        }
    }

    /// What git's own backend answers: headers and body.
    fn ask_git(
        &self,
        asked: &Asked<'_>,
        kind: Option<&str>,
        version: Option<&str>,
    ) -> io::Result<(Headers, Vec<u8>)> {
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("PATH_INFO", asked.path)
            .env("REQUEST_METHOD", asked.method)
            .env("QUERY_STRING", asked.query)
            .env("CONTENT_TYPE", kind.unwrap_or_default())
            .env("CONTENT_LENGTH", asked.body.len().to_string())
            .env("GIT_PROTOCOL", version.unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        child.stdin.take().expect("a pipe").write_all(asked.body)?;
        let mut output = child.wait_with_output()?.stdout;
        let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n");
        let end = end.ok_or_else(|| io::Error::other("the backend says nothing"))?;
        let body = output.split_off(end + 4);
        let head = String::from_utf8_lossy(&output).into_owned();
        let kind = head.lines().find_map(|line| line.strip_prefix("Content-Type: "));
        let kind = kind.unwrap_or("text/plain").trim().to_owned();
        let status = head.lines().find_map(|line| line.strip_prefix("Status: "));
        let status = status.unwrap_or("200").chars().take(3).collect();
        Ok((vec![("content-type", kind), (STATUS, status)], body))
    }
}

type Headers = Vec<(&'static str, String)>;

/// A header of the backend that is the first line of the answer.
const STATUS: &str = "status";

struct Asked<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    body: &'a [u8],
}

fn reply(
    stream: &mut impl Write,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
) -> io::Result<()> {
    write_head(stream, status, headers, body.len())?;
    stream.write_all(body)
}

fn write_head(
    stream: &mut impl Write,
    status: u16,
    headers: &[(&str, String)],
    length: usize,
) -> io::Result<()> {
    let said = headers.iter().find(|(name, _)| *name == STATUS);
    let status = said.map_or_else(|| status.to_string(), |(_, status)| status.clone());
    let mut head = format!("HTTP/1.1 {status} .\r\ncontent-length: {length}\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| *name != STATUS) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    stream.write_all(head.as_bytes())
}
