//! Starts the threads of a gateway and stops them again.

use std::{
    fmt, fs, io,
    net::{SocketAddr, TcpListener as StdListener},
    os::unix::net::UnixListener as StdUnixListener,
    path::PathBuf,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use gw_net::{
    issuer::{Issuers, Published},
    tls::TlsRefusal,
};
use gw_policy::{
    gateway::{Refused, listen_address},
    keys::{KeySet, KeySetRefusal},
};
use parking_lot::Mutex;
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, UnixListener},
    runtime::{Builder, Runtime},
    sync::{mpsc as channel, oneshot, watch},
    task::LocalSet,
};

use crate::{
    access_log::Lines,
    admin::Admin,
    assertion::{NotASigningKey, Signer},
    generations::{Found, Generations, Meanwhile, Progress},
    home::{Home, Unbound, new_file},
    listen,
    memory::Memory,
    metrics::Metrics,
    noise::{Noise, secret_word},
    phase::Phase,
    pipeline::Worker,
    record::{Decisions, Grouping},
    room::{NoRoom, Room},
    settings::{Address, Bounds, Mode, Settings},
    shared::{Shared, WantsCertificates},
    stage::limit::Counters,
    steward::{Providers, Steward},
    tls,
    upstream::tls::Trust,
};

/// A running gateway. It serves until [`Gateway::stop`], or until it is dropped.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    home: Home,
    shared: Arc<Shared>,
    phase: watch::Sender<Phase>,
    /// Each worker sends once, when its calls are answered.
    drained: Mutex<mpsc::Receiver<()>>,
    workers: Vec<JoinHandle<()>>,
    steward: Option<JoinHandle<()>>,
    /// They end when what they write is written.
    scribes: Vec<JoinHandle<()>>,
}

/// Why a gateway does not start.
#[derive(Debug)]
pub enum StartError {
    Listen {
        address: SocketAddr,
        error: io::Error,
    },
    /// The generation that is served says so, and it is no address.
    NoAddress(String),
    /// Another gateway answers on the socket of this target.
    AlreadyRunning {
        socket: PathBuf,
    },
    Folder {
        path: PathBuf,
        error: io::Error,
    },
    Tls(TlsRefusal),
    Key {
        path: PathBuf,
    },
    Random,
    Thread(io::Error),
    /// Fewer files may be open than one call on each thread needs.
    OpenFiles {
        limit: u64,
        needed: usize,
    },
}

/// As many may wait to be told how the gateway is.
const LOOKS: usize = 64;

impl Gateway {
    /// Binds the addresses, takes the generation that is in force, and begins to serve. Without a
    /// valid generation it serves too, and denies everything.
    pub fn start(settings: Settings) -> Result<Self, StartError> {
        let room = room(&settings)?;
        let unusable = |error| StartError::Folder { path: settings.folder.clone(), error };
        let home = Home::open(&settings.folder).map_err(unusable)?;
        let unix = bind_socket(&home)?;
        let mut opening = Opening::look(&settings, &home)?;
        let pinned = matches!(settings.listen, Address::At(_));
        let listen = opening.listen(settings.listen)?;
        let sockets = bind(listen, settings.threads.get())?;
        let address = local_address(&sockets, listen);
        let admin = match settings.admin {
            Some(address) => bind(address, 1)?.pop(),
            None => None,
        };
        let found = opening.found.take();
        let Prepared { shared, steward, looks, tls, scribes } =
            Prepared::make(settings, &home, address, opening)?;
        let (phase, watched) = watch::channel(Phase::Serve);
        let (drained, all_drained) = mpsc::channel();
        let mut gateway = Self {
            address,
            admin: admin.as_ref().and_then(|socket| socket.local_addr().ok()),
            home,
            shared: Arc::clone(&shared),
            phase,
            drained: Mutex::new(all_drained),
            workers: vec![],
            steward: None,
            scribes,
        };
        let sockets_of_admin = AdminSockets { unix, tcp: admin };
        let admin = Admin { shared: Arc::clone(&shared), listen: address, pinned, looks };
        gateway.steward = Some(begin(steward, found, admin, sockets_of_admin, &watched)?);
        for (number, socket) in sockets.into_iter().enumerate() {
            let thread = Thread {
                shared: Arc::clone(&shared),
                socket,
                tls: tls.clone(),
                room,
                phase: watched.clone(),
                drained: drained.clone(),
                noise: Noise::begin().ok_or(StartError::Random)?,
            };
            gateway.workers.push(spawn(&format!("gw-worker-{number}"), move || thread.run())?);
        }
        Ok(gateway)
    }

