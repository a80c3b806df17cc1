//! Callers over TLS, with and without a certificate of their own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use gw_model::{id::SecretName, scalar::Method, secret::Redacted, workspace::Identity};
use gw_net::tls::Pem;
use gw_policy::generation::Part;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};

use crate::bench::{Bench, granted, identity, named, rule, wait_until};

pub(crate) struct Leaf {
    chain: Vec<CertificateDer<'static>>,
    key: KeyPair,
    pem: String,
}

impl Leaf {
    /// For the gateway itself.
    pub(crate) fn tls(&self) -> Pem {
        let key = Redacted::new(self.key.serialize_pem().into_bytes());
        Pem { chain: self.pem.clone().into_bytes(), key }
    }
}

pub(crate) fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(vec![]).expect("parameters");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key"))
        .expect("a certificate")
}

pub(crate) fn leaf(authority: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Leaf {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![name.to_owned()]).expect("parameters");
    let certificate = params.signed_by(&key, authority).expect("a certificate");
    Leaf { chain: vec![certificate.der().clone()], key, pem: certificate.pem() }
}

/// GET over TLS; the status of the answer.
fn get(address: SocketAddr, roots: &RootCertStore, own: Option<&Leaf>) -> u16 {
    let mut connection = Secured::open(address, roots, own);
    connection.call("GET /orders HTTP/1.1\r\nhost: gateway.test\r\n\r\n")
}

/// A connection over TLS. Several requests may follow one another on it.
pub(crate) struct Secured(BufReader<StreamOwned<ClientConnection, TcpStream>>);

impl Secured {
    pub(crate) fn open(address: SocketAddr, roots: &RootCertStore, own: Option<&Leaf>) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone());
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).expect("a key");
                builder.with_client_auth_cert(leaf.chain.clone(), key).expect("a pair")
            }
        };
        let name = ServerName::try_from("gateway.test").expect("a name");
        let connection = ClientConnection::new(Arc::new(config), name).expect("a connection");
        let socket = TcpStream::connect(address).expect("it accepts");
        socket.set_read_timeout(Some(Duration::from_secs(20))).expect("a limit");
        Self(BufReader::new(StreamOwned::new(connection, socket)))
    }

    /// The status of the answer, whose body has a length.
    pub(crate) fn call(&mut self, request: &str) -> u16 {
        self.0.get_mut().write_all(request.as_bytes()).expect("it reads");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(self.0.read_line(&mut head).expect("it answers"), 0, "{head}");
        }
        let lines = || head.split("\r\n").map(str::to_ascii_lowercase);
        let length =
            lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        self.0.read_exact(&mut vec![0; length.expect("a length")]).expect("a body");
        head.split(' ').nth(1).and_then(|it| it.parse().ok()).expect("a status")
    }
}

#[test]
fn a_certificate_is_a_caller_where_an_authority_of_an_identity_vouches_for_it() {
    let bench = Bench::new();
    let (ours, theirs) = (authority("ours"), authority("theirs"));
    let server = leaf(&ours, "gateway.test");
    let partner = leaf(&ours, "partner.example");
    let stranger = leaf(&theirs, "partner.example");
    let name = SecretName::parse("partner-ca").expect("a name");
    let partners = Part::Identity {
        name: identity("partners"),
        identity: Identity::ClientCertificate { authorities: vec![name] },
    };
    let mut orders = bench.orders();
    orders.spec.access =
        vec![rule(10, &[Method::Get], granted("partners", &[("dns", &["partner.example"])]))];
    let mut parts = bench.parts([named("orders", orders)]);
    parts.push(partners);
    bench.publish(1, &parts);
    bench.vault.set("partner-ca", &ours.pem());
    let mut settings = bench.settings();
    settings.tls = Some(server.tls());
    let gateway = bench.start_with(settings);
    let address = gateway.gateway.address();
    let mut roots = RootCertStore::empty();
    roots.add(ours.der().clone()).expect("a root");

    assert_eq!(get(address, &roots, None), 401);
    assert_eq!(get(address, &roots, Some(&partner)), 200);
    assert_eq!(get(address, &roots, Some(&stranger)), 401);
    let (_, record) = gateway.ask("/v1/decisions/last");
    assert_eq!(record["reason"], "certificate_refused");
    // Another name of the same authority is a caller, and not one whom a rule grants anything.
    assert_eq!(get(address, &roots, Some(&leaf(&ours, "other.example"))), 403);
    // An authority that is gone vouches for nobody.
    bench.vault.remove("partner-ca");
    wait_until(|| get(address, &roots, Some(&partner)) == 401);
}
