use gw_testkit::authority::Authority;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

use super::*;

/// A certificate for `localhost`, and how it looks to whoever is shown it.
fn leaf(authority: &Authority) -> (Pem, Vec<u8>) {
    let (text, der) = authority.holder("localhost");
    let chain = text.clone().into_bytes();
    (Pem { chain, key: Redacted::new(text.into_bytes()) }, der)
}

/// Two that greet each other in memory: what the caller was shown.
fn shown(own: &Arc<Own>, authority: &Authority) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().into()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().unwrap();
    let mut caller = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(own).server().unwrap()).unwrap();
    while caller.is_handshaking() || server.is_handshaking() {
        let mut bytes = vec![];
        caller.write_tls(&mut bytes).unwrap();
        server.read_tls(&mut bytes.as_slice()).unwrap();
        server.process_new_packets().unwrap();
        let mut bytes = vec![];
        server.write_tls(&mut bytes).unwrap();
        caller.read_tls(&mut bytes.as_slice()).unwrap();
        caller.process_new_packets().unwrap();
    }
    caller.peer_certificates().unwrap()[0].to_vec()
}

#[test]
fn a_certificate_is_replaced_and_one_that_cannot_be_used_is_not() {
    let authority = Authority::new();
    let ((first, first_der), (second, second_der)) = (leaf(&authority), leaf(&authority));
    let own = Own::new(&first).unwrap();
    assert_eq!(shown(&own, &authority), first_der);
    own.replace(&second).unwrap();
    assert_eq!(shown(&own, &authority), second_der);

    let mixed = Pem { chain: first.chain.clone(), key: Redacted::new(second.chain.clone()) };
    assert_eq!(own.replace(&mixed), Err(TlsRefusal::KeyAndCertificateDiffer));
    let empty = Pem { chain: vec![], key: Redacted::new(second.chain.clone()) };
    assert_eq!(own.replace(&empty), Err(TlsRefusal::NoCertificate));
    let keyless = Pem { chain: first.chain, key: Redacted::new(b"none".to_vec()) };
    assert_eq!(own.replace(&keyless), Err(TlsRefusal::NoKey));
    assert_eq!(shown(&own, &authority), second_der);
}
