//! Puts a commit of ours on a branch: one file on top of what the branch holds, or a new branch on which
//! some files are otherwise. Where somebody else was there first nothing is changed.

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

/// Files that a new branch has otherwise than the commit that it begins at.
#[derive(Clone, Debug)]
pub struct Edit<'a> {
    pub branch: &'a str,
    pub onto: ObjectId,
    pub edited: Edited,
    pub message: &'a str,
    pub at: OffsetDateTime,
}

/// What is new of a folder whose files were edited.
#[derive(Clone, Debug)]
pub struct Edited {
    pub(super) root: ObjectId,
    pub(super) objects: Vec<New>,
}

/// An object that nobody has yet.
#[derive(Clone, Debug)]
pub(super) struct New {
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
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
        let pack = |format| deposit.pack(format);
        self.deliver(credential, deposit.branch, deposit.onto, &pack).await
    }

    /// Pushes a new branch, where there is none of that name.
    pub async fn branch_off(
        &self,
        credential: &Credential,
        edit: &Edit<'_>,
    ) -> Result<(), GitError> {
        self.deliver(credential, edit.branch, None, &|format| edit.pack(format)).await
    }

    async fn deliver(
        &self,
        credential: &Credential,
        branch: &str,
        former: Option<ObjectId>,
        pack: &(dyn Fn(Format) -> Result<(ObjectId, Vec<u8>), GitError> + Sync),
    ) -> Result<(), GitError> {
        let limit = self.settings.caps.time;
        let pushed = timeout(limit, self.deliver_in_time(credential, branch, former, pack)).await;
        pushed.unwrap_or(Err(GitError::TooSlow { limit }))
    }

    async fn deliver_in_time(
        &self,
        credential: &Credential,
        branch: &str,
        former: Option<ObjectId>,
        pack: &(dyn Fn(Format) -> Result<(ObjectId, Vec<u8>), GitError> + Sync),
    ) -> Result<(), GitError> {
        let RepositorySettings { address, caps, ssh, .. } = &self.settings;
        let ways = Ways { client: &self.client, reach: &self.reach, ssh };
        let link = Link::open(&ways, address, credential, Service::Push).await?;
        let limit = caps.announcement_bytes;
        let mut wire = Wire::new(link, limit, Excess::Announcement { limit });
        let announced = talk::announced(&mut wire, &[]).await?;
        let name = format!("{BRANCHES}{branch}");
        if announced.refs.get(&name).copied() != former {
            let what = format!("`{branch}` holds something else by now");
            return Err(GitError::Said { what });
        }
        let (commit, pack) = pack(announced.format)?;
        let nothing = "0".repeat(commit.to_string().len());
        let former = former.map_or(nothing, |former| former.to_string());
        let format = announced.format.as_str();
        let mut request = vec![];
        put(
            &mut request,
            &format!("{former} {commit} {name}\0report-status object-format={format}\n"),
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
        let root = name(format, Kind::Tree, &tree)?;
        let new = vec![
            New { kind: Kind::Tree, bytes: tree },
            New { kind: Kind::Blob, bytes: self.bytes.to_vec() },
        ];
        committed(format, &root, self.onto, self.message, self.at, new)
    }
}

impl Edit<'_> {
    fn pack(&self, format: Format) -> Result<(ObjectId, Vec<u8>), GitError> {
        let Self { onto, edited: Edited { root, objects }, message, at, .. } = self;
        committed(format, root, Some(*onto), message, *at, objects.clone())
    }
}

/// The name of a commit of ours, and a pack with it and all that is new beside it.
fn committed(
    format: Format,
    root: &ObjectId,
    parent: Option<ObjectId>,
    message: &str,
    at: OffsetDateTime,
    mut new: Vec<New>,
) -> Result<(ObjectId, Vec<u8>), GitError> {
    let parent = parent.map(|parent| format!("parent {parent}\n")).unwrap_or_default();
    let at = at.unix_timestamp();
    let commit = format!(
        "tree {root}\n{parent}author {WHO} {at} +0000\ncommitter {WHO} {at} +0000\n\n{message}\n"
    );
    let bytes = commit.into_bytes();
    let id = name(format, Kind::Commit, &bytes)?;
    new.push(New { kind: Kind::Commit, bytes });
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend(u32::try_from(new.len()).unwrap_or(u32::MAX).to_be_bytes());
    for New { kind, bytes } in &new {
        add(&mut pack, number(*kind), bytes).map_err(GitError::broken)?;
    }
    let mut hasher = gix_hash::hasher(kind_of(format));
    hasher.update(&pack);
    pack.extend(hasher.try_finalize().map_err(GitError::broken)?.as_bytes());
    Ok((id, pack))
}

/// A kind of object as a pack writes it.
const fn number(kind: Kind) -> u8 {
    match kind {
        Kind::Commit => 1,
        Kind::Tree => 2,
        Kind::Blob => 3,
        Kind::Tag => 4,
    }
}

pub(super) fn name(format: Format, kind: Kind, bytes: &[u8]) -> Result<ObjectId, GitError> {
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
