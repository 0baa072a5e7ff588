//! A request body on its way out: pieces come through a channel of one, so that a slow upstream slows the guest.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// A body of no bytes, or one that a [`Feeder`] feeds.
#[derive(Debug)]
pub enum Outgoing {
    /// No body.
    Nothing,
    /// As it arrives.
    Fed {
        /// Where pieces arrive.
        pieces: mpsc::Receiver<Piece>,
        /// Its length, if it was announced.
        length: Option<u64>,
        /// Whether the end arrived.
        ended: bool,
    },
}

/// What a feeder sends.
#[derive(Debug)]
pub enum Piece {
    /// Some bytes.
    Data(Bytes),
    /// The end: without it the body is broken off.
    End,
}

/// The other end of an [`Outgoing`] body. Dropped before [`Feeder::end`], it breaks the body off.
#[derive(Debug)]
pub struct Feeder(mpsc::Sender<Piece>);

/// The body was broken off.
#[derive(Debug, thiserror::Error)]
#[error("the client's body ended early")]
pub struct BrokenOff;

impl Outgoing {
    /// A body and its feeder.
    #[must_use]
    pub fn fed(length: Option<u64>) -> (Feeder, Self) {
        let (sender, pieces) = mpsc::channel(1);
        (Feeder(sender), Self::Fed { pieces, length, ended: false })
    }
}

impl Feeder {
    /// Sends a piece on; waits while the upstream is slow. `false`: nobody wants the rest.
    pub async fn piece(&self, data: Bytes) -> bool {
        self.0.send(Piece::Data(data)).await.is_ok()
    }

    /// Ends the body. `false`: nobody wanted it.
    pub async fn end(&self) -> bool {
        self.0.send(Piece::End).await.is_ok()
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Nothing => Poll::Ready(None),
            Self::Fed { ended: true, .. } => Poll::Ready(None),
            Self::Fed { pieces, ended, .. } => match std::task::ready!(pieces.poll_recv(cx)) {
                Some(Piece::Data(data)) => Poll::Ready(Some(Ok(Frame::data(data)))),
                Some(Piece::End) => {
                    *ended = true;
                    Poll::Ready(None)
                }
                None => Poll::Ready(Some(Err(BrokenOff))),
            },
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Nothing | Self::Fed { ended: true, .. })
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Nothing => SizeHint::with_exact(0),
            Self::Fed { length: Some(length), .. } => SizeHint::with_exact(*length),
            Self::Fed { length: None, .. } => SizeHint::default(),
        }
    }
}
