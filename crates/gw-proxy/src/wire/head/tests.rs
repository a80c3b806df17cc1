use std::net::Ipv4Addr;

use super::*;

fn parse(method: &str, target: &str, headers: &[(&str, &str)]) -> Result<RequestHead, Malformed> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let watch = Rc::new(Watch::new(Rc::default()));
    let peer = Rc::new(Peer::new(address, Scheme::Http, None, watch));
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = HeaderName::try_from(*name).expect("a name");
        map.append(name, HeaderValue::from_str(value).expect("a value"));
    }
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    RequestHead::parse(method, target.parse().expect("a target"), Version::HTTP_11, map, peer)
}

#[test]
fn what_two_servers_could_read_differently_is_refused() {
    type Row<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Malformed);
    let table: &[Row<'_>] = &[
        ("GET", "/", &[], Malformed::NoHost),
        ("GET", "/", &[("host", "a"), ("host", "b")], Malformed::SeveralHosts),
        ("GET", "/", &[("host", "")], Malformed::HostForm),
        ("GET", "/", &[("host", "a b")], Malformed::HostForm),
        ("GET", "/", &[("host", "a,b")], Malformed::HostForm),
        ("GET", "/", &[("host", "u@a")], Malformed::HostForm),
        ("GET", "/", &[("host", "a:b")], Malformed::HostForm),
        ("GET", "/", &[("host", "a:+1")], Malformed::HostForm),
        ("GET", "/", &[("host", "a:70000")], Malformed::HostForm),
        ("GET", "/", &[("host", "[::1")], Malformed::HostForm),
        ("GET", "/", &[("host", "[::1]x")], Malformed::HostForm),
        ("GET", "http://b/", &[("host", "a")], Malformed::HostMismatch),
        ("GET", "https://a/", &[("host", "a")], Malformed::HostMismatch),
        ("GET", "http://u@a/", &[("host", "a")], Malformed::HostMismatch),
        ("OPTIONS", "*", &[("host", "a")], Malformed::TargetForm),
        ("CONNECT", "a:1", &[("host", "a")], Malformed::MethodForm),
        ("GET", "/", &[("host", "a"), ("x_y", "1")], Malformed::Underscore),
        ("POST", "/", &[("host", "a"), ("content-length", "+5")], Malformed::Framing),
        ("POST", "/", &[("host", "a"), ("content-length", "5, 5")], Malformed::Framing),
        (
            "POST",
            "/",
            &[("host", "a"), ("content-length", "5"), ("transfer-encoding", "chunked")],
            Malformed::Framing,
        ),
        ("POST", "/", &[("host", "a"), ("transfer-encoding", "gzip, chunked")], Malformed::Framing),
        (
            "GET",
            "/",
            &[("host", "a"), ("connection", "gatewright-x")],
            Malformed::ConnectionNamesIdentity,
        ),
        ("GET", "/", &[("host", "a"), ("connection", "a b")], Malformed::ConnectionForm),
    ];
    for (method, target, headers, expected) in table {
        let got = parse(method, target, headers).map(|_| ());
        assert_eq!(got, Err(*expected), "{method} {target} {headers:?}");
    }
}

#[test]
fn a_plain_head_keeps_what_matters_and_loses_what_ends_here() {
    let headers = [
        ("host", "Shop.Example:8080"),
        ("connection", "close, x-hop"),
        ("x-hop", "1"),
        ("te", "trailers"),
        ("upgrade", "h2c"),
        ("x-kept", "1"),
        ("content-length", "3"),
    ];
    let head = parse("POST", "http://shop.example:8080/a%20b?c=d", &headers).expect("a head");
    assert_eq!((head.host.as_str(), head.path()), ("shop.example:8080", "/a%20b"));
    assert_eq!((head.query(), head.length), (Some("c=d"), Length::Known(3)));
    let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["content-length", "host", "x-kept"]);
}
