//! The live feed for whoever asks for it: a gRPC service (`proto/feed.proto`), over a Unix socket or TLS.
//!
//! Who may ask: over the socket, processes of our own user, as the kernel says who they are; over TLS, clients with a certificate
//! of the authority that the operator names. There is no other way: an open port of the loopback address would serve every
//! process of the machine.
//!
//! *Must never know:* what a client did before. It says itself from where it goes on.

#[expect(
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::excessive_nesting,
    clippy::too_many_lines,
    reason = "a compiler wrote it; a test compares it with what proto/feed.proto compiles to"
)]
#[rustfmt::skip]
mod generated;
mod subscription;
#[cfg(test)]
mod tests;
mod tls;

use std::convert::Infallible;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_rustls::{Accept, TlsAcceptor};

use crate::only::Only;
use crate::sink::TlsError;
use generated::feed_server::FeedServer;
use subscription::Logs;

pub use tls::ServerTls;

/// Connections at a time, and calls on each.
const MOST_CONNECTIONS: usize = 64;
const MOST_CALLS: u32 = 16;
/// Clients that say who they are at a time; they take no connection from those who have said it.
const MOST_STRANGERS: usize = 64;
/// How long a client may take to say who it is.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is still there, and how long it may take to answer.
const ALIVE: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(20);

/// Where the service listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system.
    Unix(PathBuf),
    /// A port, for clients with a certificate.
    Tls(SocketAddr, ServerTls),
}

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It cannot listen.
    #[error("cannot listen on {0}")]
    Listen(String, #[source] io::Error),
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] TlsError),
    /// It cannot take connections any more.
    #[error("cannot take connections")]
    Accept(#[source] io::Error),
}

/// A service that listens.
#[derive(Debug)]
pub struct Server {
    listener: Listener,
    feed: FeedServer<Logs>,
    places: Arc<Semaphore>,
    strangers: Arc<Semaphore>,
}

enum Listener {
    Unix(UnixListener),
    Tls(TcpListener, TlsAcceptor),
}

impl Server {
    /// Listens for clients of the feed over the logs in `logs`, of which they get what `only` says: every client the same.
    ///
    /// # Errors
    /// The address cannot be had, or the files of TLS cannot be used.
    pub async fn bind(address: Address, logs: &Path, only: Only) -> Result<Self, ServeError> {
        let listener = match address {
            Address::Unix(path) => {
                let socket = unix(&path);
                Listener::Unix(socket.map_err(|error| ServeError::Listen(path.display().to_string(), error))?)
            }
            Address::Tls(address, files) => {
                let acceptor = TlsAcceptor::from(tls::config(&files)?);
                let listener = TcpListener::bind(address).await;
                let listener = listener.map_err(|error| ServeError::Listen(address.to_string(), error))?;
                Listener::Tls(listener, acceptor)
            }
        };
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let strangers = Arc::new(Semaphore::new(MOST_STRANGERS));
        Ok(Self { listener, feed: FeedServer::new(Logs::new(logs, only)), places, strangers })
    }

    /// The port that it got, if it has one.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.listener {
            Listener::Unix(_) => None,
            Listener::Tls(listener, _) => listener.local_addr().ok().map(|address| address.port()),
        }
    }

    /// Serves until it is dropped.
    ///
    /// # Errors
    /// It cannot take connections any more.
    pub async fn run(self) -> Result<Infallible, ServeError> {
        loop {
            let feed = self.feed.clone();
            match &self.listener {
                Listener::Unix(listener) => {
                    let place = Arc::clone(&self.places).acquire_owned().await.expect("nobody closes it");
                    let (stream, _nameless) = listener.accept().await.map_err(ServeError::Accept)?;
                    if stream.peer_cred().is_ok_and(|peer| peer.uid() == rustix::process::geteuid().as_raw())
                    {
                        tokio::spawn(serve(stream, feed, place));
                    }
                }
                Listener::Tls(listener, acceptor) => {
                    let (stream, _from) = listener.accept().await.map_err(ServeError::Accept)?;
                    // One too many is hung up on, so that those before it are not kept waiting.
                    if let Ok(stranger) = Arc::clone(&self.strangers).try_acquire_owned() {
                        let places = Arc::clone(&self.places);
                        tokio::spawn(introduced(acceptor.accept(stream), feed, (stranger, places)));
                    }
                }
            }
        }
    }
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unix(_) => "Unix",
            Self::Tls(..) => "Tls",
        })
    }
}

/// A client that must say who it is before it is served.
async fn introduced(
    handshake: Accept<TcpStream>,
    feed: FeedServer<Logs>,
    (stranger, places): (OwnedSemaphorePermit, Arc<Semaphore>),
) {
    // Whoever cannot gets no answer.
    let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, handshake).await else { return };
    drop(stranger);
    let place = places.acquire_owned().await.expect("nobody closes it");
    serve(stream, feed, place).await;
}

/// One connection, to its end.
async fn serve<S>(stream: S, feed: FeedServer<Logs>, _place: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new()).keep_alive_interval(ALIVE).keep_alive_timeout(ANSWER);
    http.max_concurrent_streams(MOST_CALLS);
    // A client that breaks off is no failure of ours.
    let _end = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(feed)).await;
}

/// A socket that only its owner can open. One that nobody listens on any more is replaced.
fn unix(path: &Path) -> io::Result<UnixListener> {
    let is_left_behind = || {
        let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
        let answer = std::os::unix::net::UnixStream::connect(path);
        is_socket && answer.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_left_behind() => {
            fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
