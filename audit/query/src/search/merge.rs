//! The answers of several logs in one order.

use std::cmp::Ordering;
use std::sync::mpsc::Receiver;

use super::{Found, SearchError};

/// All answers in the order of time; each log's own order stays as it is. What is wrong with a log stands behind the
/// answers of all logs, or before them if the newest come first.
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

fn before(one: &Result<Found, SearchError>, other: &Result<Found, SearchError>, newest_first: bool) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            let order = one.record.time.cmp(&other.record.time);
            order == if newest_first { Ordering::Greater } else { Ordering::Less }
        }
        (Ok(_), Err(_)) => !newest_first,
        (Err(_), Ok(_)) => newest_first,
        (Err(_), Err(_)) => false,
    }
}
