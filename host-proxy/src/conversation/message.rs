//! The message of a request: read whole before the request is decided, where a rule looks into it.
//!
//! *Invariant:* what is forwarded are the bytes that were read and judged, framed anew.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use policies::Message;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::exchange::{Reply, Upload};
use super::{Named, PATIENCE};
use crate::http1::{Head, Length, ReadError};
use crate::judge::Case;
use crate::refusal::Refusal;

/// Bytes that one share of the room for messages stands for. A sandbox that has taken all of it waits for itself.
const SHARE: u64 = 64 * 1024;

/// Shares of one sandbox: 64 MiB of messages under way.
pub(super) const SHARES: usize = 1024;

/// A message, and the room that it takes until its request is over.
pub(super) struct Received {
    message: Message,
    _room: OwnedSemaphorePermit,
}

/// A request's body on its way to the upstream.
pub(super) enum Source<'a, U> {
    /// As the client sends it.
    Live(&'a mut U),
    /// It was read; or its end.
    Read(Option<Bytes>),
}

/// Why a body was not read.
enum Unreceived {
    TooLong(u64),
    Client(ReadError),
}

impl Received {
    pub(super) fn message(&self) -> &Message {
        &self.message
    }
}

impl<'a, U: Upload> Source<'a, U> {
    /// What is forwarded in a case.
    pub(super) fn of(case: &Case<'_>, upload: &'a mut U) -> Self {
        match case.message {
            Some(message) => Self::Read(Some(message.body().clone()).filter(|body| !body.is_empty())),
            None => Self::Live(upload),
        }
    }
}

impl<U: Upload> Upload for Source<'_, U> {
    async fn piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        match self {
            Self::Live(upload) => upload.piece().await,
            Self::Read(body) => Ok(body.take()),
        }
    }
}

/// Reads the message of a request, if its decision depends on it. Its length is that of `head` from then on.
///
/// # Errors
/// It is longer than it may be, or the client does not send it, or nothing is allowed there any more; recorded.
pub(super) async fn read<U: Upload, D: Reply>(
    named: Named<'_>,
    head: &mut Head,
    (upload, reply): (&mut U, &mut D),
) -> Result<Option<Received>, Refusal> {
    let Named { proxy, case, id } = named;
    let Some(most) = proxy.judge.unread(case) else { return Ok(None) };
    let mut conforms = proxy.judge.policy();
    // All of it in the time of one piece: it is short, and nothing is done before its end.
    let work = timeout(PATIENCE.body, async {
        let expected = match head.length {
            Length::Exact(length) => length.min(most),
            Length::Chunked => most,
        };
        let room = Arc::clone(&proxy.rooms.messages).acquire_many_owned(shares(expected)).await;
        let mut room = room.expect("the room is never closed");
        let body = received(head, most, (upload, reply)).await?;
        drop(room.split(room.num_permits() - shares(body.len() as u64) as usize));
        Ok((body, room))
    });
    let received = proxy.judge.uphold_flow(case.asker, &case.request.authority, &mut conforms, work).await;
    let refusal = match received {
        Ok(Ok(Ok((body, room)))) => {
            head.length = Length::Exact(body.len() as u64);
            return Ok(Some(Received { message: Message::new(body), _room: room }));
        }
        Ok(Ok(Err(Unreceived::TooLong(most)))) => Refusal::too_long(most),
        Ok(Ok(Err(Unreceived::Client(error)))) => Refusal::malformed(&error),
        Ok(Err(_elapsed)) => Refusal::malformed(&ReadError::Slow),
        Err(revoked) => revoked,
    };
    Err(proxy.judge.refuse_request(case.asker, id, case.request, refusal).await)
}

pub(super) fn shares(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(SHARE)).unwrap_or(u32::MAX)
}

async fn received<U: Upload, D: Reply>(
    head: &mut Head,
    most: u64,
    (upload, reply): (&mut U, &mut D),
) -> Result<Bytes, Unreceived> {
    match head.length {
        Length::Exact(length) if length > most => return Err(Unreceived::TooLong(most)),
        Length::Exact(0) => {}
        _ if head.expects_continue => {
            reply.carry_on().await.map_err(|error| Unreceived::Client(error.into()))?;
            head.expects_continue = false;
        }
        _ => {}
    }
    let mut body = BytesMut::new();
    while let Some(piece) = upload.piece().await.map_err(Unreceived::Client)? {
        if (body.len() + piece.len()) as u64 > most {
            return Err(Unreceived::TooLong(most));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.freeze())
}
