use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream as Blocking},
    sync::mpsc::channel,
    thread,
};

use gw_net::address::LoopbackReach;
use http_body_util::BodyExt as _;

use super::{tls::Trust, *};
use crate::{pace::Watch, wire::body::ResponseBody};

const PATIENCE: Duration = Duration::from_secs(20);

fn pool() -> Pool {
    Pool::new(&Bounds::default(), Room { callers: 8, latecomers: 1 })
}

fn access(listener: &TcpListener) -> Access {
    let address = listener.local_addr().unwrap();
    let place = Place {
        scheme: Scheme::Http,
        host: Host::Ipv4(std::net::Ipv4Addr::LOCALHOST),
        port: address.port(),
        credential: 0,
    };
    Access {
        place: Arc::new(place),
        tls: Trust::load(&[]).unwrap().anonymous().unwrap(),
        reach: Arc::new(Reach::new([], LoopbackReach::Free)),
    }
}

fn request() -> Request<RequestBody> {
    Request::get("/").header("host", "x").body(RequestBody::empty()).unwrap()
}

/// Answers the next request.
fn answer(stream: &Blocking, text: &str) {
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.any(|line| line.unwrap().is_empty()));
    send(stream, text);
}

fn send(mut stream: &Blocking, text: &str) {
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}", text.len()).unwrap();
}

/// Reads the answer, and gives the connection back.
async fn read((response, lease): (Response<Incoming>, Lease)) -> String {
    let watch = Rc::new(Watch::new(Rc::default()));
    let body = ResponseBody::relay(response.into_body(), lease, PATIENCE, watch);
    String::from_utf8(body.collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

/// The runtime hears nothing of what comes between the two requests: it has no turn there.
#[test]
fn what_came_before_a_request_is_no_answer_to_it() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let access = access(&listener);
    let ours = Blocking::connect(listener.local_addr().unwrap()).unwrap();
    let system = ours.try_clone().unwrap();
    let (go, gone) = channel();
    let backend = thread::spawn(move || {
        let (used, _) = listener.accept().unwrap();
        answer(&used, "first");
        gone.recv_timeout(PATIENCE).unwrap();
        send(&used, "nobody asked for this");
        let (fresh, _) = listener.accept().unwrap();
        answer(&fresh, "second");
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let pool = pool();
        ours.set_nonblocking(true).unwrap();
        let (wire, silence) = Wire::new(TcpStream::from_std(ours).unwrap());
        let line = pool.greet(wire, silence, pool.count()).await.unwrap();
        let place = Arc::clone(&access.place);
        let ended = Some(RequestBody::empty().progress());
        let mut lease = Lease { line, place, pool: pool.clone(), request: ended };
        let Ok(response) = lease.line.exchange(request()).await else { panic!("it answers") };
        let first = (response, lease);
        assert_eq!(read(first).await, "first");
        assert_eq!(pool.lines.get(), 1, "it is kept");
        go.send(()).unwrap();
        while !system.peek(&mut [0]).is_ok_and(|bytes| bytes > 0) {
            thread::yield_now();
        }
        let second = pool.send(&access, request(), &|| None).await.unwrap();
        assert_eq!(read(second).await, "second");
    });
    backend.join().unwrap();
}
