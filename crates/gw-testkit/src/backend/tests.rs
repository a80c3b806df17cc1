use super::*;
use crate::wire::{Connection, request};

#[test]
fn requests_are_kept_as_they_arrived() {
    let backend = Backend::start();
    let reply = request(backend.address(), "POST", "/a?b=1", &[("X-Odd", "1")], b"hello")
        .expect("the backend answers");
    assert_eq!(reply.status, 200);
    let [seen] = &backend.requests()[..] else { panic!("one request was sent") };
    assert_eq!((seen.method.as_str(), seen.target.as_str()), ("POST", "/a?b=1"));
    assert_eq!(seen.header("x-odd"), Some("1"));
    assert!(seen.head.contains("X-Odd: 1\r\n"));
    assert_eq!(seen.body, b"hello");
}

#[test]
fn one_connection_carries_several_requests_chunked_or_not() {
    let backend = Backend::start();
    backend.set_answer(Answer { status: 404, headers: vec![], body: b"none".to_vec() });
    let mut connection = Connection::open(backend.address()).expect("the backend listens");
    let chunked = b"POST /c HTTP/1.1\r\nhost: b\r\ntransfer-encoding: chunked\r\n\r\n\
        3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n";
    for bytes in [&chunked[..], b"GET /g HTTP/1.1\r\nhost: b\r\n\r\n"] {
        connection.send(bytes).expect("the connection is open");
        let reply = connection.reply().expect("the reply is read").expect("there is a reply");
        assert_eq!((reply.status, reply.text().as_str()), (404, "none"));
    }
    let bodies: Vec<_> = backend.requests().into_iter().map(|seen| seen.body).collect();
    assert_eq!(bodies, [b"abcde".to_vec(), vec![]]);
    assert_eq!(backend.connections(), 1);
}
