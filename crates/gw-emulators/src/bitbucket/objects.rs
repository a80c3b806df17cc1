//! The objects and refs of one bare repository, through the `git` program.
//!
//! Nothing of the user's own settings of git is read, and names that came in over the wire are
//! never taken for options.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    thread,
};

use super::state::Uuid;

/// Why git did not do it.
#[derive(Debug)]
pub enum GitError {
    /// The program is not there, or the folder is not ours.
    Run(io::Error),
    /// What git said.
    Said(String),
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(error) => write!(f, "git cannot be run: {error}"),
            Self::Said(words) => write!(f, "git: {words}"),
        }
    }
}

impl std::error::Error for GitError {}

/// Refuses what a restriction forbids. The rules that bind whoever pushes come in by `BRANCH_RULES`, one
/// on a line: what is forbidden, and the branches.
const RECEIVE: &str = r#"#!/bin/sh
zero=0000000000000000000000000000000000000000
while read -r old new ref; do
    case $ref in refs/heads/*) branch=${ref#refs/heads/} ;; *) continue ;; esac
    printf '%s\n' "$BRANCH_RULES" | while read -r kind pattern; do
        case $branch in $pattern) ;; *) continue ;; esac
        case $kind in
        push)
            echo "Permission denied to update branch $branch." >&2
            exit 1
            ;;
        delete)
            if [ "$new" = "$zero" ]; then
                echo "Permission denied to delete branch $branch." >&2
                exit 1
            fi
            ;;
        force)
            if [ "$old" != "$zero" ] && [ "$new" != "$zero" ] &&
                ! git merge-base --is-ancestor "$old" "$new"; then
                echo "Permission denied to rewrite branch $branch." >&2
                exit 1
            fi
            ;;
        esac
    done || exit 1
done
"#;

/// Where the heads of pull requests from forks are kept.
const PULLS: &str = "refs/pull-requests";

/// Variables that would point git elsewhere.
const ELSEWHERE: &[&str] = &[
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_NAMESPACE",
    "GIT_CONFIG_PARAMETERS",
    "GIT_CONFIG_COUNT",
];

/// A git command that sees no settings but those of the repository.
pub(super) fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for name in ELSEWHERE {
        command.env_remove(name);
    }
    command
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a command that reads all of the input.
pub(super) fn feed(mut command: Command, input: &[u8]) -> Result<Output, GitError> {
    let mut child = command.stdin(Stdio::piped()).spawn().map_err(GitError::Run)?;
    let sink = child.stdin.take();
    thread::scope(|scope| {
        scope.spawn(move || {
            // A program that answers before it has read everything closes its end.
            sink.map(|mut sink| sink.write_all(input)).transpose().ok();
        });
        child.wait_with_output().map_err(GitError::Run)
    })
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) hash: String,
    pub(super) parents: Vec<String>,
    pub(super) author: String,
    pub(super) email: String,
    /// As git writes it, which is as Bitbucket does.
    pub(super) date: String,
    pub(super) message: String,
}

/// One path of a difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    pub(super) added: u64,
    pub(super) removed: u64,
}

/// Who makes a commit, and when.
#[derive(Clone, Debug)]
pub(super) struct Hand<'a> {
    pub(super) name: &'a str,
    pub(super) email: &'a str,
    pub(super) seconds: i64,
}

/// Whether a ref was where it was thought to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Move {
    Done,
    Stale,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    pub(super) folder: PathBuf,
}

/// Where the repository of this UUID lies.
pub(super) fn folder_of(all: &Path, uuid: &Uuid) -> PathBuf {
    all.join(format!("{}.git", uuid.bare()))
}

impl Objects {
    /// What lies there already.
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// A new bare repository without commits.
    pub(super) fn create(folder: PathBuf, main: &str) -> Result<Self, GitError> {
        fs::create_dir_all(&folder).map_err(GitError::Run)?;
        let objects = Self { folder };
        let head = format!("--initial-branch={main}");
        objects.run(&["init", "--quiet", "--bare", "--template=", head.as_str(), "."])?;
        // Heads that came from forks are nobody's to fetch.
        objects.run(&["config", "transfer.hideRefs", PULLS])?;
        let hooks = objects.folder.join("hooks");
        fs::create_dir_all(&hooks).map_err(GitError::Run)?;
        let hook = hooks.join("pre-receive");
        fs::write(&hook, RECEIVE).map_err(GitError::Run)?;
        make_executable(&hook).map_err(GitError::Run)?;
        Ok(objects)
    }

    fn output<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<Output, GitError> {
        git(&self.folder).args(arguments).output().map_err(GitError::Run)
    }

    fn run<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Result<String, GitError> {
        text(&self.output(arguments)?)
    }

    /// Copies every branch of another repository.
    pub(super) fn copy(&self, other: &Self) -> Result<(), GitError> {
        self.fetch(other, "+refs/heads/*:refs/heads/*")
    }

    /// Brings the branch of a fork where a pull request of this number keeps its head.
    pub(super) fn bring(&self, fork: &Self, branch: &str, pull: u64) -> Result<(), GitError> {
        self.fetch(fork, &format!("+refs/heads/{branch}:{PULLS}/{pull}/from"))
    }

    fn fetch(&self, other: &Self, what: &str) -> Result<(), GitError> {
        let options = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head"].map(OsStr::new);
        let mut arguments = options.to_vec();
        arguments.extend([other.folder.as_os_str(), OsStr::new(what)]);
        self.run(&arguments).map(|_| ())
    }

    /// Branches and tags, with the commits they lead to. What leads to none is left out.
    pub(super) fn refs(&self) -> Result<BTreeMap<String, String>, GitError> {
        // A tag that is an object of its own leads to another one, which has a star.
        let format =
            "--format=%(objecttype) %(objectname) %(*objecttype) %(*objectname) %(refname)";
        let list = self.run(&["for-each-ref", format, "refs/heads", "refs/tags"])?;
        Ok(list.lines().filter_map(read_ref).collect())
    }

    /// The full hash of the commit that a hash, a part of one, a branch or a tag names.
    pub(super) fn resolve(&self, revision: &str) -> Result<Option<String>, GitError> {
        let commit = format!("{revision}^{{commit}}");
        let output =
            self.output(&["rev-parse", "--verify", "--quiet", "--end-of-options", &commit])?;
        Ok(if output.status.success() { Some(text(&output)?.trim().to_owned()) } else { None })
    }

    /// Commits by their full hashes.
    pub(super) fn commits<'h>(
        &self,
        hashes: impl IntoIterator<Item = &'h String>,
    ) -> Result<BTreeMap<String, Commit>, GitError> {
        let mut revisions = vec!["--no-walk=unsorted".to_owned()];
        revisions.extend(hashes.into_iter().cloned());
        if revisions.len() == 1 {
            return Ok(BTreeMap::new());
        }
        let commits = self.log(&revisions, &[])?.into_iter();
        Ok(commits.map(|commit| (commit.hash.clone(), commit)).collect())
    }

    pub(super) fn commit(&self, hash: &str) -> Result<Option<Commit>, GitError> {
        let Some(hash) = self.resolve(hash)? else { return Ok(None) };
        Ok(self.log(&["--no-walk".to_owned(), hash], &[])?.pop())
    }

    /// Commits that the arguments name, the newest first. The caller gives full hashes only.
    pub(super) fn log(
        &self,
        revisions: &[String],
        paths: &[String],
    ) -> Result<Vec<Commit>, GitError> {
        let mut arguments = vec![
            "log".to_owned(),
            "-z".to_owned(),
            "--format=%H%n%P%n%an%n%ae%n%aI%n%B".to_owned(),
        ];
        arguments.extend_from_slice(revisions);
        arguments.push("--".to_owned());
        // Only those that touch these paths, where there are any.
        arguments.extend_from_slice(paths);
        let list = self.run(&arguments)?;
        Ok(list.split('\0').filter_map(read_commit).collect())
    }

    pub(super) fn is_ancestor(&self, old: &str, new: &str) -> Result<bool, GitError> {
        Ok(self.output(&["merge-base", "--is-ancestor", old, new])?.status.success())
    }

    pub(super) fn merge_base(&self, one: &str, other: &str) -> Result<Option<String>, GitError> {
        let output = self.output(&["merge-base", one, other])?;
        Ok(if output.status.success() { Some(text(&output)?.trim().to_owned()) } else { None })
    }

    /// What turns the old commit's tree into the new one's.
    pub(super) fn changes(&self, old: &str, new: &str) -> Result<Vec<Change>, GitError> {
        let list = self.run(&["diff-tree", "-r", "-z", "-M", "--numstat", old, new])?;
        let status = self.run(&["diff-tree", "-r", "-z", "-M", "--name-status", old, new])?;
        Ok(read_changes(&list, &status))
    }

    /// The same, line by line.
    pub(super) fn patch(&self, old: &str, new: &str) -> Result<String, GitError> {
        self.run(&["diff-tree", "-r", "-p", "-M", "--no-color", "--no-ext-diff", old, new])
    }

    /// The tree of a merge; `None` where it conflicts.
    pub(super) fn merge(&self, one: &str, other: &str) -> Result<Option<String>, GitError> {
        let output = self.output(&["merge-tree", "--write-tree", "--no-messages", one, other])?;
        match output.status.code() {
            Some(1) => Ok(None),
            _ => Ok(Some(text(&output)?.lines().next().unwrap_or_default().to_owned())),
        }
    }

    pub(super) fn write_commit(
        &self,
        tree: &str,
        parents: &[&str],
        message: &str,
        hand: &Hand<'_>,
    ) -> Result<String, GitError> {
        let date = format!("{} +0000", hand.seconds);
        let mut command = git(&self.folder);
        command.args(["commit-tree", tree]);
        for parent in parents {
            command.args(["-p", parent]);
        }
        command
            .env("GIT_AUTHOR_NAME", hand.name)
            .env("GIT_AUTHOR_EMAIL", hand.email)
            .env("GIT_AUTHOR_DATE", &date)
            .env("GIT_COMMITTER_NAME", hand.name)
            .env("GIT_COMMITTER_EMAIL", hand.email)
            .env("GIT_COMMITTER_DATE", &date);
        Ok(text(&feed(command, message.as_bytes())?)?.trim().to_owned())
    }

    /// Puts files on top of a branch, which may not be there yet.
    pub(super) fn add_files(
        &self,
        branch: &str,
        message: &str,
        hand: &Hand<'_>,
        files: &[(&str, &str)],
    ) -> Result<(), GitError> {
        let Hand { name, email, seconds } = hand;
        let reference = format!("refs/heads/{branch}");
        let mut stream =
            format!("commit {reference}\ncommitter {name} <{email}> {seconds} +0000\n");
        stream.push_str(&data(message));
        if self.resolve(&reference)?.is_some() {
            stream.push_str(&format!("from {reference}^0\n"));
        }
        for (path, text) in files {
            stream.push_str(&format!("M 100644 inline {}\n{}", quote(path), data(text)));
        }
        let mut command = git(&self.folder);
        command.args(["fast-import", "--quiet", "--date-format=raw"]);
        text(&feed(command, stream.as_bytes())?).map(|_| ())
    }

    /// Moves a ref if it still is where it was; no new hash deletes it, no old one makes it.
    pub(super) fn move_ref(
        &self,
        name: &str,
        new: Option<&str>,
        old: Option<&str>,
    ) -> Result<Move, GitError> {
        let line = match (new, old) {
            (Some(new), Some(old)) => format!("update {name}\0{new}\0{old}\0"),
            (Some(new), None) => format!("create {name}\0{new}\0"),
            (None, Some(old)) => format!("delete {name}\0{old}\0"),
            (None, None) => return Ok(Move::Done),
        };
        let mut command = git(&self.folder);
        command.args(["update-ref", "--stdin", "-z"]);
        let output = feed(command, line.as_bytes())?;
        Ok(if output.status.success() { Move::Done } else { Move::Stale })
    }

    /// Whether a branch may have this name.
    pub(super) fn is_branch_name(&self, name: &str) -> Result<bool, GitError> {
        Ok(self.output(&["check-ref-format", &format!("refs/heads/{name}")])?.status.success())
    }
}

fn text(output: &Output) -> Result<String, GitError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(GitError::Said(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// A text as the stream of an import carries it.
fn data(text: &str) -> String {
    format!("data {}\n{text}\n", text.len())
}

/// A path as the stream of an import carries it.
fn quote(path: &str) -> String {
    let escaped = path.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

/// Name and commit of a line about a ref.
fn read_ref(line: &str) -> Option<(String, String)> {
    let mut fields = line.splitn(5, ' ');
    let mut next = || fields.next();
    let (kind, hash, inner_kind, inner) = (next()?, next()?, next()?, next()?);
    let commit = if kind == "commit" { hash } else { inner };
    let leads = kind == "commit" || inner_kind == "commit";
    next().filter(|_| leads).map(|name| (name.to_owned(), commit.to_owned()))
}

fn read_commit(record: &str) -> Option<Commit> {
    let mut fields = record.splitn(6, '\n').map(str::to_owned);
    let hash = fields.next().filter(|hash| !hash.is_empty())?;
    let parents = fields.next()?.split_whitespace().map(str::to_owned).collect();
    let (author, email, date) = (fields.next()?, fields.next()?, fields.next()?);
    Some(Commit { hash, parents, author, email, date, message: fields.next()? })
}

/// `numstat` has the lines; `name-status` tells what was added and removed. Both name the paths in
/// one order.
fn read_changes(numbers: &str, status: &str) -> Vec<Change> {
    let mut numbers = numbers.split('\0').filter(|part| !part.is_empty());
    let mut status = status.split('\0').filter(|part| !part.is_empty());
    let mut changes = Vec::new();
    while let Some(line) = numbers.next() {
        let mut fields = line.splitn(3, '\t');
        // A file that is no text has a dash for its lines.
        let mut count = || fields.next().and_then(|field| field.parse().ok()).unwrap_or(0);
        let (added, removed) = (count(), count());
        if fields.next().is_none_or(str::is_empty) {
            // A rename: both paths follow on their own.
            numbers.nth(1);
        }
        let Some(kind) = status.next() else { break };
        let Some(path) = status.next().map(str::to_owned) else { break };
        let (old, new) = match kind.chars().next() {
            Some('A') => (None, Some(path)),
            Some('D') => (Some(path), None),
            Some('R' | 'C') => (Some(path), status.next().map(str::to_owned)),
            _ => (Some(path.clone()), Some(path)),
        };
        changes.push(Change { old, new, added, removed });
    }
    changes
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}
