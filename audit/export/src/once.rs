//! Records to a receiver once, without a cursor.

use audit::log::LogError;

use crate::backoff::Pace;
use crate::cursor::Cursor;
use crate::delivery::{Delivery, Repeated, SAME};
use crate::feed::Feed;
use crate::format::Format;
use crate::logs::Log;
use crate::sink::Sink;

/// How often a receiver is tried: the last time in parts, if it always gave the same answer.
const ATTEMPTS: u32 = SAME + 1;

/// What became of the records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copied {
    /// The receiver took so many.
    pub delivered: u64,
    /// It refused these: sandbox, number and reason.
    pub rejected: Vec<(String, u64, String)>,
}

/// Why the copy is not whole.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// The log cannot be read, or is not whole: nothing behind the fault was sent.
    #[error("the log of {sandbox}")]
    Log {
        /// Whose.
        sandbox: String,
        /// What is wrong with it.
        #[source]
        source: LogError,
    },
    /// The receiver did not take them.
    #[error("the receiver did not take record {sequence} of {sandbox}: {cause}")]
    NotTaken {
        /// Whose.
        sandbox: String,
        /// The first of the batch.
        sequence: u64,
        /// What it said.
        cause: String,
    },
}

/// Sends every record of the logs that is not older than `since` (microseconds since 1970).
///
/// # Errors
/// A log is not whole, or the receiver does not take its records.
pub async fn copy(logs: &[Log], since: Option<i64>, format: Format, sink: Sink) -> Result<Copied, OnceError> {
    let mut delivery = Delivery::new(sink);
    let mut copied = Copied::default();
    for log in logs {
        let bad = |source| OnceError::Log { sandbox: log.sandbox.clone(), source };
        let mut feed = Feed::open(&log.path, &Cursor::START).map_err(bad)?.not_older_than(since);
        loop {
            let batch = feed.batch(&delivery.sink, format).map_err(bad)?;
            if batch.is_the_end {
                break;
            }
            let (mut attempt, mut repeated) = (0, Repeated::default());
            let refused = loop {
                match delivery.send(&batch.items, &repeated).await {
                    Ok(refused) => break refused,
                    Err(not_now) if attempt + 1 >= ATTEMPTS => {
                        let sequence = batch.items.first().map_or(0, |item| item.sequence);
                        let (sandbox, cause) = (log.sandbox.clone(), not_now.cause);
                        return Err(OnceError::NotTaken { sandbox, sequence, cause });
                    }
                    Err(not_now) => {
                        attempt += 1;
                        repeated.note(&not_now);
                        tokio::time::sleep(Pace::default().wait(attempt, not_now.after)).await;
                    }
                }
            };
            copied.delivered += (batch.items.len() - refused.len()) as u64;
            copied.rejected.extend(
                refused.into_iter().map(|(item, reason)| (item.sandbox.clone(), item.sequence, reason)),
            );
        }
    }
    Ok(copied)
}
