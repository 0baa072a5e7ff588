//! Accepts connections of the guest and from outside, also when the process runs out of descriptors.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::sleep;

/// Pause after a failed accept, which means that descriptors or memory ran out: accepting again at once would
/// only burn the time in which others could free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts, or pauses when that is not possible: running out of descriptors must not end the proxy.
pub async fn accept(listener: &UnixListener) -> Option<UnixStream> {
    let (stream, _nameless) = or_pause(listener.accept().await).await?;
    Some(stream)
}

/// The same from outside: the connection, and where it comes from.
pub async fn accept_tcp(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    or_pause(listener.accept().await).await
}

async fn or_pause<T>(accepted: io::Result<T>) -> Option<T> {
    match accepted {
        Ok(accepted) => Some(accepted),
        Err(error) => {
            tracing::error!(%error, "cannot accept");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
