//! TLS towards callers. A client certificate is asked for only where an identity needs one.
//!
//! The handshake proves that the caller holds the certificate's key, and no more. Whether its issuer
//! is trusted is judged for each call, by the identities in force at that moment.

use std::sync::Arc;

use gw_net::tls::{Pem, TlsRefusal, read_chain, read_key};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime};

/// Whether some identity in force is proved by client certificates.
pub(crate) trait Wants: std::fmt::Debug + Send + Sync {
    fn certificates(&self) -> bool;
}

#[derive(Debug)]
struct Possession {
    wants: Arc<dyn Wants>,
    algorithms: WebPkiSupportedAlgorithms,
}

pub(crate) fn server(pem: &Pem, wants: Arc<dyn Wants>) -> Result<Arc<ServerConfig>, TlsRefusal> {
    let (chain, key) = (read_chain(&pem.chain)?, read_key(pem.key.reveal())?);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    let verifier = Arc::new(Possession { wants, algorithms });
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| TlsRefusal::Provider)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|_| TlsRefusal::KeyAndCertificateDiffer)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

impl ClientCertVerifier for Possession {
    fn offer_client_auth(&self) -> bool {
        self.wants.certificates()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
