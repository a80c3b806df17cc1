//! What we say to a Git host, and what it has to answer: which branches and tags it has, and then one
//! pack with all of their objects that are not here. Version 2 of the protocol, and the older one.
//!
//! We ask for differences only from objects that are in the same pack, so a pack stands for itself.

use std::{collections::BTreeMap, path::Path};

use bytes::Bytes;
use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufWriter},
};

use super::{
    caps::Caps,
    failure::{Excess, GitError},
    id::{Format, ObjectId},
    wire::{DELIMITER, FLUSH, Line, Wire, put, text},
};

/// We name as many commits that we have; a host that knows none of them sends everything.
const MAX_HAVES: usize = 256;
/// A host may tell of its work between the bytes of a pack.
const CHATTER_BYTES: u64 = 4 << 20;

/// So many strange names are remembered.
const MAX_LEFT_OUT: usize = 1_000;

const HEAD: &str = "HEAD";
pub(super) const BRANCHES: &str = "refs/heads/";
pub(super) const TAGS: &str = "refs/tags/";

/// What a host has.
#[derive(Clone, Debug)]
pub(super) struct Announced {
    pub(super) format: Format,
    /// Every branch and tag by its whole name, with what it names.
    pub(super) refs: BTreeMap<String, ObjectId>,
    /// Names that nobody should have, written out.
    pub(super) left_out: Vec<String>,
    /// The branch that the host takes for the main one, by its whole name.
    pub(super) main: Option<String>,
    version: Version,
    /// It can be told what objects are named by.
    names_format: bool,
    /// Files that are too large need not be sent.
    filters: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Old,
    Two,
}

/// Listens to what a host says first, and asks for its branches and tags: those whose whole names begin
/// so. The older protocol lists all of them.
pub(super) async fn announced(
    wire: &mut Wire<'_>,
    prefixes: &[&str],
) -> Result<Announced, GitError> {
    let mut first = wire.line().await?;
    if let Line::Data(data) = &first
        && data.starts_with(b"# service=")
    {
        first = wire.line().await?;
        if first == Line::Flush {
            first = wire.line().await?;
        }
    }
    let Line::Data(first) = first else {
        return Err(GitError::NotGit { why: "it announces nothing" });
    };
    if first.trim_ascii() == b"version 2" {
        return announced_newly(wire, prefixes).await;
    }
    let first = if first.trim_ascii() == b"version 1" { wire.data().await? } else { first };
    announced_of_old(wire, first).await
}

async fn announced_newly(wire: &mut Wire<'_>, prefixes: &[&str]) -> Result<Announced, GitError> {
    let mut announced = Announced::new(Version::Two);
    let (mut lists, mut fetches) = (false, false);
    while let Line::Data(data) = wire.line().await? {
        let capability = String::from_utf8_lossy(data.trim_ascii()).into_owned();
        let (name, value) = capability.split_once('=').unwrap_or((&capability, ""));
        match name {
            "ls-refs" => lists = true,
            "fetch" => {
                fetches = true;
                announced.filters = value.split(' ').any(|feature| feature == "filter");
            }
            "object-format" => {
                announced.names_format = true;
                announced.format = format(value)?;
            }
            _ => {}
        }
    }
    if !lists || !fetches {
        return Err(GitError::NotGit { why: "it neither lists nor sends anything" });
    }
    let mut request = announced.command("ls-refs");
    put(&mut request, "symrefs\n");
    for prefix in [&HEAD].into_iter().chain(prefixes) {
        put(&mut request, &format!("ref-prefix {prefix}\n"));
    }
    request.extend(FLUSH);
    wire.ask(request).await?;
    loop {
        match wire.line().await? {
            Line::Data(data) => announced.add(&data)?,
            Line::Flush | Line::End => return Ok(announced),
            Line::Delimiter => return Err(GitError::broken("its list of branches is cut")),
        }
    }
}

