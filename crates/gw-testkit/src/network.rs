//! A network that a test has for itself: the addresses of clouds are taken by listeners that count who
//! comes, and names resolve as the test says.
//!
//! The test runs again, alone, in a namespace of its own that `unshare` makes. Nothing of it is on any
//! other network.

use std::{
    env, fs,
    io::Write as _,
    net::{IpAddr, SocketAddr, TcpListener},
    path::PathBuf,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
};

use tempfile::NamedTempFile;

use crate::absent::not_run;

/// Names the file of hosts, inside.
const HOSTS: &str = "GATEWRIGHT_TEST_HOSTS";
/// Whoever asks a proxy that the environment names asks a listener that counts.
const PROXY: &str = "http://127.0.0.3:80";
const PROXIES: [&str; 6] =
    ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];

/// What is made ready before the test: each address that is taken, and a file in the place of
/// `/etc/hosts`.
const PREPARE: &str = r#"
set -eu
ip link set lo up
hosts=$1; shift; program=$1; shift; test=$1; shift
for address in "$@"; do ip address add "$address" dev lo; done
mount --bind "$hosts" /etc/hosts
exec "$program" --exact "$test" --nocapture --test-threads 1
"#;

/// Inside of such a network.
#[derive(Debug)]
pub struct Network {
    hosts: PathBuf,
    accepted: Arc<AtomicUsize>,
}

/// Runs the test that calls it again in a network of its own, where these addresses exist. There, and
/// only there, it is answered what is inside.
pub fn own(addresses: &[&str]) -> Option<Network> {
    if let Some(hosts) = env::var_os(HOSTS) {
        let accepted = Arc::new(AtomicUsize::new(0));
        let hosts = PathBuf::from(hosts);
        return Some(Network { hosts, accepted });
    }
    let Some(ways) = ways() else {
        not_run("no network namespace can be made here: `unshare --net` is refused");
        return None;
    };
    let hosts = NamedTempFile::new().expect("a file");
    let program = env::current_exe().expect("the test has a file");
    let test = thread::current().name().expect("a test has a name").to_owned();
    let mut command = Command::new("unshare");
    command.args(ways).args(["sh", "-c", PREPARE, "sh"]).arg(hosts.path()).arg(program).arg(test);
    command.args(addresses).env(HOSTS, hosts.path());
    for proxy in PROXIES {
        command.env(proxy, PROXY);
    }
    let output = command.output().expect("unshare runs");
    let told = [output.stdout, output.stderr].concat();
    let told = String::from_utf8_lossy(&told);
    assert!(output.status.success() && told.contains("1 passed"), "in its network: {told}");
    None
}

/// As root, or as who becomes root of a namespace.
fn ways() -> Option<&'static [&'static str]> {
    const WAYS: [&[&str]; 2] = [&["--net", "--mount"], &["--map-root-user", "--net", "--mount"]];
    let works = |ways: &&&[&str]| {
        let tried = Command::new("unshare").args(**ways).arg("true").output();
        tried.is_ok_and(|tried| tried.status.success())
    };
    WAYS.iter().find(works).copied()
}

impl Network {
    /// Whoever connects there is counted, and answered with nothing.
    pub fn trap(&self, address: IpAddr, port: u16) {
        let listener = TcpListener::bind(SocketAddr::new(address, port)).expect("the port is free");
        let accepted = Arc::clone(&self.accepted);
        thread::spawn(move || {
            for connection in listener.incoming() {
                accepted.fetch_add(1, SeqCst);
                drop(connection);
            }
        });
    }

    /// How many came.
    pub fn accepted(&self) -> usize {
        self.accepted.load(SeqCst)
    }

    /// From now on these names have these addresses, and no others have any.
    pub fn resolve(&self, names: &[(&str, &str)]) {
        // The same file, as it is mounted.
        let mut file = fs::File::create(&self.hosts).expect("the file is there");
        for (name, address) in names {
            writeln!(file, "{address} {name}").expect("it is written");
        }
    }
}
