//! Where callers arrive: one listening socket per thread, and the connections on it.

use std::{
    io,
    net::{SocketAddr, TcpListener as StdListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::{MissedTickBehavior, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    pace::{self, Pacer, Watch},
    phase::Phase,
    pipeline::Worker,
    room::Room,
    wire::{
        self,
        head::{Peer, Scheme},
    },
};

const BACKLOG: i32 = 1024;
/// What the system keeps of an answer that is not taken yet; it doubles this. Left to itself it keeps
/// megabytes for a slow reader, and tells of progress only when a third of them is gone.
const SEND_BUFFER_BYTES: usize = 256 << 10;

/// Binds the same address once per thread; the kernel spreads the connections.
pub(crate) fn bind(address: SocketAddr, threads: usize) -> io::Result<Vec<StdListener>> {
    // Sockets that share a port do not notice another gateway that shares it too. One that does not
    // share notices, so that one is tried first.
    let alone = open(address)?;
    alone.bind(&address.into())?;
    let address = alone.local_addr()?.as_socket().unwrap_or(address);
    drop(alone);
    (0..threads)
        .map(|_| {
            let socket = open(address)?;
            socket.set_reuse_port(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            Ok(socket.into())
        })
        .collect()
}

fn open(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Connections inherit it.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    Ok(socket)
}

/// Takes connections until told to stop, then waits for the calls on them.
pub(crate) async fn accept(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    room: Room,
    worker: Rc<Worker>,
    mut phase: watch::Receiver<Phase>,
) {
    let acceptor = tls.map(TlsAcceptor::from);
    // Every connection holds a sender; when the last is dropped, all connections have ended.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    let mut sweep = tokio::time::interval(Duration::from_secs(5));
    let mut ticks = tokio::time::interval(pace::TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let pacer = Pacer::new(worker.shared.bounds.patience());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _tick = ticks.tick() => {
                pacer.tick();
                continue;
            }
            _tick = sweep.tick() => {
                worker.pool.sweep();
                continue;
            }
            _asked = phase.wait_for(|phase| *phase >= Phase::Drain) => break,
        };
        match accepted {
            Ok((stream, address)) => {
                // This one not counted.
                let others = open.strong_count() - 1;
                let is_full = others >= room.callers;
                let shed = if is_full { pacer.shed(room.batch()) } else { 0 };
                worker.shared.metrics.shed_connections.add(shed);
                if others >= room.callers + room.latecomers {
                    worker.shared.metrics.refused_connections.add(1);
                    drop(stream);
                    // Those that were told to go have to be let go.
                    tokio::task::yield_now().await;
                    continue;
                }
                let (worker, open, watch) = (Rc::clone(&worker), open.clone(), pacer.watch());
                if is_full && shed == 0 {
                    watch.send_back();
                }
                let acceptor = acceptor.clone();
                tokio::task::spawn_local(async move {
                    serve(stream, address, acceptor, &worker, watch).await;
                    drop(open);
                });
                if shed > 0 {
                    tokio::task::yield_now().await;
                }
            }
            // The process has no descriptors left, although everybody keeps to their share: somebody
            // lowered the limit, or the whole machine has none.
            Err(_) => {
                worker.shared.metrics.shed_connections.add(pacer.shed(room.batch()));
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
    drop(listener);
    drop(open);
    pacer.drain();
    loop {
        tokio::select! {
            _closed = all_closed.recv() => return,
            _tick = ticks.tick() => pacer.tick(),
        }
    }
}

async fn serve(
    stream: TcpStream,
    address: SocketAddr,
    acceptor: Option<TlsAcceptor>,
    worker: &Worker,
    watch: Rc<Watch>,
) {
    // Without it small answers wait for the caller's acknowledgement; they still arrive.
    let _slower = stream.set_nodelay(true);
    let bounds = &worker.shared.bounds;
    let Some(acceptor) = acceptor else {
        let peer = Peer::new(address, Scheme::Http, None, watch);
        return wire::hyper::serve(stream, Rc::new(peer), bounds, worker).await;
    };
    let handshake = watch.unless_late(acceptor.accept(stream));
    let Ok(Some(Ok(stream))) = timeout(bounds.handshake_timeout, handshake).await else {
        worker.shared.metrics.failed_handshakes.add(1);
        return;
    };
    let chain = stream.get_ref().1.peer_certificates();
    let certificates = chain.map(|chain| chain.iter().map(|c| c.clone().into_owned()).collect());
    let peer = Peer::new(address, Scheme::Https, certificates, watch);
    wire::hyper::serve(stream, Rc::new(peer), bounds, worker).await;
}
