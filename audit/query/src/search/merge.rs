//! The answers of several logs in one order.

use std::cmp::Ordering;
use std::sync::mpsc::Receiver;

use super::{Found, SearchError};

/// All answers in the order of time; each log's own order stays as it is.
pub fn merged(
    logs: Vec<Receiver<Result<Found, SearchError>>>,
    newest_first: bool,
) -> impl Iterator<Item = Result<Found, SearchError>> {
    let mut heads: Vec<_> = logs.into_iter().map(|log| (log.recv().ok(), log)).collect();
    std::iter::from_fn(move || {
        // A few logs: looking at each is cheaper than keeping them sorted.
        let next = heads.iter().enumerate().filter_map(|(index, (head, _log))| Some((head.as_ref()?, index)));
        let (_head, index) =
            next.reduce(|best, other| if before(other.0, best.0, newest_first) { other } else { best })?;
        let (head, log) = &mut heads[index];
        std::mem::replace(head, log.recv().ok())
    })
}

/// An error comes at once: what would follow it is not known.
fn before(one: &Result<Found, SearchError>, other: &Result<Found, SearchError>, newest_first: bool) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            let order = one.record.time.cmp(&other.record.time);
            order == if newest_first { Ordering::Greater } else { Ordering::Less }
        }
        (Err(_), Ok(_)) => true,
        (_, Err(_)) => false,
    }
}
