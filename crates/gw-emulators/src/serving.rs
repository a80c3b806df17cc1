//! A small HTTP service on loopback that ends with the value that stands for it.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use axum::{
    Router,
    extract::Request,
    http::{StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use tokio::{net::TcpListener, task::JoinHandle};

/// Why a part did not start.
#[derive(Debug)]
pub enum StartError {
    /// Somebody else listens there, or the port is not ours to take.
    Listen { port: u16, cause: io::Error },
    /// The system gave no randomness for keys.
    Keys,
    /// The table of Bitbucket's contract that is built in is no table.
    Contract,
    /// What it was to remember cannot be read.
    Memory { file: PathBuf, why: String },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { port, cause } => {
                write!(f, "port {port} of this machine cannot be listened on: {cause}")
            }
            Self::Keys => f.write_str("no keys could be made"),
            Self::Memory { file, why } => {
                write!(f, "what was remembered in `{}` cannot be read: {why}", file.display())
            }
            Self::Contract => f.write_str("Bitbucket's contract that is built in cannot be read"),
        }
    }
}

impl std::error::Error for StartError {}

/// A service that runs until it is dropped.
#[derive(Debug)]
pub(crate) struct Serving {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

/// Takes a loopback port; 0 lets the system choose.
pub(crate) async fn listen(port: u16) -> Result<TcpListener, StartError> {
    let failed = |cause| StartError::Listen { port, cause };
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)
}

impl Serving {
    pub(crate) fn start(listener: TcpListener, routes: Router) -> Result<Self, StartError> {
        let address =
            listener.local_addr().map_err(|cause| StartError::Listen { port: 0, cause })?;
        let service = routes.layer(middleware::from_fn(only_this_machine));
        let task = tokio::spawn(async move {
            // It ends when the listener does, and that is when the value is dropped.
            axum::serve(listener, service).await.ok();
        });
        Ok(Self { address, task })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Refuses what a web page of somebody else could send: a name that is not this machine's
/// (DNS rebinding), or a request on behalf of another origin than the service itself.
async fn only_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    let ours = matches!(name, Some("localhost" | "127.0.0.1" | "[::1]"));
    let own = host.map(|host| format!("http://{host}"));
    let mut origins = request.headers().get_all(header::ORIGIN).iter();
    let foreign = origins.any(|origin| own.as_ref().is_none_or(|own| origin != own.as_str()));
    if !ours || foreign {
        return StatusCode::FORBIDDEN.into_response();
    }
    next.run(request).await
}
