//! Puts a commit of ours on a branch: one file, on top of what the branch holds. Where somebody else
//! was there first nothing is changed.

use std::io::{self, Write as _};

use gix_object::{Kind, compute_hash};
use gix_zlib::{Compression, stream::deflate};
use time::OffsetDateTime;
use tokio::time::timeout;

use super::{
    Repository, RepositorySettings,
    address::Credential,
    failure::{Excess, GitError},
    id::{Format, ObjectId},
    link::{Link, Service, Ways},
    objects::{kind_of, outer_id},
    talk::{self, BRANCHES},
    wire::{FLUSH, Line, Wire, put, text},
};

/// A file that is to be all that a branch holds.
#[derive(Clone, Copy, Debug)]
pub struct Deposit<'a> {
    pub branch: &'a str,
    /// What the branch has to hold still; none: it is not there yet.
    pub onto: Option<ObjectId>,
    pub file: &'a str,
    pub bytes: &'a [u8],
    pub message: &'a str,
    pub at: OffsetDateTime,
}

/// Who commits. Nobody reads mail there.
const WHO: &str = "Gatewright <gatewright@localhost>";
/// A file that anybody may read and nobody runs.
const FILE_MODE: &str = "100644";

impl Repository {
    /// Pushes a deposit, where the branch still holds what it was made for.
    pub async fn push(
        &self,
        credential: &Credential,
        deposit: &Deposit<'_>,
    ) -> Result<(), GitError> {
        let limit = self.settings.caps.time;
        let pushed = timeout(limit, self.push_in_time(credential, deposit)).await;
        pushed.unwrap_or(Err(GitError::TooSlow { limit }))
    }

    async fn push_in_time(
        &self,
        credential: &Credential,
        deposit: &Deposit<'_>,
    ) -> Result<(), GitError> {
        let RepositorySettings { address, caps, ssh, .. } = &self.settings;
        let ways = Ways { client: &self.client, reach: &self.reach, ssh };
        let link = Link::open(&ways, address, credential, Service::Push).await?;
        let limit = caps.announcement_bytes;
        let mut wire = Wire::new(link, limit, Excess::Announcement { limit });
        let announced = talk::announced(&mut wire, &[]).await?;
        let branch = format!("{BRANCHES}{}", deposit.branch);
        if announced.refs.get(&branch).copied() != deposit.onto {
            let what = format!("`{}` holds something else by now", deposit.branch);
            return Err(GitError::Said { what });
        }
        let (commit, pack) = deposit.pack(announced.format)?;
        let nothing = "0".repeat(commit.to_string().len());
        let former = deposit.onto.map_or(nothing, |onto| onto.to_string());
        let format = announced.format.as_str();
        let mut request = vec![];
        put(
            &mut request,
            &format!("{former} {commit} {branch}\0report-status object-format={format}\n"),
        );
        request.extend(FLUSH);
        request.extend(pack);
        wire.ask(request).await?;
        report(&mut wire).await
    }
}

/// What became of it: that the pack was taken, and that the branch was.
async fn report(wire: &mut Wire<'_>) -> Result<(), GitError> {
    let mut taken = false;
    loop {
        let data = match wire.line().await? {
            Line::Data(data) => data,
            Line::Flush | Line::End => break,
            Line::Delimiter => return Err(GitError::broken("its answer to a push is cut")),
        };
        match data.trim_ascii() {
            b"unpack ok" => {}
            line if line.starts_with(b"ok ") => taken = true,
            line => return Err(GitError::Said { what: text(line) }),
        }
    }
    if taken { Ok(()) } else { Err(GitError::broken("it does not say what became of a push")) }
}

impl Deposit<'_> {
    /// The name of the commit, and a pack with all that is new.
    fn pack(&self, format: Format) -> Result<(ObjectId, Vec<u8>), GitError> {
        let blob = name(format, Kind::Blob, self.bytes)?;
        let mut tree = format!("{FILE_MODE} {}\0", self.file).into_bytes();
        tree.extend(blob.as_bytes());
        let tree_id = name(format, Kind::Tree, &tree)?;
        let parent = self.onto.map(|onto| format!("parent {onto}\n")).unwrap_or_default();
        let at = self.at.unix_timestamp();
        let commit = format!(
            "tree {tree_id}\n{parent}author {WHO} {at} +0000\ncommitter {WHO} {at} +0000\n\n{}\n",
            self.message
        );
        let commit = commit.into_bytes();
        let id = name(format, Kind::Commit, &commit)?;
        let mut pack = b"PACK\0\0\0\x02\0\0\0\x03".to_vec();
        for (kind, bytes) in [(1, commit.as_slice()), (2, &tree), (3, self.bytes)] {
            add(&mut pack, kind, bytes).map_err(GitError::broken)?;
        }
        let mut hasher = gix_hash::hasher(kind_of(format));
        hasher.update(&pack);
        pack.extend(hasher.try_finalize().map_err(GitError::broken)?.as_bytes());
        Ok((id, pack))
    }
}

fn name(format: Format, kind: Kind, bytes: &[u8]) -> Result<ObjectId, GitError> {
    let id = compute_hash(kind_of(format), kind, bytes).map_err(GitError::broken)?;
    outer_id(&id)
}

/// One object as a pack holds it: its kind and length, seven bits in each byte but the first, and its
/// bytes made smaller.
fn add(pack: &mut Vec<u8>, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let low = |length: usize, mask: usize| u8::try_from(length & mask).unwrap_or_default();
    let mut left = bytes.len() >> 4;
    let more = |left: usize| if left > 0 { 0x80 } else { 0 };
    pack.push(more(left) | kind << 4 | low(bytes.len(), 0x0f));
    while left > 0 {
        let byte = low(left, 0x7f);
        left >>= 7;
        pack.push(more(left) | byte);
    }
    let mut smaller = deflate::Write::new(pack, Compression::DEFAULT);
    smaller.write_all(bytes)?;
    smaller.flush()
}

#[cfg(test)]
mod tests;
