use gw_testkit::corpus::replay;

use super::*;

#[test]
fn heads_replay() {
    replay("head", head);
}

/// The inputs that are kept are worth replaying only if some of them get through.
#[test]
fn a_plain_head_is_read() {
    let plain = b"GET /orders?a=1\nhost: shop.test\nx-forwarded-for: 1.2.3.4, [::1]:80";
    let (method, target, headers) = read(plain).unwrap();
    assert_eq!(parse(method, target, headers).unwrap().host, "shop.test");
}
