//! Names in the guest: answers its DNS questions with addresses that mean names, and turns them back.
//!
//! No question of the guest ever leaves this process: a name is resolved for real only when a request to it
//! was allowed, by [`crate::dial`]. What is asked is recorded all the same: the first question of a kind before its answer, allowed or
//! refused, its repeats as a count afterwards.

mod answer;
mod pool;
mod repeats;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use wire::frame::{self, FrameError};
use wire::name::{Query, Reply};

use crate::accept::accept;
use crate::ending::Stay;
use crate::flow::read_frame;
use crate::journal::Asked;
use crate::judge::Judge;
use crate::refusal::Refusal;

pub use pool::{Lease, Pool, PoolError};
use repeats::Repeats;

/// Streams of questions at once. guest-init needs one.
const MOST_STREAMS: usize = 4;

/// Between two records of one kind of refusals, and of answers. A client asks again every few seconds, as long as it runs.
const REFUSED: Duration = Duration::from_secs(5);
const ANSWERED: Duration = Duration::from_secs(60);

/// Answers questions.
#[derive(Debug)]
pub struct Names {
    pool: Arc<Pool>,
    refused: Repeats,
    answered: Repeats,
}

impl Names {
    /// Hands out the addresses of `pool`.
    #[must_use]
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, refused: Repeats::new(REFUSED), answered: Repeats::new(ANSWERED) }
    }

    /// Answers every stream of questions that arrives.
    pub async fn serve(self: Arc<Self>, listener: UnixListener, judge: Arc<Judge>) {
        let (names, counting, stay) = (Arc::clone(&self), Arc::clone(&judge), judge.ending().stay());
        tokio::spawn(async move { names.tell_repeats(&counting, stay).await });
        let streams = Arc::new(Semaphore::new(MOST_STREAMS));
        loop {
            let slot = Arc::clone(&streams).acquire_owned().await.expect("the semaphore is never closed");
            let Some(stream) = accept(&listener).await else { continue };
            let (names, judge) = (Arc::clone(&self), Arc::clone(&judge));
            tokio::spawn(async move {
                if let Err(error) = names.answer_all(stream, &judge).await {
                    tracing::warn!(%error, "a stream of name questions ended");
                }
                drop(slot);
            });
        }
    }

    /// Records what was asked again and again; at the end what is counted until then.
    async fn tell_repeats(&self, judge: &Judge, stay: Stay) {
        let all = [&self.refused, &self.answered];
        while timeout(REFUSED, stay.ended()).await.is_err() {
            for repeats in all {
                repeats.tell(judge).await;
            }
        }
        for repeats in all {
            repeats.tell_all(judge).await;
        }
    }

    /// Records that a name is asked for, or counts it if that is on the record.
    async fn tell(&self, asked: Asked, judge: &Judge, now: Instant) -> Result<(), Refusal> {
        let repeats = if asked.refused.is_some() { &self.refused } else { &self.answered };
        if !repeats.counts(&asked) {
            judge.record_name(&asked, 1).await?;
            repeats.told(&asked, now);
        }
        Ok(())
    }

    /// Answers the questions of one stream, in order: a guest that floods waits for its own answers.
    async fn answer_all(&self, stream: UnixStream, judge: &Judge) -> Result<(), FrameError> {
        let mut stream = judge.hears(stream);
        loop {
            let query: Query = match read_frame(&mut stream, frame::SMALL).await {
                Err(FrameError::Closed) => return Ok(()),
                read => read?,
            };
            let message = self.answer(&query, judge, Instant::now()).await;
            let reply = frame::encode(&Reply { id: query.id, message })?;
            stream.write_all(&reply).await?;
        }
    }
}
