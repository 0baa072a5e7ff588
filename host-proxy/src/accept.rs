//! Accepts connections of the guest, also when the process runs out of descriptors.

use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::time::sleep;

/// Pause after a failed accept, which means that descriptors or memory ran out: accepting again at once would
/// only burn the time in which others could free some.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Accepts, or pauses when that is not possible: running out of descriptors must not end the proxy.
pub async fn accept(listener: &UnixListener) -> Option<UnixStream> {
    match listener.accept().await {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            tracing::error!(%error, "cannot accept");
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}
