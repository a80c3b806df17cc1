//! The certificate of a server, which somebody renews from time to time.

use std::sync::Arc;

use gw_net::tls::Own;
use rustls::ServerConfig;

use crate::{commands::Context, config::TlsFiles, exit::Failure};

#[derive(Debug)]
pub(super) struct Certificate {
    files: TlsFiles,
    own: Arc<Own>,
    /// What was told about one that cannot be used: it is not told again.
    told: Option<String>,
}

impl Certificate {
    pub(super) fn open(files: TlsFiles) -> Result<Self, Failure> {
        let own = Own::new(&files.read()?).map_err(|refusal| files.refuse(refusal))?;
        Ok(Self { files, own, told: None })
    }

    pub(super) fn server(&self) -> Result<Arc<ServerConfig>, Failure> {
        Arc::clone(&self.own).server().map_err(|refusal| self.files.refuse(refusal))
    }

    /// Shows what the files hold now. As long as that cannot be used, the former one is shown.
    pub(super) fn follow(&mut self, context: Context<'_>) {
        let replaced = self.files.read().and_then(|pem| {
            let replaced = self.own.replace(&pem);
            replaced.map_err(|refusal| self.files.refuse(refusal))
        });
        match replaced {
            Ok(()) => self.told = None,
            Err(failure) => {
                let words = failure.to_string();
                if self.told.as_ref() != Some(&words) {
                    context.ui.failure(&failure);
                    self.told = Some(words);
                }
            }
        }
    }
}
