//! TLS towards upstreams: whom the gateway believes, and as whom it speaks.

use std::sync::Arc;

use gw_net::tls::{TlsRefusal, read_chain, read_key};
use rustls::{
    ClientConfig, ConfigBuilder, RootCertStore,
    client::WantsClientCert,
    crypto::{CryptoProvider, aws_lc_rs},
};
use rustls_pki_types::{CertificateDer, pem::PemObject as _};

/// The authorities whose certificates upstreams may have.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    provider: Arc<CryptoProvider>,
    roots: Arc<RootCertStore>,
}

impl Trust {
    /// The machine's own authorities and those of `more`, as PEM.
    pub(crate) fn load(more: &[u8]) -> Result<Self, TlsRefusal> {
        let mut roots = RootCertStore::empty();
        // A machine without authorities still reaches upstreams without TLS, and those of `more`.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for certificate in CertificateDer::pem_slice_iter(more) {
            let certificate = certificate.map_err(|_| TlsRefusal::NoCertificate)?;
            roots.add(certificate).map_err(|_| TlsRefusal::NoCertificate)?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        Ok(Self { provider, roots: Arc::new(roots) })
    }

    /// Speaks as nobody.
    pub(crate) fn anonymous(&self) -> Result<Arc<ClientConfig>, TlsRefusal> {
        Ok(Arc::new(self.builder()?.with_no_client_auth()))
    }

    /// Speaks as the holder of a certificate: chain and key in one PEM text.
    pub(crate) fn holding(&self, pem: &[u8]) -> Result<Arc<ClientConfig>, TlsRefusal> {
        let (chain, key) = (read_chain(pem)?, read_key(pem)?);
        let config = self.builder()?.with_client_auth_cert(chain, key);
        config.map(Arc::new).map_err(|_| TlsRefusal::KeyAndCertificateDiffer)
    }

    fn builder(&self) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TlsRefusal> {
        let builder = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .map_err(|_| TlsRefusal::Provider)?;
        Ok(builder.with_root_certificates(Arc::clone(&self.roots)))
    }
}
