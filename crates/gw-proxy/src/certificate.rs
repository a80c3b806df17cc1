//! Callers who prove themselves with a client certificate.
//!
//! The connection proved that the caller holds the key. Here it is decided, for each call, whether
//! an authority of a declared identity vouches for the certificate. The caller's name is the first
//! URI or DNS name that the certificate carries, never its common name, which no authority has to
//! check; without either it is the certificate's SHA-256.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use ::aws_lc_rs::digest::{SHA256, digest};
use arc_swap::ArcSwap;
use gw_model::{
    id::{IdentityName, SecretName},
    secret::{SecretRefusal, SecretStore},
};
use gw_policy::principal::{ClaimSet, Principal};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, UnixTime, pem::PemObject as _};
use webpki::EndEntityCert;

/// An identity that certificates prove.
#[derive(Debug)]
pub(crate) struct Authorities {
    identity: IdentityName,
    secrets: Vec<SecretName>,
    held: ArcSwap<Result<Arc<dyn ClientCertVerifier>, NoAuthority>>,
}

/// Why no certificate can be judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoAuthority {
    Unread,
    Secret(SecretRefusal),
    NotACertificate(SecretName),
}

/// Why a certificate proves nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotTrusted;

impl Authorities {
    pub(crate) fn new(identity: IdentityName, secrets: Vec<SecretName>) -> Self {
        Self { identity, secrets, held: ArcSwap::from_pointee(Err(NoAuthority::Unread)) }
    }

    /// Reads the authorities again. An identity of which one authority is gone trusts nobody.
    pub(crate) async fn refresh(&self, store: &dyn SecretStore) {
        let next = self.read(store).await;
        let unreachable =
            matches!(&next, Err(NoAuthority::Secret(SecretRefusal::Unreachable { .. })));
        if !unreachable || self.held.load().is_err() {
            self.held.store(Arc::new(next));
        }
    }

    async fn read(
        &self,
        store: &dyn SecretStore,
    ) -> Result<Arc<dyn ClientCertVerifier>, NoAuthority> {
        let mut roots = RootCertStore::empty();
        for name in &self.secrets {
            let secret = store.read(name).await.map_err(NoAuthority::Secret)?;
            let refuse = || NoAuthority::NotACertificate(name.clone());
            let mut found = 0_usize;
            for certificate in CertificateDer::pem_slice_iter(secret.value.reveal()) {
                let certificate = certificate.map_err(|_| refuse())?;
                roots.add(certificate).map_err(|_| refuse())?;
                found += 1;
            }
            if found == 0 {
                return Err(refuse());
            }
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let built = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
        built.map(|verifier| verifier as _).map_err(|_| NoAuthority::Unread)
    }

    /// Who the certificate proves its holder to be. `now` is in Unix seconds.
    pub(crate) fn verify(
        &self,
        chain: &[CertificateDer<'static>],
        now: u64,
    ) -> Result<Principal, NotTrusted> {
        let held = self.held.load();
        let Ok(verifier) = held.as_ref() else { return Err(NotTrusted) };
        let (own, others) = chain.split_first().ok_or(NotTrusted)?;
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now));
        verifier.verify_client_cert(own, others, now).map_err(|_| NotTrusted)?;
        let names = EndEntityCert::try_from(own).map_err(|_| NotTrusted)?;
        let uris: BTreeSet<_> = names.valid_uri_names().map(str::to_owned).collect();
        let dns: BTreeSet<_> = names.valid_dns_names().map(str::to_owned).collect();
        let fingerprint: String =
            digest(&SHA256, own).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let first = names.valid_uri_names().next().or_else(|| names.valid_dns_names().next());
        let subject = first.map_or_else(|| format!("sha256:{fingerprint}"), str::to_owned);
        let claims = [("dns", dns), ("uri", uris), ("fingerprint", BTreeSet::from([fingerprint]))];
        let held = claims.into_iter().filter(|(_, values)| !values.is_empty());
        Ok(Principal {
            identity: self.identity.clone(),
            issuer: format!("certificate:{}", self.identity),
            subject,
            claims: held.map(|(name, values)| (name.to_owned(), values)).collect::<ClaimSet>(),
            expires_at: None,
        })
    }
}

impl fmt::Display for NoAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unread => f.write_str("the authorities were not read yet"),
            Self::Secret(refusal) => refusal.fmt(f),
            Self::NotACertificate(name) => {
                write!(f, "the secret `{name}` is not a certificate in PEM form")
            }
        }
    }
}
