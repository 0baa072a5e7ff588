//! Connects to upstreams. The only place in the process that opens a connection to the outside.
//!
//! *Invariant:* every dial takes a [`Permit`], so nothing is dialled that the policy did not allow; the
//! host of the permit is resolved once, every address is checked, and the connection goes to a checked address.

mod address;
mod resolve;
mod trust;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use policies::Permit;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, UdpSocket, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::canonical::{Host, NotCanonical, Scheme};
use crate::model_hosts::ModelHosts;

pub use address::{Allowed, Class, PrefixError};
pub use resolve::{ResolveError, Resolver};
pub use trust::{TrustError, client_config};

/// How long one address may take to accept.
const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// How long the upstream's TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);

/// Most addresses of one name that are tried.
const MOST_ATTEMPTS: usize = 4;

/// Opens connections to upstreams.
#[derive(Debug)]
pub struct Dialer {
    resolver: Resolver,
    allowed: Allowed,
    tls: Arc<ClientConfig>,
    tls_either: Arc<ClientConfig>,
    router: Option<String>,
    models: Arc<ModelHosts>,
}

/// What is offered to an upstream with TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    One,
    /// HTTP/2 rather than HTTP/1.1.
    Either,
}

/// An open connection to the host that a permit names.
#[derive(Debug)]
pub enum Dialled {
    /// Plain TCP.
    Plain(TcpStream),
    /// TLS whose certificate is valid for the permit's host.
    Tls(Box<TlsStream<TcpStream>>),
    /// The privacy router, on this machine.
    Router(UnixStream),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The permit's host cannot be dialled by its form.
    #[error(transparent)]
    Host(#[from] NotCanonical),
    /// The name has no address.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// An address is of a class that only the operator can open.
    #[error("{host} is at {address}, a {class} address")]
    Refused {
        /// The permit's host.
        host: String,
        /// The first refused address.
        address: IpAddr,
        /// Its class.
        class: Class,
    },
    /// No address accepted.
    #[error("cannot connect to {address}")]
    Connect {
        /// The last address that was tried.
        address: SocketAddr,
        /// What happened.
        source: io::Error,
    },
    /// The router does not answer, or there is none.
    #[error("inference is not available in this sandbox")]
    Router(#[source] io::Error),
    /// The upstream's certificate is not valid for the host.
    #[error("the certificate of {host} is not valid")]
    Certificate {
        /// The permit's host.
        host: String,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// TLS failed for another reason.
    #[error("no TLS with {host}")]
    Tls {
        /// The permit's host.
        host: String,
        /// What happened.
        source: io::Error,
    },
}

impl Dialer {
    /// A dialer with the operator's word on where names lead, what may be dialled and whom to trust.
    #[must_use]
    pub fn new(resolver: Resolver, allowed: Allowed, tls: ClientConfig) -> Self {
        let mut either = tls.clone();
        either.alpn_protocols.insert(0, b"h2".to_vec());
        Self {
            resolver,
            allowed,
            tls: Arc::new(tls),
            tls_either: Arc::new(either),
            router: None,
            models: Arc::default(),
        }
    }

    /// Where the router listens: a path relative to the working directory, which is all that the jail leaves. It gets
    /// what goes to these hosts, which are never dialled themselves.
    #[must_use]
    pub fn with_router(self, socket: String, models: Arc<ModelHosts>) -> Self {
        Self { router: Some(socket), models, ..self }
    }

    /// Connects to the host and port of `permit`.
    ///
    /// # Errors
    /// The host has no address, an address of it may not be dialled, nothing accepts, or TLS fails.
    pub async fn dial(&self, permit: &Permit, scheme: Scheme, speaks: Speaks) -> Result<Dialled, DialError> {
        if self.models.contain(permit.host()) {
            return self.dial_router().await;
        }
        let addresses = self.checked_addresses(permit).await?;
        let stream = connect_first(&addresses, permit.port()).await?;
        // A pause of 40 ms between a request's head and its body otherwise (Nagle and delayed ACK).
        let _best_effort = stream.set_nodelay(true);
        match scheme {
            Scheme::Http => Ok(Dialled::Plain(stream)),
            Scheme::Https => self.secure(permit.host(), stream, speaks).await,
        }
    }

    async fn dial_router(&self) -> Result<Dialled, DialError> {
        let Some(socket) = &self.router else {
            return Err(DialError::Router(io::ErrorKind::NotFound.into()));
        };
        UnixStream::connect(socket).await.map(Dialled::Router).map_err(DialError::Router)
    }

    async fn checked_addresses(&self, permit: &Permit) -> Result<Vec<IpAddr>, DialError> {
        let addresses = match Host::parse(permit.host())? {
            Host::Address(address) => vec![address],
            Host::Name(name) => self.resolver.resolve(&name).await?,
        };
        // One bad address condemns the name: who controls it would otherwise only have to wait for its turn.
        for &address in &addresses {
            if let Some(class) = self.refused_class(address).await {
                return Err(DialError::Refused { host: permit.host().to_owned(), address, class });
            }
        }
        Ok(addresses)
    }

    async fn refused_class(&self, address: IpAddr) -> Option<Class> {
        if self.allowed.contains(address) {
            return None;
        }
        match Class::of(address) {
            Some(class) => Some(class),
            None => is_this_host(address).await.then_some(Class::ThisHost),
        }
    }

    async fn secure(&self, host: &str, stream: TcpStream, speaks: Speaks) -> Result<Dialled, DialError> {
        let config = match speaks {
            Speaks::One => &self.tls,
            Speaks::Either => &self.tls_either,
        };
        let failed = |source| DialError::Tls { host: host.to_owned(), source };
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|error| failed(io::Error::other(error)))?;
        let handshake = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        match timeout(HANDSHAKE_PATIENCE, handshake).await {
            Err(_elapsed) => Err(failed(io::ErrorKind::TimedOut.into())),
            Ok(Ok(stream)) => Ok(Dialled::Tls(Box::new(stream))),
            Ok(Err(error)) => Err(match certificate_fault(&error) {
                Some(source) => DialError::Certificate { host: host.to_owned(), source },
                None => failed(error),
            }),
        }
    }
}

async fn connect_first(addresses: &[IpAddr], port: u16) -> Result<TcpStream, DialError> {
    let mut failure = None;
    for address in addresses.iter().take(MOST_ATTEMPTS).map(|&address| SocketAddr::new(address, port)) {
        match timeout(CONNECT_PATIENCE, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(source)) => failure = Some((address, source)),
            Err(_elapsed) => failure = Some((address, io::ErrorKind::TimedOut.into())),
        }
    }
    let (address, source) = failure.unwrap_or_else(|| {
        (SocketAddr::new(IpAddr::from([0, 0, 0, 0]), port), io::ErrorKind::AddrNotAvailable.into())
    });
    Err(DialError::Connect { address, source })
}

/// Whether the address is one of this machine's own. Connecting a UDP socket sends nothing; the kernel
/// answers with the source address it would use, which is the address itself exactly when it is local.
async fn is_this_host(address: IpAddr) -> bool {
    let any: IpAddr = if address.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let Ok(socket) = UdpSocket::bind((any, 0)).await else { return false };
    socket.connect((address, 9)).await.is_ok() && socket.local_addr().is_ok_and(|local| local.ip() == address)
}

fn certificate_fault(error: &io::Error) -> Option<rustls::Error> {
    match error.get_ref()?.downcast_ref::<rustls::Error>()? {
        fault @ rustls::Error::InvalidCertificate(_) => Some(fault.clone()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
