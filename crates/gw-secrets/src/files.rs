//! Secrets as files of one folder: the file's name is the secret's name.
//!
//! One line break at the end of a file is not part of the value: editors and `echo` add it.

use std::{
    collections::BTreeMap,
    io,
    path::{Component, Path, PathBuf},
    time::UNIX_EPOCH,
};

use gw_model::{
    id::SecretName,
    secret::{Redacted, Secret, SecretFuture, SecretRefusal, SecretStore},
};
use tokio::{fs::File, io::AsyncReadExt as _};

/// No credential is longer; a longer file is a mistake.
pub(crate) const MAX_BYTES: u64 = 64 * 1024;

#[derive(Debug)]
pub struct FileStore {
    folder: PathBuf,
    names: BTreeMap<SecretName, String>,
}

impl FileStore {
    pub fn new(folder: PathBuf, names: BTreeMap<SecretName, String>) -> Self {
        Self { folder, names }
    }

    async fn load(&self, name: &SecretName) -> Result<Secret, SecretRefusal> {
        let file_name = self.names.get(name).map_or(name.as_str(), String::as_str);
        // A renamed secret stays inside the folder, whatever its new name says.
        if !is_one_name(file_name) {
            return Err(SecretRefusal::Missing { name: name.clone() });
        }
        let refuse = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => SecretRefusal::Missing { name: name.clone() },
            io::ErrorKind::PermissionDenied => SecretRefusal::Denied { name: name.clone() },
            kind => SecretRefusal::Unreachable { name: name.clone(), why: kind.to_string() },
        };
        let file = File::open(self.folder.join(file_name)).await.map_err(refuse)?;
        let about = file.metadata().await.map_err(refuse)?;
        if !about.is_file() {
            return Err(SecretRefusal::Missing { name: name.clone() });
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).await.map_err(refuse)?;
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX_BYTES {
            return Err(SecretRefusal::TooLarge { name: name.clone() });
        }
        trim_line_break(&mut bytes);
        if bytes.is_empty() {
            return Err(SecretRefusal::Empty { name: name.clone() });
        }
        let changed = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let since = changed.and_then(|age| i64::try_from(age.as_secs()).ok());
        Ok(Secret { value: Redacted::new(bytes), version: None, since })
    }
}

impl SecretStore for FileStore {
    fn read<'a>(&'a self, name: &'a SecretName) -> SecretFuture<'a> {
        Box::pin(self.load(name))
    }
}

fn is_one_name(text: &str) -> bool {
    let mut parts = Path::new(text).components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(part)), None) if part == text)
}

fn trim_line_break(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}

#[cfg(test)]
mod tests;
