//! A certificate authority, and servers that it vouches for or that something is wrong with.

use std::sync::Arc;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier,
    crypto::aws_lc_rs,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use time::{OffsetDateTime, macros::datetime};

const LONG_AGO: OffsetDateTime = datetime!(2020-01-01 00:00 UTC);
const NOT_SO_LONG_AGO: OffsetDateTime = datetime!(2021-01-01 00:00 UTC);
const FAR_AHEAD: OffsetDateTime = datetime!(2999-01-01 00:00 UTC);
const FURTHER_AHEAD: OffsetDateTime = datetime!(3000-01-01 00:00 UTC);

#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What is wrong with the certificate of a server that is called `localhost`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    None,
    Expired,
    NotYetValid,
    OtherName,
    /// An authority of the same name signed it, which nobody trusts.
    OtherAuthority,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "authority of tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key is made");
        Self(CertifiedIssuer::self_signed(params, key).expect("a certificate is made"))
    }

    /// The certificate that whoever trusts this authority is given, as DER.
    pub fn der(&self) -> Vec<u8> {
        self.0.der().to_vec()
    }

    /// How a server speaks TLS with a certificate of this authority.
    pub(crate) fn server(&self, flaw: Flaw) -> Arc<ServerConfig> {
        let name = if flaw == Flaw::OtherName { "elsewhere.test" } else { "localhost" };
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name is a name");
        (params.not_before, params.not_after) = match flaw {
            Flaw::Expired => (LONG_AGO, NOT_SO_LONG_AGO),
            Flaw::NotYetValid => (FAR_AHEAD, FURTHER_AHEAD),
            Flaw::None | Flaw::OtherName | Flaw::OtherAuthority => (LONG_AGO, FURTHER_AHEAD),
        };
        let key = KeyPair::generate().expect("a key is made");
        let other = (flaw == Flaw::OtherAuthority).then(Self::new);
        let Self(issuer) = other.as_ref().unwrap_or(self);
        let certificate = params.signed_by(&key, issuer).expect("a certificate is made");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = server().with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.expect("the key is the certificate's"))
    }

    /// The same without a flaw, for a server that speaks to nobody whom `callers` does not vouch for.
    pub(crate) fn guarded(&self, callers: &Self) -> Arc<ServerConfig> {
        let (chain, key) = self.leaf("localhost");
        let mut roots = RootCertStore::empty();
        roots.add(callers.0.der().clone()).expect("it is an authority");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let config = server().with_client_cert_verifier(verifier.build().expect("there is a root"));
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = config.with_single_cert(vec![chain.der().clone()], key);
        Arc::new(config.expect("the key is the certificate's"))
    }

    /// A certificate with its key as one PEM text, as a secret holds it, and as DER.
    pub fn holder(&self, name: &str) -> (String, Vec<u8>) {
        let (certificate, key) = self.leaf(name);
        (certificate.pem() + &key.serialize_pem(), certificate.der().to_vec())
    }

    /// The certificate that whoever trusts this authority is given, as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn leaf(&self, name: &str) -> (Certificate, KeyPair) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name is a name");
        (params.not_before, params.not_after) = (LONG_AGO, FURTHER_AHEAD);
        let key = KeyPair::generate().expect("a key is made");
        (params.signed_by(&key, &self.0).expect("a certificate is made"), key)
    }
}

fn server() -> ConfigBuilder<ServerConfig, WantsVerifier> {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows them")
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}
