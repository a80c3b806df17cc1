use super::*;

#[test]
fn a_gateway_that_listens_elsewhere_is_noticed() {
    let actual: SocketAddr = "127.0.0.1:8080".parse().unwrap();
    let told = |declared| elsewhere(declared, actual).map(|address| address.to_string());
    assert_eq!(told(Some("127.0.0.1:8081")).as_deref(), Some("127.0.0.1:8081"));
    assert_eq!(told(Some("0.0.0.0:8080")).as_deref(), Some("0.0.0.0:8080"));
    assert_eq!(told(Some("127.0.0.1:8080")), None);
    assert_eq!(told(Some("127.0.0.1:0")), None, "any port was asked for");
    assert_eq!(told(None), None, "it is where a gateway listens by default");
}
