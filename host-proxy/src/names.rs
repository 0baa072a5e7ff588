//! Names in the guest: answers its DNS questions with addresses that mean names, and turns them back.
//!
//! No question of the guest ever leaves this process: a name is resolved for real only when a request to it
//! was allowed, by [`crate::dial`].

mod answer;
mod pool;
mod repeats;

use std::sync::Arc;
use std::time::Instant;

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use wire::frame::{self, FrameError};
use wire::name::{Query, Reply};

use crate::accept::accept;
use crate::flow::read_frame;
use crate::judge::Judge;

pub use pool::{Lease, Pool, PoolError};
use repeats::{Refused, Repeats};

/// Streams of questions at once. guest-init needs one.
const MOST_STREAMS: usize = 4;

/// Answers questions.
#[derive(Debug)]
pub struct Names {
    pool: Arc<Pool>,
    repeats: Repeats,
}

impl Names {
    /// Hands out the addresses of `pool`.
    #[must_use]
    pub fn new(pool: Arc<Pool>) -> Self {
        Self { pool, repeats: Repeats::default() }
    }

    /// Answers every stream of questions that arrives.
    pub async fn serve(self: Arc<Self>, listener: UnixListener, judge: Arc<Judge>) {
        let (names, counting) = (Arc::clone(&self), Arc::clone(&judge));
        tokio::spawn(async move { names.tell_repeats(&counting).await });
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

    /// Records what was refused again and again.
    async fn tell_repeats(&self, judge: &Judge) {
        loop {
            tokio::time::sleep(repeats::WINDOW).await;
            for (refused, times) in self.repeats.due(Instant::now()) {
                let Refused { name, kind, subject, reason } = refused;
                judge.refuse_name((&name, &kind), &subject, reason, times).await;
            }
        }
    }

    /// Answers the questions of one stream, in order: a guest that floods waits for its own answers.
    async fn answer_all(&self, mut stream: UnixStream, judge: &Judge) -> Result<(), FrameError> {
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
