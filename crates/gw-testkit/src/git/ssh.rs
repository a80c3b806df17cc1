//! The ssh server of the system, as an ordinary process on a free port of loopback, with keys of its own.

use std::{
    fs,
    io::Read as _,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::wire::free_port;

const SSHD: &str = "/usr/sbin/sshd";
/// Where `make counterparts` unpacks one.
const UNPACKED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.cache/openssh-server");
const PATIENCE: Duration = Duration::from_secs(20);
const BREATH: Duration = Duration::from_millis(20);

/// Runs until it is dropped.
#[derive(Debug)]
pub struct SshHost {
    folder: TempDir,
    port: u16,
    user: String,
    server: Child,
}

/// Which protocol of Git it lets its callers ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// As ssh servers are set up by their makers.
    Old,
    Version2,
}

impl SshHost {
    /// Or why this machine cannot have one.
    pub fn start(speaks: Speaks) -> Result<Self, String> {
        let unpacked = Path::new(UNPACKED);
        let places = [SSHD.into(), unpacked.join("usr/sbin/sshd")];
        let found = places.iter().find(|path| path.is_file());
        let sshd = found.ok_or("there is no server of ssh: run `make counterparts`")?;
        let folder = TempDir::new().expect("a temporary folder can be made");
        let of = |name: &str| folder.path().join(name);
        for key in ["host", "user", "stranger"] {
            make_key(&of(key));
        }
        fs::copy(of("user.pub"), of("authorized")).expect("a key can be copied");
        let (port, user) = (free_port(), user());
        if user == "root" {
            // As root it locks itself up in a folder of the system.
            fs::create_dir_all("/run/sshd").expect("root makes folders");
        }
        let accepts = if speaks == Speaks::Version2 { "AcceptEnv GIT_PROTOCOL\n" } else { "" };
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nX11Forwarding no\n{accepts}",
            of("host").display(),
            of("authorized").display(),
        );
        fs::write(of("config"), config).expect("a file can be written");
        let server = Command::new(sshd)
            // Its libraries, where it is not installed.
            .env("LD_LIBRARY_PATH", unpacked.join("usr/lib/x86_64-linux-gnu"))
            .args(["-D", "-e", "-f"])
            .arg(of("config"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server can be started");
        let host = Self { folder, port, user, server };
        fs::write(host.known_hosts(), host.known_by("host")).expect("a file can be written");
        host.wait();
        Ok(host)
    }

    fn wait(&self) {
        let begun = Instant::now();
        loop {
            let greeting = TcpStream::connect(("127.0.0.1", self.port)).and_then(|mut stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.read_exact(&mut [0; 4])
            });
            if greeting.is_ok() {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "the ssh server does not answer");
            thread::sleep(BREATH);
        }
    }

    /// The address of a repository by its whole path.
    pub fn url(&self, repository: &Path) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port, repository.display())
    }

    /// The key that is let in.
    pub fn key(&self) -> PathBuf {
        self.folder.path().join("user")
    }

    /// A key that is not.
    pub fn other_key(&self) -> PathBuf {
        self.folder.path().join("stranger")
    }

    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    /// A file that knows another key under the name of this host.
    pub fn other_known_hosts(&self) -> PathBuf {
        let path = self.folder.path().join("other_hosts");
        fs::write(&path, self.known_by("stranger")).expect("a file can be written");
        path
    }

    fn known_by(&self, key: &str) -> String {
        let public = self.folder.path().join(format!("{key}.pub"));
        let public = fs::read_to_string(public).expect("a key was made");
        format!("[127.0.0.1]:{} {public}", self.port)
    }
}

impl Drop for SshHost {
    fn drop(&mut self) {
        self.server.kill().expect("our own process can be ended");
        self.server.wait().expect("it ends");
    }
}

fn make_key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "test", "-f"])
        .arg(path)
        .stdin(Stdio::null())
        .status();
    assert!(made.is_ok_and(|status| status.success()), "a key can be made");
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("`id` is everywhere");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
