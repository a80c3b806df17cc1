//! From the store that an environment names to one that can be asked.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use gw_model::{
    environment::{SecretStore as Declared, Secrets},
    id::SecretName,
    secret::{Redacted, SecretFuture, SecretRefusal, SecretStore, SecretStores},
};

use crate::{environment::EnvironmentStore, files::FileStore};

/// The stores that this process can open.
#[derive(Debug)]
pub struct Stores {
    /// Folders of secrets lie below this one.
    pub root: PathBuf,
    /// The environment variables of the process, as its composition root read them.
    pub variables: BTreeMap<String, Redacted<String>>,
}

/// A store that cannot be read here.
#[derive(Debug)]
struct Closed {
    why: &'static str,
}

impl SecretStores for Stores {
    fn open(&self, declared: Option<&Secrets>) -> Arc<dyn SecretStore> {
        let Some(Secrets { store, names, .. }) = declared else {
            return Arc::new(Closed { why: "the environment names no secret store" });
        };
        match store {
            Declared::Files { directory } => {
                Arc::new(FileStore::new(self.root.join(directory), names.clone()))
            }
            Declared::Environment { prefix } => Arc::new(EnvironmentStore::new(
                prefix.as_deref().unwrap_or_default(),
                names.clone(),
                self.variables.clone(),
            )),
            Declared::AzureKeyVault { .. } => closed("Azure Key Vault is not available here"),
            Declared::HashicorpVault { .. } => closed("HashiCorp Vault is not available here"),
            Declared::AwsSecretsManager { .. } => {
                closed("AWS Secrets Manager is not available here")
            }
            Declared::Kubernetes {} => closed("Kubernetes secrets are not available here"),
        }
    }
}

impl SecretStore for Closed {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        let refusal = SecretRefusal::NoStore { name: name.clone(), why: self.why.to_owned() };
        Box::pin(async move { Err(refusal) })
    }
}

fn closed(why: &'static str) -> Arc<dyn SecretStore> {
    Arc::new(Closed { why })
}