async fn announced_of_old(wire: &mut Wire<'_>, first: Bytes) -> Result<Announced, GitError> {
    let mut announced = Announced::new(Version::Old);
    let mut parts = first.splitn(2, |byte| *byte == 0);
    let (first, capabilities) = (parts.next().unwrap_or_default(), parts.next());
    let Some(capabilities) = capabilities else {
        return Err(GitError::NotGit { why: "it does not say what it can do" });
    };
    let capabilities = String::from_utf8_lossy(capabilities.trim_ascii()).into_owned();
    let has = |name: &str| capabilities.split(' ').any(|it| it == name);
    if !has("side-band-64k") || !has("ofs-delta") {
        return Err(GitError::NotGit { why: "it speaks a Git of many years ago" });
    }
    announced.filters = has("filter");
    let named = capabilities.split(' ').find_map(|it| it.strip_prefix("object-format="));
    announced.format = named.map_or(Ok(Format::Sha1), format)?;
    let main = capabilities.split(' ').find_map(|it| it.strip_prefix("symref=HEAD:"));
    announced.main = main.and_then(branch);
    announced.add(first)?;
    loop {
        match wire.line().await? {
            Line::Data(data) if data.starts_with(b"shallow ") => return Err(GitError::Shallow),
            Line::Data(data) => announced.add(&data)?,
            Line::Flush => return Ok(announced),
            Line::Delimiter | Line::End => {
                return Err(GitError::broken("its list of branches is cut"));
            }
        }
    }
}

fn format(name: &str) -> Result<Format, GitError> {
    name.parse().map_err(|()| GitError::NotGit { why: "it names objects in an unknown way" })
}

impl Announced {
    fn new(version: Version) -> Self {
        Self {
            format: Format::Sha1,
            refs: BTreeMap::new(),
            left_out: vec![],
            main: None,
            version,
            names_format: false,
            filters: false,
        }
    }

    /// One line of a list: an object, a name, and what we did not ask for.
    fn add(&mut self, line: &[u8]) -> Result<(), GitError> {
        let mut words = line.trim_ascii_end().splitn(3, |byte| *byte == b' ');
        let (id, name) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let id = || {
            let id = std::str::from_utf8(id).ok().and_then(|id| id.parse::<ObjectId>().ok());
            let id = id.filter(|id| id.format() == self.format);
            id.ok_or_else(|| GitError::broken("a branch or tag that names nothing"))
        };
        if name == HEAD.as_bytes() {
            let said = words.next().and_then(|said| std::str::from_utf8(said).ok());
            let main = said.and_then(|said| said.strip_prefix("symref-target:"));
            if let Some(main) = main.and_then(branch) {
                let id = id()?;
                // Where little is asked for, nothing else says what it holds.
                self.refs.insert(main.clone(), id);
                self.main = Some(main);
            }
            return Ok(());
        }
        let whole = |prefix: &str| name.starts_with(prefix.as_bytes());
        // `^{}` is what a tag means in the end; we look for ourselves.
        if !(whole(BRANCHES) || whole(TAGS)) || name.ends_with(b"^{}") {
            return Ok(());
        }
        let id = id()?;
        match std::str::from_utf8(name).ok().filter(|name| is_plain(name)) {
            Some(name) => drop(self.refs.insert(name.to_owned(), id)),
            None if self.left_out.len() < MAX_LEFT_OUT => self.left_out.push(text(name)),
            None => {}
        }
        Ok(())
    }

    /// Asks for objects and writes the pack to a file.
    pub(super) async fn fetch(
        &self,
        wire: &mut Wire<'_>,
        wants: &[&ObjectId],
        haves: &[&ObjectId],
        caps: &Caps,
        file: &Path,
    ) -> Result<(), GitError> {
        let request = match self.version {
            Version::Two => self.request(wants, haves, caps),
            Version::Old => self.request_of_old(wants, haves, caps),
        };
        let excess = Excess::Pack { limit: caps.pack_bytes };
        wire.allow(caps.pack_bytes.saturating_add(CHATTER_BYTES), excess);
        wire.ask(request).await?;
        if self.version == Version::Two {
            match wire.data().await?.trim_ascii() {
                b"packfile" => {}
                b"shallow-info" => return Err(GitError::Shallow),
                _ => return Err(GitError::broken("an answer to nothing that we asked")),
            }
        }
        receive(wire, caps, file).await
    }

