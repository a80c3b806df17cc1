//! Secrets as environment variables: `orders-backend-key` is `ORDERS_BACKEND_KEY`, after the
//! declared prefix. The variables themselves are read by the composition root.

use std::collections::BTreeMap;

use gw_model::{
    id::SecretName,
    secret::{Redacted, Secret, SecretFuture, SecretRefusal, SecretStore},
};

#[derive(Debug)]
pub struct EnvironmentStore {
    prefix: String,
    names: BTreeMap<SecretName, String>,
    variables: BTreeMap<String, Redacted<String>>,
}

impl EnvironmentStore {
    pub fn new(
        prefix: &str,
        names: BTreeMap<SecretName, String>,
        variables: BTreeMap<String, Redacted<String>>,
    ) -> Self {
        Self { prefix: prefix.to_owned(), names, variables }
    }

    fn variable(&self, name: &SecretName) -> String {
        match self.names.get(name) {
            Some(renamed) => format!("{}{renamed}", self.prefix),
            None => variable(&self.prefix, name),
        }
    }

    fn find(&self, name: &SecretName) -> Result<Secret, SecretRefusal> {
        let Some(value) = self.variables.get(&self.variable(name)) else {
            return Err(SecretRefusal::Missing { name: name.clone() });
        };
        if value.reveal().is_empty() {
            return Err(SecretRefusal::Empty { name: name.clone() });
        }
        let value = Redacted::new(value.reveal().clone().into_bytes());
        Ok(Secret { value, version: None, since: None })
    }
}

/// The variable of a secret that was given no other name.
pub fn variable(prefix: &str, name: &SecretName) -> String {
    format!("{prefix}{}", name.as_str().to_ascii_uppercase().replace('-', "_"))
}

impl SecretStore for EnvironmentStore {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        let answer = self.find(name);
        Box::pin(async move { answer })
    }
}

#[cfg(test)]
mod tests;