    /// Where callers connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The number of the generation that is served.
    pub fn generation(&self) -> Option<u64> {
        self.shared.current.load().as_ref().map(|serving| serving.generation.number)
    }

    /// The newest generation that it was given and did not take.
    pub fn refused(&self) -> Option<Refused> {
        self.shared.refused.lock().clone()
    }

    /// Takes no more calls, waits for those under way as long as `grace`, then ends. Blocks.
    pub fn stop(self, grace: Duration) {
        self.phase.send_replace(Phase::Drain);
        let until = Instant::now() + grace;
        for _worker in &self.workers {
            let left = until.saturating_duration_since(Instant::now());
            if self.drained.lock().recv_timeout(left).is_err() {
                break;
            }
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.phase.send_replace(Phase::End);
        let first = self.workers.drain(..).chain(self.steward.take());
        for thread in first {
            // A thread that panicked has said so itself.
            let _panicked = thread.join();
        }
        // Nobody has anything more to write down.
        self.shared.decisions.stop();
        if let Some(lines) = &self.shared.lines {
            lines.stop();
        }
        for scribe in self.scribes.drain(..) {
            let _panicked = scribe.join();
        }
        // A socket that cannot be removed is found dead by the next gateway.
        let _left = fs::remove_file(self.home.socket());
    }
}

/// What is there to be served when a gateway starts.
struct Opening {
    generations: Generations,
    trust: Trust,
    keeper: JoinHandle<()>,
    found: Option<Found>,
}

impl Opening {
    fn look(settings: &Settings, home: &Home) -> Result<Self, StartError> {
        let trust = Trust::load(&settings.upstream_authorities).map_err(StartError::Tls)?;
        let (memory, keeper) = Memory::begin(home).map_err(StartError::Thread)?;
        let mut generations = Generations {
            workspace: settings.workspace.clone(),
            environment: settings.environment.clone(),
            target: settings.target.clone(),
            supply: settings.supply.clone(),
            key: settings.verifying_key.clone(),
            stores: Arc::clone(&settings.secrets),
            anonymous: trust.anonymous().map_err(StartError::Tls)?,
            memory,
            progress: Progress::default(),
        };
        let found = generations.look(Meanwhile::Denied);
        Ok(Self { generations, trust, keeper, found })
    }

