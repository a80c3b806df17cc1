//! Git over the `ssh` of the system: one program, started with the same arguments each time, that
//! reads no configuration, asks nobody, and believes only the host's keys that it is given.

use std::{
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use gw_net::client::FetchError;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::timeout,
};
use url::Host;

use super::{Service, Ways};
use crate::source::git::{address::Address, failure::GitError};

const PORT: u16 = 22;
/// What is kept of what `ssh` complains about.
const MAX_WORDS: usize = 4096;
const CHUNK: usize = 64 << 10;
/// How long a program that has closed its output may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Said to every `ssh`; a host that knows the variable answers in the newer way.
const ALWAYS: &[&str] = &[
    "BatchMode=yes",
    "CheckHostIP=no",
    "ClearAllForwardings=yes",
    "ConnectTimeout=10",
    "ControlMaster=no",
    "ControlPath=none",
    "ForwardAgent=no",
    "GlobalKnownHostsFile=none",
    "HashKnownHosts=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "KbdInteractiveAuthentication=no",
    "LogLevel=ERROR",
    "PasswordAuthentication=no",
    "PermitLocalCommand=no",
    "PreferredAuthentications=publickey",
    "ProxyCommand=none",
    "RequestTTY=no",
    "ServerAliveCountMax=2",
    "ServerAliveInterval=10",
    "SetEnv=GIT_PROTOCOL=version=2",
    "StrictHostKeyChecking=yes",
    "UpdateHostKeys=no",
];

#[derive(Debug)]
pub(in crate::source::git) struct Ssh {
    child: Child,
    to: ChildStdin,
    from: ChildStdout,
    words: Option<JoinHandle<String>>,
}

impl Ssh {
    pub(super) async fn open(
        ways: &Ways<'_>,
        address: &Address,
        private_key: &Path,
        known_hosts: &Path,
        service: Service,
    ) -> Result<Self, GitError> {
        let (host, port) = place(address)?;
        // The address is judged here and gone to as it is, so no other answer of the name counts.
        let found = ways.reach.resolve(&host, port).await;
        let found = found.map_err(FetchError::Unreachable)?;
        let first = found.first().ok_or_else(|| unreachable_because("it has no address"))?;
        let known_as = match port {
            PORT => host.to_string(),
            port => format!("[{}]:{port}", host.to_string().trim_matches(['[', ']'])),
        };
        let mut command = Command::new(ways.ssh);
        // `ssh` finds the user and everything else without the environment.
        command.env_clear().args(["-F", "none", "-T"]);
        for option in ALWAYS {
            command.args(["-o", option]);
        }
        command
            .args(["-o", &format!("HostKeyAlias={known_as}")])
            .args(["-o", &format!("UserKnownHostsFile={}", known_hosts.display())])
            .args(["-o", &format!("IdentityFile={}", private_key.display())])
            .args(["-p", &port.to_string()])
            .args(["-l", user(address), "--", &first.ip().to_string()])
            // The path is of signs that no shell reads: `Address::parse`.
            .arg(format!("{} '{}'", service.name(), address.url.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let cannot = |error: std::io::Error| GitError::Copy {
            why: format!("`{}` cannot be started: {error}", ways.ssh.display()),
        };
        let mut child = command.spawn().map_err(cannot)?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(to), Some(from), Some(words)) = pipes else {
            return Err(unreachable_because("`ssh` has no pipes"));
        };
        Ok(Self { child, to, from, words: Some(tokio::spawn(listen(words))) })
    }

    pub(super) async fn ask(&mut self, request: &[u8]) -> Result<(), GitError> {
        let written = self.to.write_all(request).await;
        match written {
            Ok(()) => self.to.flush().await.map_err(|error| unreachable_because(error.to_string())),
            // It has ended; why, stands in its words.
            Err(_) => Err(self.ended().await),
        }
    }

    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, GitError> {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match self.from.read_buf(&mut chunk).await {
            Ok(0) => Err(self.ended().await),
            Ok(_) => Ok(Some(chunk.freeze())),
            Err(error) => Err(unreachable_because(error.to_string())),
        }
    }

    /// Nobody waits for the end of a conversation over `ssh`, so an end is always too early.
    async fn ended(&mut self) -> GitError {
        let status = timeout(PATIENCE, self.child.wait()).await;
        let status = status.ok().and_then(Result::ok);
        let words = match self.words.take() {
            Some(words) => timeout(PATIENCE, words).await.ok().and_then(Result::ok),
            None => None,
        };
        understand(status, words.unwrap_or_default().trim())
    }
}

fn place(address: &Address) -> Result<(Host<&str>, u16), GitError> {
    let host = address.url.host_str().unwrap_or_default();
    let port = address.url.port().unwrap_or(PORT);
    // URLs of `ssh` leave a host as it is written; here an address is one.
    let host = match host.trim_matches(['[', ']']).parse() {
        Ok(std::net::IpAddr::V4(address)) => Host::Ipv4(address),
        Ok(std::net::IpAddr::V6(address)) => Host::Ipv6(address),
        Err(_) if host.is_empty() => return Err(unreachable_because("it names no host")),
        Err(_) => Host::Domain(host),
    };
    Ok((host, port))
}

fn user(address: &Address) -> &str {
    match address.url.username() {
        "" => "git",
        user => user,
    }
}

/// Reads to the end, so that nobody waits for us to read, and keeps the beginning.
async fn listen(mut words: ChildStderr) -> String {
    let (mut kept, mut room) = (vec![], [0; 1024]);
    while let Ok(got @ 1..) = words.read(&mut room).await {
        let missing = MAX_WORDS.saturating_sub(kept.len());
        kept.extend(room.iter().take(got.min(missing)));
    }
    String::from_utf8_lossy(&kept).into_owned()
}

/// What it means that `ssh` has ended. It has one number for everything of its own, so its words count.
fn understand(status: Option<ExitStatus>, words: &str) -> GitError {
    let has = |part: &str| words.contains(part);
    if has("Host key verification failed") || has("host key is known for") {
        return GitError::UnknownHost;
    }
    if has("Permission denied") || has("Load key") || has("not accessible") {
        return GitError::Denied { why: last_line(words) };
    }
    match status.and_then(|status| status.code()) {
        Some(255) | None => unreachable_because(last_line(words)),
        // What ran on the other side has ended, and the words are the host's own.
        Some(_) if has("not found") || has("not appear to be a git") || has("not exist") => {
            GitError::Missing
        }
        Some(_) if words.is_empty() => GitError::broken("it ends too early"),
        Some(_) => GitError::Said { what: last_line(words) },
    }
}

fn last_line(words: &str) -> String {
    let last = words.lines().rev().find(|line| !line.trim().is_empty());
    last.unwrap_or("`ssh` ended without a word").trim().to_owned()
}

fn unreachable_because(why: impl Into<String>) -> GitError {
    GitError::Unreachable { why: why.into() }
}
