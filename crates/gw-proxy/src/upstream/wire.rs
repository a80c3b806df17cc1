//! The socket of a connection to an upstream, which can be asked whether anything came on it.

use std::{
    cell::Cell,
    io,
    mem::MaybeUninit,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    silence: Silence,
}

/// Whether nothing may have come when the socket is next read. Held by whoever holds the connection,
/// in which the socket itself is out of reach.
#[derive(Clone, Debug, Default)]
pub(super) struct Silence(Rc<Cell<bool>>);

impl Silence {
    pub(super) fn demand(&self, silence: bool) {
        self.0.set(silence);
    }
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Silence) {
        let silence = Silence::default();
        (Self { stream, silence: silence.clone() }, silence)
    }

    /// Asks the system: the runtime hears of bytes only between two of its turns, and a request that is
    /// sent within one would meet an answer that was there before it.
    fn is_silent(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let came = SockRef::from(&self.stream).peek(&mut byte);
        came.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.silence.0.take() && !self.is_silent() {
            // Its end, or bytes. With TLS these need not be an answer, but they are rare.
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
