//! Opens a connection to a server: address, TCP, TLS.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::serving::Turn;
use super::{ResolveError, Resolver, Serving, ServingError};
use crate::decide::Zone;

/// Address, TCP and TLS together.
const CONNECT_LIMIT: Duration = Duration::from_secs(15);

/// Opens connections for one zone's client.
#[derive(Clone, Debug)]
pub struct Connector(Route);

/// How a server is reached.
#[derive(Clone, Debug)]
enum Route {
    /// Over the network.
    Network { resolver: Arc<Resolver>, tls: Arc<rustls::ClientConfig>, zone: Zone },
    /// By a turn at it.
    Turns(Arc<Serving>),
}

/// Why a server was not reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Its name leads nowhere.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// No address answered.
    #[error("cannot connect to {server}")]
    Tcp {
        /// Host and port.
        server: String,
        /// The last attempt's error.
        source: io::Error,
    },
    /// It is not who it should be.
    #[error("no trusted TLS connection to {server}")]
    Tls {
        /// The host.
        server: String,
        /// What failed.
        source: io::Error,
    },
    /// The name cannot stand in a certificate.
    #[error("'{0}' is no server name")]
    Name(String),
    /// There is no turn at a managed server.
    #[error(transparent)]
    Serving(#[from] ServingError),
    /// It took too long.
    #[error("no connection within {} s", CONNECT_LIMIT.as_secs())]
    TooSlow,
}

/// An open connection.
pub struct Link(TokioIo<Pin<Box<dyn Duplex>>>, Option<UnixStream>);

trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

impl Connector {
    pub(super) fn new(resolver: Arc<Resolver>, tls: Arc<rustls::ClientConfig>, zone: Zone) -> Self {
        Self(Route::Network { resolver, tls, zone })
    }

    pub(super) fn turns(serving: Arc<Serving>) -> Self {
        Self(Route::Turns(serving))
    }

    async fn connect(self, uri: Uri) -> Result<Link, ConnectError> {
        match self.0 {
            // How long a call waits for its turn is bounded by how long it waits for an answer.
            Route::Turns(serving) => {
                let Turn { connection, held } = serving.turn().await?;
                Ok(Link(TokioIo::new(Box::pin(connection)), Some(held)))
            }
            Route::Network { resolver, tls, zone } => {
                tracing::debug!(zone = zone.as_str(), host = uri.host(), "connecting");
                let attempt = open(&resolver, tls, &uri);
                tokio::time::timeout(CONNECT_LIMIT, attempt).await.unwrap_or(Err(ConnectError::TooSlow))
            }
        }
    }
}

async fn open(resolver: &Resolver, tls: Arc<rustls::ClientConfig>, uri: &Uri) -> Result<Link, ConnectError> {
    let host = uri.host().unwrap_or_default();
    let secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let tcp = dial(resolver, host, port).await?;
    if !secure {
        return Ok(Link(TokioIo::new(Box::pin(tcp)), None));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare);
    let Ok(name) = name else { return Err(ConnectError::Name(host.to_owned())) };
    let tls = TlsConnector::from(tls)
        .connect(name, tcp)
        .await
        .map_err(|source| ConnectError::Tls { server: host.to_owned(), source })?;
    Ok(Link(TokioIo::new(Box::pin(tls)), None))
}

async fn dial(resolver: &Resolver, host: &str, port: u16) -> Result<TcpStream, ConnectError> {
    let server = || format!("{host}:{port}");
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in resolver.resolve(host).await? {
        match TcpStream::connect(SocketAddr::new(address, port)).await {
            Ok(stream) => {
                // A late small packet costs only time; the stream works without.
                stream.set_nodelay(true).map_err(|source| ConnectError::Tcp { server: server(), source })?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(ConnectError::Tcp { server: server(), source: last })
}

impl tower_service::Service<Uri> for Connector {
    type Response = Link;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Link, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Box::pin(self.clone().connect(uri))
    }
}

impl Connection for Link {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl Write for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("turn", &self.1).finish_non_exhaustive()
    }
}
