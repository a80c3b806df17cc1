//! A backend that speaks TLS, and to nobody who has no certificate of the right authority.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use parking_lot::Mutex;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::Authority;

/// Listens on a free loopback port until it is dropped; its own certificate is for `localhost`.
#[derive(Debug)]
pub struct Secured {
    address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// What each caller that was spoken to showed first.
    callers: Mutex<Vec<Vec<u8>>>,
    stopping: AtomicBool,
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";

/// Longer than any answer of a test takes.
const PATIENCE: Duration = Duration::from_secs(20);

impl Secured {
    /// Asks for a certificate of `wanted`, and has one of `own`.
    pub fn start(own: &Authority, wanted: &Authority) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::new(Seen::default());
        let (config, for_thread) = (own.guarded(wanted), Arc::clone(&seen));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if for_thread.stopping.load(SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (config, seen) = (Arc::clone(&config), Arc::clone(&for_thread));
                thread::spawn(move || serve(stream, config, &seen).ok());
            }
        });
        Self { address, seen }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// The certificate of every caller whose request was answered, as DER, the oldest first.
    pub fn callers(&self) -> Vec<Vec<u8>> {
        self.seen.callers.lock().clone()
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        self.seen.stopping.store(true, SeqCst);
        // The accepting thread sits in `accept`; a last connection lets it see the flag.
        drop(TcpStream::connect(self.address));
    }
}

/// Answers one request.
fn serve(stream: TcpStream, config: Arc<ServerConfig>, seen: &Seen) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let connection = ServerConnection::new(config).map_err(std::io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    let chain = stream.conn.peer_certificates().unwrap_or_default();
    seen.callers.lock().extend(chain.first().map(|own| own.to_vec()));
    stream.write_all(ANSWER)?;
    stream.conn.send_close_notify();
    stream.flush()
}
