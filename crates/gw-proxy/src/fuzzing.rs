//! Any bytes as the head of a request, as far as it is ours: what comes after the codec. Only tests and
//! fuzzing build this.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, SocketAddr};

use gw_model::header::is_identity;
use gw_policy::route::normalize;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};

use crate::{
    shared::forwarded_for,
    stage::forward::strip,
    wire::head::{Malformed, Peer, RequestHead, Scheme},
};

/// A head that is taken has one meaning, keeps it when it is read again, and nothing of it that goes on
/// to a backend can be taken for the gateway's word.
pub fn head(bytes: &[u8]) {
    let Some((method, target, headers)) = read(bytes) else { return };
    let Ok(head) = parse(method.clone(), target.clone(), headers) else { return };
    assert!(!head.host.bytes().any(|byte| byte.is_ascii_uppercase() || b"@,/? ".contains(&byte)));
    assert!(head.path().starts_with('/'));
    if let Ok(path) = normalize(head.path()) {
        assert!(!path.split('/').any(|segment| matches!(segment, "." | "..")), "{path}");
    }
    assert!(!head.query().is_some_and(|query| query.contains([' ', '#', '\r', '\n'])));
    for name in ["connection", "expect", "keep-alive", "proxy-connection", "te", "upgrade"] {
        assert!(!head.headers.contains_key(name), "{name} is kept");
    }
    for address in forwarded_for(&head.headers).into_iter().flatten() {
        assert_eq!(address.to_canonical(), address);
    }
    for name in strip(&head.headers, false).keys().map(HeaderName::as_str) {
        let spellings = [name.to_owned(), name.to_ascii_uppercase(), name.replace('-', "_")];
        assert!(!spellings.iter().any(|name| is_identity(name)), "{name} goes on");
        assert!(!["authorization", "host", "transfer-encoding"].contains(&name), "{name} goes on");
    }
    let again = parse(method, target, head.headers.clone());
    let same = again.is_ok_and(|again| {
        (again.host, again.length, again.headers) == (head.host, head.length, head.headers)
    });
    assert!(same, "read again it means something else");
}

fn parse(method: Method, target: Uri, headers: HeaderMap) -> Result<RequestHead, Malformed> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 1));
    let watch = std::rc::Rc::new(crate::pace::Watch::new(std::rc::Rc::default()));
    let peer = std::rc::Rc::new(Peer::new(address, Scheme::Http, None, watch));
    RequestHead::parse(method, target, Version::HTTP_11, headers, peer)
}

/// `METHOD TARGET`, then `name:value` on each line: what the codec would have made of it.
fn read(bytes: &[u8]) -> Option<(Method, Uri, HeaderMap)> {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let first = lines.next()?;
    let space = first.iter().position(|byte| *byte == b' ')?;
    let (method, target) = first.split_at_checked(space)?;
    let mut headers = HeaderMap::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        let name = HeaderName::from_bytes(name).ok()?;
        headers.append(name, HeaderValue::from_bytes(value.get(1..)?.trim_ascii()).ok()?);
    }
    Some((Method::from_bytes(method).ok()?, Uri::try_from(target.get(1..)?).ok()?, headers))
}
