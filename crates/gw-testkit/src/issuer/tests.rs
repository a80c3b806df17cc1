use super::*;
use crate::wire::exchange;

#[test]
fn it_publishes_what_it_is_told_and_counts() {
    let signer = Signer::es256("k1");
    let issuer = Issuer::start(&[&signer]);
    let get = |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        exchange(issuer.address, request.as_bytes()).unwrap()
    };
    assert_eq!(get(DISCOVERY).unwrap().json(), issuer.discovery());
    assert_eq!(get(KEYS).unwrap().json(), json!({"keys": [signer.jwk()]}));
    assert_eq!(get("/missing").unwrap().status, 404);
    issuer.set(KEYS, Document::Redirect("http://127.0.0.1:1/".to_owned()));
    assert_eq!(get(KEYS).unwrap().header("location"), Some("http://127.0.0.1:1/"));
    assert_eq!((issuer.fetches(DISCOVERY), issuer.fetches(KEYS)), (1, 2));
}
