//! Certificates as files hold them, and the one that a listener shows. It can be replaced while it serves:
//! connections that are open keep theirs, new ones get the new one.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use gw_model::secret::Redacted;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};

/// A certificate with its chain, and its key.
#[derive(Debug)]
pub struct Pem {
    pub chain: Vec<u8>,
    pub key: Redacted<Vec<u8>>,
}

/// Why a certificate or its key cannot be used. It never says what the bytes were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsRefusal {
    NoCertificate,
    NoKey,
    KeyAndCertificateDiffer,
    Provider,
}

/// The certificate that a listener shows.
#[derive(Debug)]
pub struct Own {
    provider: Arc<CryptoProvider>,
    shown: ArcSwap<CertifiedKey>,
}

impl Own {
    pub fn new(pem: &Pem) -> Result<Arc<Self>, TlsRefusal> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let shown = ArcSwap::from_pointee(certified(pem, &provider)?);
        Ok(Arc::new(Self { provider, shown }))
    }

    /// Shows another one from now on. One that cannot be used changes nothing.
    pub fn replace(&self, pem: &Pem) -> Result<(), TlsRefusal> {
        self.shown.store(Arc::new(certified(pem, &self.provider)?));
        Ok(())
    }

    /// How a listener speaks that asks callers for no certificate.
    pub fn server(self: Arc<Self>) -> Result<Arc<ServerConfig>, TlsRefusal> {
        let mut config = ServerConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsRefusal::Provider)?
            .with_no_client_auth()
            .with_cert_resolver(self);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Own {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.load_full())
    }
}

fn certified(pem: &Pem, provider: &CryptoProvider) -> Result<CertifiedKey, TlsRefusal> {
    let (chain, key) = (read_chain(&pem.chain)?, read_key(pem.key.reveal())?);
    CertifiedKey::from_der(chain, key, provider).map_err(|_| TlsRefusal::KeyAndCertificateDiffer)
}

pub fn read_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsRefusal> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    chain.ok().filter(|chain| !chain.is_empty()).ok_or(TlsRefusal::NoCertificate)
}

pub fn read_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, TlsRefusal> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|_| TlsRefusal::NoKey)
}

impl fmt::Display for TlsRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCertificate => "this is not a certificate in PEM form",
            Self::NoKey => "this holds no private key in PEM form",
            Self::KeyAndCertificateDiffer => "the private key is not that of the certificate",
            Self::Provider => "TLS cannot be set up",
        })
    }
}

impl std::error::Error for TlsRefusal {}

#[cfg(test)]
mod tests;
