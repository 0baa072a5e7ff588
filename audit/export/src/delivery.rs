//! A batch to a receiver: what it refuses is found by dividing the batch, and the rest goes on.

use std::time::Duration;

use crate::sink::{Item, Refusal, Sink};

/// After so many refused records without one that was taken, it is the receiver that is at fault, or what it was told
/// to expect, and not the records.
const MOST_REFUSED: u32 = 100;

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
}

impl Delivery {
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, refused_in_a_row: 0 }
    }

    /// Returns the records that the receiver refuses for what they hold; it has all others.
    pub(crate) async fn send<'a>(&mut self, batch: &'a [Item]) -> Result<Vec<(&'a Item, String)>, NotNow> {
        let mut refused = Vec::new();
        let mut parts = vec![batch];
        while let Some(part) = parts.pop().filter(|part| !part.is_empty()) {
            match self.sink.send(part).await {
                Ok(()) => self.refused_in_a_row = 0,
                Err(Refusal::Later { cause, after }) => return Err(NotNow { cause, after }),
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
            return Err(NotNow { cause, after: None });
        }
        self.refused_in_a_row += 1;
        refused.push((item, reason));
        Ok(())
    }
}
