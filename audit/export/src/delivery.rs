//! A batch to a receiver: what it refuses is found by dividing the batch, and the rest goes on.
//!
//! A receiver says of some records that they are at fault (400). Of others it does not: a filter before it answers 403 to a
//! text that it dislikes, as it would to a wrong token. After [`SAME`] equal answers the batch is divided for these, too; a
//! record is set aside only if others are taken before and after it was refused.

use std::collections::VecDeque;
use std::time::Duration;

use crate::sink::{Item, Refusal, Sink};

/// After so many refused records without one that was taken, it is the receiver that is at fault, or what it was told
/// to expect, and not the records.
const MOST_REFUSED: u32 = 100;

/// Equal answers to one batch after which it is divided.
pub(crate) const SAME: u32 = 4;

/// Parts of a divided batch that may be refused before one is taken: then it is the receiver that takes nothing.
const MOST_PARTS: u32 = 30;

/// Hands batches to one receiver.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) sink: Sink,
    refused_in_a_row: u32,
}

/// The receiver did not take the batch now.
#[derive(Debug)]
pub(crate) struct NotNow {
    pub(crate) cause: String,
    pub(crate) after: Option<Duration>,
    /// See [`Refusal::Later`].
    pub(crate) status: Option<u16>,
}

/// How often one batch was answered with the same status.
#[derive(Debug, Default)]
pub(crate) struct Repeated {
    status: Option<u16>,
    times: u32,
}

impl Repeated {
    /// Counts an answer; a connection that failed is none.
    pub(crate) fn note(&mut self, not_now: &NotNow) {
        if not_now.status.is_none() {
            return;
        }
        self.times = if self.status == not_now.status { self.times + 1 } else { 1 };
        self.status = not_now.status;
    }

    /// The status, once it is time to ask which records it is about.
    fn doubtful(&self) -> Option<u16> {
        self.status.filter(|_status| self.times >= SAME)
    }
}

impl Delivery {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, refused_in_a_row: 0 }
    }

    /// Returns the records that the receiver refuses for what they hold; it has all others. `repeated` is what it said of
    /// this batch until now.
    pub(crate) async fn send<'a>(
        &mut self,
        batch: &'a [Item],
        repeated: &Repeated,
    ) -> Result<Vec<(&'a Item, String)>, NotNow> {
        match repeated.doubtful() {
            Some(status) if batch.len() > 1 => self.send_apart(batch, status).await,
            _ => self.send_whole(batch).await,
        }
    }

    /// The same, where `status` is about some records if the receiver takes others meanwhile.
    async fn send_apart<'a>(
        &mut self,
        batch: &'a [Item],
        status: u16,
    ) -> Result<Vec<(&'a Item, String)>, NotNow> {
        let halves = |part: &'a [Item]| <[_; 2]>::from(part.split_at(part.len() / 2));
        let mut parts = VecDeque::from(halves(batch));
        let (mut refused, mut aside, mut taken) = (Vec::new(), Vec::new(), None);
        let mut answers = 0;
        while let Some(part) = parts.pop_front() {
            match self.send_whole(part).await {
                Ok(some) => {
                    let is_taken =
                        |item: &&Item| some.iter().all(|(other, _)| other.sequence != item.sequence);
                    taken = taken.or(part.iter().find(is_taken));
                    refused.extend(some);
                }
                Err(not_now) if not_now.status != Some(status) => return Err(not_now),
                Err(not_now) if taken.is_none() && answers >= MOST_PARTS => return Err(not_now),
                Err(not_now) => {
                    answers += 1;
                    match part {
                        [item] => aside.push((item, not_now)),
                        part => parts.extend(halves(part)),
                    }
                }
            }
        }
        if let Some((_item, not_now)) = aside.pop_if(|_last| taken.is_none()) {
            return Err(not_now);
        }
        if let Some(taken) = taken.filter(|_taken| !aside.is_empty()) {
            // It may have begun to refuse everything meanwhile. One that it has comes twice.
            self.send_whole(std::slice::from_ref(taken)).await?;
        }
        let reason = |not_now: NotNow| format!("{}, again and again, while others are taken", not_now.cause);
        refused.extend(aside.into_iter().map(|(item, not_now)| (item, reason(not_now))));
        Ok(refused)
    }

    /// The same in one piece, unless the receiver says that a record is at fault.
    async fn send_whole<'a>(&mut self, batch: &'a [Item]) -> Result<Vec<(&'a Item, String)>, NotNow> {
        let mut refused = Vec::new();
        let mut parts = vec![batch];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            match self.sink.send(part).await {
                Ok(()) => self.refused_in_a_row = 0,
                Err(Refusal::Later { cause, after, status }) => return Err(NotNow { cause, after, status }),
                Err(Refusal::Records(records)) => {
                    if records.len() < part.len() {
                        self.refused_in_a_row = 0;
                    }
                    for (item, reason) in
                        records.into_iter().filter_map(|(at, reason)| Some((part.get(at)?, reason)))
                    {
                        self.refuse(item, reason, &mut refused)?;
                    }
                }
                Err(Refusal::Content(reason)) if part.len() == 1 => {
                    self.refuse(&part[0], reason, &mut refused)?;
                }
                Err(Refusal::Content(_some_record)) => {
                    let (first, second) = part.split_at(part.len() / 2);
                    parts.extend([second, first]);
                }
            }
        }
        Ok(refused)
    }

    fn refuse<'a>(
        &mut self,
        item: &'a Item,
        reason: String,
        refused: &mut Vec<(&'a Item, String)>,
    ) -> Result<(), NotNow> {
        if self.refused_in_a_row >= MOST_REFUSED {
            let cause = format!("the receiver refuses every record: {reason}");
            return Err(NotNow { cause, after: None, status: None });
        }
        self.refused_in_a_row += 1;
        refused.push((item, reason));
        Ok(())
    }
}