    fn command(&self, name: &str) -> Vec<u8> {
        let mut request = vec![];
        put(&mut request, &format!("command={name}\n"));
        if self.names_format {
            put(&mut request, &format!("object-format={}\n", self.format.as_str()));
        }
        request.extend(DELIMITER);
        request
    }

    fn request(&self, wants: &[&ObjectId], haves: &[&ObjectId], caps: &Caps) -> Vec<u8> {
        let mut request = self.command("fetch");
        put(&mut request, "ofs-delta\n");
        put(&mut request, "no-progress\n");
        if self.filters {
            put(&mut request, &format!("filter blob:limit={}\n", caps.blob_bytes + 1));
        }
        for want in wants {
            put(&mut request, &format!("want {want}\n"));
        }
        for have in haves.iter().take(MAX_HAVES) {
            put(&mut request, &format!("have {have}\n"));
        }
        put(&mut request, "done\n");
        request.extend(FLUSH);
        request
    }

    fn request_of_old(&self, wants: &[&ObjectId], haves: &[&ObjectId], caps: &Caps) -> Vec<u8> {
        let mut request = vec![];
        for (index, want) in wants.iter().enumerate() {
            if index > 0 {
                put(&mut request, &format!("want {want}\n"));
                continue;
            }
            let filter = if self.filters { " filter" } else { "" };
            let format = match self.format {
                Format::Sha1 => "",
                Format::Sha256 => " object-format=sha256",
            };
            let asked = format!("side-band-64k ofs-delta no-progress{filter}{format}");
            put(&mut request, &format!("want {want} {asked}\n"));
        }
        if self.filters {
            put(&mut request, &format!("filter blob:limit={}\n", caps.blob_bytes + 1));
        }
        request.extend(FLUSH);
        for have in haves.iter().take(MAX_HAVES) {
            put(&mut request, &format!("have {have}\n"));
        }
        put(&mut request, "done\n");
        request
    }
}

/// Writes what comes in the first band; the second tells of progress and the third of failure. The
/// older protocol says in front which commits both have.
async fn receive(wire: &mut Wire<'_>, caps: &Caps, path: &Path) -> Result<(), GitError> {
    let file = File::create(path).await.map_err(GitError::copy)?;
    let mut file = BufWriter::with_capacity(1 << 20, file);
    let mut written = 0_u64;
    loop {
        let data = match wire.line().await? {
            Line::Data(data) => data,
            Line::Flush | Line::End => break,
            Line::Delimiter => return Err(GitError::broken("the pack is cut")),
        };
        match data.split_first() {
            Some((1, bytes)) => {
                written += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                if written > caps.pack_bytes {
                    return Err(Excess::Pack { limit: caps.pack_bytes }.into());
                }
                file.write_all(bytes).await.map_err(GitError::copy)?;
            }
            Some((2, _)) => {}
            Some((3, words)) => return Err(GitError::Said { what: text(words) }),
            _ if data.starts_with(b"NAK") || data.starts_with(b"ACK ") => {}
            _ if data.starts_with(b"shallow ") => return Err(GitError::Shallow),
            _ => return Err(GitError::broken("the pack comes in an unknown band")),
        }
    }
    file.flush().await.map_err(GitError::copy)
}

/// The whole name of a branch, if it is one.
fn branch(name: &str) -> Option<String> {
    (name.starts_with(BRANCHES) && is_plain(name)).then(|| name.to_owned())
}

/// A name that Git itself would give, and that reads the same to everybody.
fn is_plain(name: &str) -> bool {
    const MAX_NAME: usize = 512;
    let strange = |sign: char| {
        sign == ' ' || "~^:?*[\\".contains(sign) || gw_model::terminal::is_hidden(sign)
    };
    let is_part = |part: &str| {
        let lock = part.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("lock"));
        !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with('.') && !lock
    };
    name.len() <= MAX_NAME
        && !name.contains("..")
        && !name.contains("@{")
        && !name.contains(strange)
        && name.split('/').all(is_part)
}

#[cfg(test)]
mod tests;
