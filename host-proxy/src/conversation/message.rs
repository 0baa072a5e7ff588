//! The message of a request: read whole before the request is decided, where a rule looks into it.
//!
//! *Invariant:* what is forwarded are the bytes that were read and judged, framed anew.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use policies::{Message, Unread};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::exchange::{Reply, Upload};
use super::{Named, PATIENCE};
use crate::http1::{Head, Length, ReadError};
use crate::judge::Case;
use crate::refusal::Refusal;
use crate::room::shares;

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
    /// Its begin was read, and the rest comes as the client sends it.
    Begun(Option<Bytes>, &'a mut U),
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
            None => Self::Live(upload),
            Some(message) => {
                let body = Some(message.body().clone()).filter(|body| !body.is_empty());
                if message.goes_on() { Self::Begun(body, upload) } else { Self::Read(body) }
            }
        }
    }
}

impl<U: Upload> Upload for Source<'_, U> {
    async fn piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        match self {
            Self::Live(upload) => upload.piece().await,
            Self::Read(body) => Ok(body.take()),
            Self::Begun(body, upload) => match body.take() {
                Some(body) => Ok(Some(body)),
                None => upload.piece().await,
            },
        }
    }
}

/// Room for what comes with the last piece that has to be read, behind what has to be.
const BEHIND: u64 = 128 * 1024;

/// Reads the message of a request, if its decision depends on it. The length of one that was read whole is that of `head`
/// from then on.
///
/// # Errors
/// It is longer than it may be, or the client does not send it, or nothing is allowed there any more; recorded.
pub(super) async fn read<U: Upload, D: Reply>(
    named: Named<'_>,
    head: &mut Head,
    (upload, reply): (&mut U, &mut D),
) -> Result<Option<Received>, Refusal> {
    let Named { proxy, case, id } = named;
    let Some(unread) = proxy.judge.unread(case) else { return Ok(None) };
    let most = match unread {
        Unread::Whole(most) => most,
        Unread::Commands(most) => most + BEHIND,
    };
    let mut conforms = proxy.judge.policy();
    // All of it in the time of one piece: it is short, and nothing is done before its end.
    let work = timeout(PATIENCE.body, async {
        let expected = match head.length {
            Length::Exact(length) => length.min(most),
            Length::Chunked => most,
        };
        let room = Arc::clone(&proxy.rooms.messages).acquire_many_owned(shares(expected)).await;
        let mut room = room.expect("the room is never closed");
        let body = received(head, (unread, most), (upload, reply)).await?;
        drop(room.split(room.num_permits() - shares(body.len() as u64) as usize));
        Ok((body, room))
    });
    let received = proxy.judge.uphold_flow(case.asker, &case.request.authority, &mut conforms, work).await;
    let refusal = match received {
        Ok(Ok(Ok((body, room)))) => {
            let message = match unread {
                Unread::Whole(_) => {
                    head.length = Length::Exact(body.len() as u64);
                    Message::new(body)
                }
                Unread::Commands(_) => Message::beginning(body),
            };
            return Ok(Some(Received { message, _room: room }));
        }
        Ok(Ok(Err(Unreceived::TooLong(most)))) => Refusal::too_long(most),
        Ok(Ok(Err(Unreceived::Client(error)))) => Refusal::malformed(&error),
        Ok(Err(_elapsed)) => Refusal::malformed(&ReadError::Slow),
        Err(revoked) => revoked,
    };
    Err(proxy.judge.refuse_request(case.asker, id, case.request, refusal).await)
}

async fn received<U: Upload, D: Reply>(
    head: &mut Head,
    (unread, most): (Unread, u64),
    (upload, reply): (&mut U, &mut D),
) -> Result<Bytes, Unreceived> {
    match (head.length, unread) {
        (Length::Exact(length), Unread::Whole(_)) if length > most => return Err(Unreceived::TooLong(most)),
        (Length::Exact(0), _) => {}
        _ if head.expects_continue => {
            reply.carry_on().await.map_err(|error| Unreceived::Client(error.into()))?;
            head.expects_continue = false;
        }
        _ => {}
    }
    let (mut body, mut enough) = (BytesMut::new(), unread.enough());
    while let Some(piece) = upload.piece().await.map_err(Unreceived::Client)? {
        if (body.len() + piece.len()) as u64 > most {
            return Err(Unreceived::TooLong(unread.most()));
        }
        body.extend_from_slice(&piece);
        if enough.is_in(&body) {
            break;
        }
    }
    Ok(body.freeze())
}
