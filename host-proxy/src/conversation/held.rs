//! A body that is read whole before its request goes out: a credential belongs into it, or signs it.
//!
//! *Invariant:* what is counted and digested for the record is what the client sent, not what a secret made of it.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;
use zeroize::Zeroizing;

use super::calls::Calls;
use super::ends::{Fault, Reply, Upload};
use super::link::Ways;
use super::tally::Tally;
use super::{Named, PATIENCE};
use crate::credentials::Misplaced;
use crate::digest::Passing;
use crate::http1::{Head, Length, ReadError};
use crate::refusal::Refusal;
use crate::room::Room;
use crate::upstream::Feeder;

/// A body, and the room that it takes until its request is over.
pub(super) struct Held<'a> {
    body: Bytes,
    /// Bytes that the client sent.
    came: u64,
    passing: Passing<'a>,
    room: Room,
}

/// The memory of a body with a secret in it, which is wiped.
struct Filled(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Filled {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl<'a> Held<'a> {
    /// Reads the body, of so many bytes at most, for the credential of this name, and puts in what belongs there. The length
    /// in `head` is that of what goes out from then on.
    pub(super) async fn read<U: Upload, D: Reply>(
        (named, ways, tally): (Named<'_>, Ways<'_>, &'a Tally),
        (head, bound): (&mut Head, (&Arc<str>, u64)),
        (upload, reply): (&mut U, &mut D),
    ) -> Result<Self, Fault> {
        let announced = match head.length {
            Length::Exact(bytes) => Some(bytes),
            Length::Chunked => None,
        };
        // Before the client is told to send it.
        if announced.is_some_and(|bytes| bytes > bound.1) {
            return Err(Fault::Before(tally.too_much(bound)));
        }
        if head.expects_continue && head.length != Length::Exact(0) {
            tally.answering.store(true, Ordering::Relaxed);
            reply.carry_on().await.map_err(|_client_is_gone| Fault::During)?;
            tally.answering.store(false, Ordering::Relaxed);
            head.expects_continue = false;
        }
        let mut held = Self {
            body: Bytes::new(),
            came: 0,
            passing: tally.passing_up(announced),
            room: Room::new(&named.proxy.rooms.bodies),
        };
        let whole = timeout(PATIENCE.body, held.whole((ways, tally), bound, upload)).await;
        let whole = whole.unwrap_or_else(|_elapsed| Err(Refusal::malformed(&ReadError::Slow)));
        let whole = whole.map_err(Fault::Before)?;
        let filled = ways.carried.fill(&whole).map_err(|why| Fault::Before(tally.misplaced(why)))?;
        held.body = filled.map_or(whole, |filled| Bytes::from_owner(Filled(filled)));
        head.length = Length::Exact(held.body.len() as u64);
        Ok(held)
    }

    async fn whole<U: Upload>(
        &mut self,
        (ways, tally): (Ways<'_>, &Tally),
        bound: (&Arc<str>, u64),
        upload: &mut U,
    ) -> Result<Bytes, Refusal> {
        let mut calls = Calls::of(ways.permit);
        let mut body = BytesMut::new();
        while let Some(piece) = upload.piece().await.map_err(|error| Refusal::malformed(&error))? {
            self.came += piece.len() as u64;
            if self.came > bound.1 {
                return Err(tally.too_much(bound));
            }
            // Twice: what came, and what is made of it.
            self.room.fit(2 * self.came).map_err(|_full| tally.misplaced(Misplaced::Full))?;
            calls.as_mut().map_or(Ok(()), |calls| calls.see(&piece)).map_err(|why| *why)?;
            tally.spend(piece.len()).map_err(|spent| Refusal::spent(ways.permit.rule(), spent))?;
            self.passing.see(&piece);
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    /// What goes out.
    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// Sends it. An upstream that wants none of it has answered.
    pub(super) async fn feed(mut self, feeder: Option<Feeder>, tally: &Tally) {
        let Some(feeder) = feeder else { return };
        if feeder.piece(self.body.clone()).await {
            tally.sent.fetch_add(self.came, Ordering::Relaxed);
            self.passing.has_ended();
            let _or_unwanted = feeder.end().await;
        }
    }
}
