//! TLS with the guest's client, as the host it asked for.

use std::io;
use std::time::Duration;

use rustls::server::Acceptor;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

use crate::authority::{Authority as Certificates, AuthorityError};
use crate::canonical::{Host, Name};
use crate::refusal::{Refusal, chain};

/// How long the whole handshake may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Fatal alert `unrecognized_name` (RFC 6066 section 3), in a record of its own.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// Why there is no TLS with a client.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    /// The client took too long.
    #[error("no TLS handshake within 10 seconds")]
    Slow,
    /// The client's handshake is not one we take.
    #[error("the client's TLS handshake failed")]
    Failed(#[source] io::Error),
    /// The client asks for another name than the one it connected to.
    #[error("TLS for '{asked}' on a connection to {connected}")]
    OtherName {
        /// What the client asked for.
        asked: String,
        /// Whom it connected to.
        connected: Host,
    },
    /// The client asks for no name on a connection to a name.
    #[error("TLS without a server name on a connection to {0}")]
    NoName(Host),
    /// No certificate could be made.
    #[error("no certificate")]
    Certificate(#[from] AuthorityError),
}

impl HandshakeError {
    /// The refusal for the record: the client has learnt it by an alert, or by the connection's end.
    pub(super) fn refusal(&self) -> Refusal {
        if self.is_about_the_name() {
            Refusal::misnamed(self.to_string())
        } else {
            Refusal::unreadable(chain(self))
        }
    }

    /// Whether the client asked for another name, or for none.
    pub(super) fn is_about_the_name(&self) -> bool {
        matches!(self, Self::OtherName { .. } | Self::NoName(_))
    }
}

/// Becomes `host` for the client.
pub(super) async fn handshake<S>(
    certificates: &Certificates,
    host: &Host,
    stream: S,
) -> Result<TlsStream<S>, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let whole = async {
        let hello =
            LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(HandshakeError::Failed)?;
        if let Err(error) = check_name(hello.client_hello().server_name(), host) {
            return Err(alert(hello, error).await);
        }
        // The name was judged when it was asked for, and agreed on now: only then a leaf is made.
        let config = certificates.server_config(host)?;
        hello.into_stream(config).await.map_err(HandshakeError::Failed)
    };
    timeout(PATIENCE, whole).await.map_err(|_elapsed| HandshakeError::Slow)?
}

fn check_name(asked: Option<&str>, host: &Host) -> Result<(), HandshakeError> {
    match (asked, host) {
        (None, Host::Address(_)) => Ok(()),
        (None, Host::Name(_)) => Err(HandshakeError::NoName(host.clone())),
        (Some(asked), Host::Name(name)) if Name::parse(asked).is_ok_and(|asked| asked == *name) => Ok(()),
        (Some(asked), _) => Err(HandshakeError::OtherName {
            asked: asked.chars().take(64).collect(),
            connected: host.clone(),
        }),
    }
}

/// Tells the client why, as far as TLS can say it, and returns the error.
async fn alert<S: AsyncRead + AsyncWrite + Unpin>(
    hello: StartHandshake<S>,
    error: HandshakeError,
) -> HandshakeError {
    let mut stream = hello.io;
    let _best_effort = stream.write_all(&UNRECOGNIZED_NAME).await;
    let _best_effort = stream.shutdown().await;
    error
}