    fn listen(&self, asked: Address) -> Result<SocketAddr, StartError> {
        let otherwise = match asked {
            Address::At(address) | Address::Declared(address) => return Ok(address),
            Address::AsServed { otherwise } => otherwise,
        };
        let serving = self.found.as_ref().and_then(|found| found.serving.as_ref());
        let Some(serving) = serving else {
            // Who called before is told that nothing is served now, not that nobody is there.
            let last = self.generations.memory.last().ok().flatten();
            return Ok(last.and_then(|last| last.listen).unwrap_or(otherwise));
        };
        let declared = serving.listen.as_deref();
        let address = listen_address(declared);
        address.ok_or_else(|| StartError::NoAddress(declared.unwrap_or_default().to_owned()))
    }
}

/// Everything that exists before the first thread serves.
struct Prepared {
    shared: Arc<Shared>,
    steward: Steward,
    /// Asks the steward to look now.
    looks: channel::Sender<oneshot::Sender<()>>,
    tls: Option<Arc<ServerConfig>>,
    scribes: Vec<JoinHandle<()>>,
}

impl Prepared {
    fn make(
        settings: Settings,
        home: &Home,
        address: SocketAddr,
        opening: Opening,
    ) -> Result<Self, StartError> {
        let Opening { generations, trust, keeper, found: _ } = opening;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let issuer = settings.public_url.unwrap_or_else(|| format!("{scheme}://{address}"));
        let signer = read_signer(home, &issuer)?;
        let folder = home.decisions();
        let grouping = match settings.mode {
            Mode::Development => Grouping::Off,
            Mode::Production { .. } => Grouping::ByCause,
        };
        let opened = Decisions::open(&folder, settings.bounds.max_record_bytes, grouping);
        let (decisions, scribe) =
            opened.map_err(|error| StartError::Folder { path: folder.clone(), error })?;
        let mut scribes = vec![scribe, keeper];
        let lines = match settings.access_log {
            Some(log) => {
                let (lines, scribe) = Lines::open(log).map_err(StartError::Thread)?;
                scribes.push(scribe);
                Some(lines)
            }
            None => None,
        };
        let shared = Arc::new(Shared {
            workspace: settings.workspace,
            environment: settings.environment,
            target: settings.target,
            bounds: settings.bounds,
            mode: settings.mode,
            trusted_proxies: settings.trusted_proxies,
            clock: settings.clock,
            current: ArcSwapOption::empty(),
            refused: Mutex::new(None),
            issuers: Issuers::new(read_keys, settings.bounds.keys),
            counters: Counters::default(),
            decisions,
            lines,
            metrics: Metrics::default(),
            signer,
            probe: secret_word().ok_or(StartError::Random)?,
        });
        let wants = Arc::new(WantsCertificates(Arc::clone(&shared)));
        let tls = settings.tls.map(|tls| tls::server(&tls, wants)).transpose();
        let (looks, asked) = channel::channel(LOOKS);
        let providers = Providers::new(settings.providers);
        let steward = Steward { shared: Arc::clone(&shared), generations, trust, asked, providers };
        Ok(Self { shared, steward, looks, tls: tls.map_err(StartError::Tls)?, scribes })
    }
}

/// One thread that serves calls.
struct Thread {
    shared: Arc<Shared>,
    socket: StdListener,
    tls: Option<Arc<ServerConfig>>,
    room: Room,
    phase: watch::Receiver<Phase>,
    drained: mpsc::Sender<()>,
    noise: Noise,
}

impl Thread {
    fn run(self) {
        let Self { shared, socket, tls, room, mut phase, drained, noise } = self;
        let Ok(runtime) = runtime() else { return };
        let worker = Worker::new(shared, room, noise);
        let accepting = phase.clone();
        let serving = async {
            let Ok(listener) = TcpListener::from_std(socket) else { return };
            listen::accept(listener, tls, room, worker, accepting).await;
            // Whoever stops the gateway may have stopped waiting.
            let _gone = drained.send(());
        };
        LocalSet::new().block_on(&runtime, async move {
            tokio::select! {
                () = serving => {}
                _ended = phase.wait_for(|phase| *phase == Phase::End) => {}
            }
        });
    }
}

struct AdminSockets {
    unix: StdUnixListener,
    tcp: Option<StdListener>,
}

/// Starts the thread beside those that serve. Returns once the generation in force is taken or
/// refused, so that the first call already meets it.
fn begin(
    mut steward: Steward,
    found: Option<Found>,
    admin: Admin,
    sockets: AdminSockets,
    phase: &watch::Receiver<Phase>,
) -> Result<JoinHandle<()>, StartError> {
    let runtime = runtime().map_err(StartError::Thread)?;
    let phase = phase.clone();
    let (ready, is_ready) = mpsc::channel();
    let thread = spawn("gw-steward", move || {
        runtime.block_on(async move {
            if let Some(found) = found {
                steward.serve(found).await;
            }
            let (Ok(unix), Ok(tcp)) = (
                UnixListener::from_std(sockets.unix),
                sockets.tcp.map(TcpListener::from_std).transpose(),
            ) else {
                return;
            };
            tokio::spawn(admin.clone().on_socket(unix, phase.clone()));
            if let Some(tcp) = tcp {
                tokio::spawn(admin.on_address(tcp, phase.clone()));
            }
            // Whoever started the gateway waits for this.
            let _gone = ready.send(());
            steward.work(phase).await;
        });
    })?;
    let failed = || StartError::Thread(io::Error::other("the admin sockets cannot be used"));
    is_ready.recv().map_err(|_| failed())?;
    Ok(thread)
}

fn room(settings: &Settings) -> Result<Room, StartError> {
    let Bounds { max_open_files: limit, max_connections, .. } = settings.bounds;
    let room = Room::of(limit, settings.threads.get(), max_connections);
    room.map_err(|NoRoom { needed }| StartError::OpenFiles { limit, needed })
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StartError> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map_err(StartError::Thread)
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().max_blocking_threads(4).build()
}

fn bind(address: SocketAddr, threads: usize) -> Result<Vec<StdListener>, StartError> {
    listen::bind(address, threads).map_err(|error| StartError::Listen { address, error })
}

fn local_address(sockets: &[StdListener], asked: SocketAddr) -> SocketAddr {
    sockets.first().and_then(|socket| socket.local_addr().ok()).unwrap_or(asked)
}

fn bind_socket(home: &Home) -> Result<StdUnixListener, StartError> {
    home.bind().map_err(|unbound| match (unbound, home.socket()) {
        (Unbound::Answered, socket) => StartError::AlreadyRunning { socket },
        (Unbound::Failed(error), path) => StartError::Folder { path, error },
    })
}

/// A set without a key that can be used is an answer too: it lists none of the former ones.
fn read_keys(bytes: &[u8]) -> Result<Published<KeySet>, String> {
    match KeySet::parse(bytes) {
        Ok(keys) => Ok(Published::Keys(keys)),
        Err(nothing @ KeySetRefusal::NoneUsable(_)) => Ok(Published::Nothing(nothing.to_string())),
        Err(refusal) => Err(refusal.to_string()),
    }
}

/// The key that signs assertions, made at the first start.
fn read_signer(home: &Home, issuer: &str) -> Result<Signer, StartError> {
    let path = home.assertion_key();
    let unreadable = |error| StartError::Folder { path: path.clone(), error };
    let no_key = |_: NotASigningKey| StartError::Key { path: path.clone() };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let made = Signer::generate().map_err(no_key)?;
            let file = new_file().write(true).create_new(true).open(&path);
            let mut file = file.map_err(unreadable)?;
            io::Write::write_all(&mut file, &made).map_err(unreadable)?;
            made
        }
        Err(error) => return Err(unreadable(error)),
    };
    Signer::parse(&bytes, issuer).map_err(no_key)
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { address, error } => write!(f, "cannot listen on {address}: {error}"),
            Self::NoAddress(text) => write!(f, "cannot listen on `{text}`: it is no address"),
            Self::AlreadyRunning { socket } => {
                write!(f, "another gateway serves this target: it answers on {}", socket.display())
            }
            Self::Folder { path, error } => write!(f, "cannot use {}: {error}", path.display()),
            Self::Tls(refusal) => write!(f, "TLS: {refusal}"),
            Self::Key { path } => write!(f, "{} holds no P-256 key", path.display()),
            Self::Random => f.write_str("this machine gives no random bytes"),
            Self::Thread(error) => write!(f, "cannot start a thread: {error}"),
            Self::OpenFiles { limit, needed } => {
                write!(f, "only {limit} files may be open at once, and {needed} are needed")
            }
        }
    }
}

impl std::error::Error for StartError {}
