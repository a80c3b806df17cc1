//! Real Git repositories of any shape, also of shapes that Git itself refuses, and hosts that serve
//! them: git's own backend over http behind a door, and the ssh server of the system.

pub mod host;
pub mod ssh;

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// Modes of the entries of a tree.
pub const FILE: &str = "100644";
pub const FOLDER: &str = "40000";
pub const LINK: &str = "120000";
pub const SUBMODULE: &str = "160000";

/// A bare repository that is gone when it is dropped.
#[derive(Debug)]
pub struct GitRepository {
    home: TempDir,
}

impl GitRepository {
    pub fn new() -> Self {
        Self::of("sha1")
    }

    /// One that names its objects by `sha1` or `sha256`.
    pub fn of(format: &str) -> Self {
        let home = TempDir::new().expect("a temporary folder can be made");
        let made = Self { home };
        let format = format!("--object-format={format}");
        let path = made.path();
        let path = path.to_str().expect("a temporary folder has a plain name");
        made.run(
            Path::new("/"),
            &["init", "--quiet", "--bare", "--initial-branch=main", &format, path],
            &[],
        );
        made.git(&["config", "uploadpack.allowFilter", "true"]);
        made
    }

    pub fn path(&self) -> PathBuf {
        self.home.path().join("repository.git")
    }

    /// The folder that the repository lies in.
    pub fn root(&self) -> &Path {
        self.home.path()
    }

    /// Runs git in the repository; what it writes, without the last line's end.
    pub fn git<A: AsRef<OsStr>>(&self, arguments: &[A]) -> String {
        self.run(&self.path(), arguments, &[])
    }

    fn run<A: AsRef<OsStr>>(&self, folder: &Path, arguments: &[A], input: &[u8]) -> String {
        let mut child = self
            .command(folder)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("git can be started");
        child.stdin.take().expect("a pipe").write_all(input).expect("git reads");
        let output = child.wait_with_output().expect("git ends");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git says: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// git, without anything that a machine or a person has set.
    fn command(&self, folder: &Path) -> Command {
        let mut command = Command::new("git");
        command
            .current_dir(folder)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("HOME", self.home.path())
            .env("GIT_AUTHOR_NAME", "Ada")
            .env("GIT_AUTHOR_EMAIL", "ada@example.com")
            .env("GIT_AUTHOR_DATE", "1767225600 +0000")
            .env("GIT_COMMITTER_NAME", "Ada")
            .env("GIT_COMMITTER_EMAIL", "ada@example.com")
            .env("GIT_COMMITTER_DATE", "1767225600 +0000");
        command
    }

    /// An object of any content, whether or not Git would make it.
    pub fn object(&self, kind: &str, bytes: &[u8]) -> String {
        let arguments = ["hash-object", "-t", kind, "-w", "--literally", "--stdin"];
        self.run(&self.path(), &arguments, bytes)
    }

    /// A folder of these entries, in the order in which they are given: mode, name, object.
    pub fn folder(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut bytes = vec![];
        for (mode, name, id) in entries {
            bytes.extend(mode.as_bytes());
            bytes.push(b' ');
            bytes.extend(*name);
            bytes.push(0);
            let digits = id.as_bytes().chunks(2).map(|it| std::str::from_utf8(it).expect("hex"));
            bytes.extend(digits.map(|it| u8::from_str_radix(it, 16).expect("hex")));
        }
        self.object("tree", &bytes)
    }

    /// The folder of these files.
    pub fn files(&self, files: &[(&str, &str)]) -> String {
        let (mut here, mut below) = (BTreeMap::new(), BTreeMap::<&str, Vec<_>>::new());
        for (path, text) in files {
            match path.split_once('/') {
                Some((folder, rest)) => below.entry(folder).or_default().push((rest, *text)),
                None => drop(here.insert(*path, self.object("blob", text.as_bytes()))),
            }
        }
        let files = here.into_iter().map(|(name, id)| (name.to_owned(), FILE, name, id));
        let folders = below
            .into_iter()
            // Git orders a folder as if its name ended in `/`.
            .map(|(name, files)| (format!("{name}/"), FOLDER, name, self.files(&files)));
        let mut entries: Vec<_> = files.chain(folders).collect();
        entries.sort();
        let entries =
            entries.iter().map(|(_, mode, name, id)| (*mode, name.as_bytes(), id.as_str()));
        self.folder(&entries.collect::<Vec<_>>())
    }

    /// A commit of a tree.
    pub fn commit(&self, tree: &str, parents: &[&str], message: &str) -> String {
        let mut arguments = vec!["commit-tree", tree, "-m", message];
        arguments.extend(parents.iter().flat_map(|parent| ["-p", parent]));
        self.git(&arguments)
    }

    /// The text of a commit's signature, and the bytes that it is over.
    pub fn signature(&self, id: &str) -> (String, Vec<u8>) {
        let raw = self.git(&["cat-file", "commit", id]) + "\n";
        let (mut text, mut signed, mut inside) = (String::new(), String::new(), false);
        for line in raw.split_inclusive('\n') {
            match line.strip_prefix("gpgsig ") {
                Some(first) => (inside, text) = (true, first.to_owned()),
                None => match line.strip_prefix(' ').filter(|_| inside) {
                    Some(next) => text.push_str(next),
                    None => {
                        inside = false;
                        signed.push_str(line);
                    }
                },
            }
        }
        (text, signed.into_bytes())
    }

    /// A pack of these objects, whether or not they name one another or anything that is there.
    pub fn pack(&self, ids: &[&str], options: &[&str]) -> Vec<u8> {
        let base = self.root().join("packed");
        let base = base.to_str().expect("a temporary folder has a plain name");
        let arguments = [&["pack-objects", "-q"], options, &[base]].concat();
        let digest = self.run(&self.path(), &arguments, (ids.join("\n") + "\n").as_bytes());
        let path = format!("{base}-{digest}.pack");
        std::fs::read(path).expect("git has written it")
    }

    /// Makes a branch or tag, `refs/heads/main`, name an object.
    pub fn set(&self, name: &str, id: &str) {
        self.git(&["update-ref", name, id]);
    }

    /// A commit of these files on a branch, behind the one that is there.
    pub fn push(&self, branch: &str, files: &[(&str, &str)]) -> String {
        let name = format!("refs/heads/{branch}");
        let listed = self.git(&["for-each-ref", "--format=%(objectname)", &name]);
        let parents: Vec<&str> = listed.lines().collect();
        let tree = self.files(files);
        let commit = self.commit(&tree, &parents, &format!("changes {branch}"));
        self.set(&name, &commit);
        commit
    }
}

impl Default for GitRepository {
    fn default() -> Self {
        Self::new()
    }
}
