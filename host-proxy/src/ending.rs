//! The end of the process, which is that of its sandbox: what is under way is cut, and recorded before the process goes.
//!
//! *running* ── [`Ending::end`] ──▶ *ending* ── the last [`Stay`] is dropped, or [`PATIENCE`] is over ──▶ gone
//!
//! *Invariant:* who has something to record at the end holds a [`Stay`] from before there is anything to record until it is.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// How long the end may take. The manager waits two seconds before it kills.
const PATIENCE: Duration = Duration::from_millis(1500);

/// What stands in the log of what the end cut.
pub(crate) const REASON: &str = "the sandbox ended";

/// The end, to be announced and awaited.
#[derive(Clone, Debug, Default)]
pub struct Ending(Arc<watch::Sender<bool>>);

/// Keeps the process until it is dropped, for a moment.
#[derive(Debug)]
pub struct Stay(watch::Receiver<bool>);

impl Ending {
    /// Holds the end up.
    #[must_use]
    pub fn stay(&self) -> Stay {
        Stay(self.0.subscribe())
    }

    /// Announces the end, and waits until nobody holds it up any more.
    pub async fn end(&self) {
        self.0.send_replace(true);
        if timeout(PATIENCE, self.0.closed()).await.is_err() {
            tracing::error!("{} records are not written at the end", self.0.receiver_count());
        }
    }
}

impl Stay {
    /// Returns when the end is announced.
    pub async fn ended(&self) {
        // Without a sender there is nobody who could announce it: it came.
        let mut seen = self.0.clone();
        let _announced = seen.wait_for(|ended| *ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_end_waits_for_those_who_stay() {
        let ending = Ending::default();
        let (stay, (told, tells)) = (ending.stay(), std::sync::mpsc::channel());
        tokio::spawn(async move {
            stay.ended().await;
            tokio::task::yield_now().await;
            told.send("recorded").unwrap();
        });
        ending.end().await;
        assert_eq!(tells.try_recv(), Ok("recorded"));
        ending.stay().ended().await;
    }
}
