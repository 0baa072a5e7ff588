//! A stream's body and its answer, as fast as the slower end takes them.

use std::future::poll_fn;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use policies::Message;
use tokio::time::timeout;
use wire::id::RequestId;

use super::super::exchange::{Extent, More, Reply, Upload};
use crate::flow::Asker;
use crate::http1::{BodyError, ReadError};
use crate::refusal::Refusal;

/// How long a client may leave its window shut. Longer than any pause of a client that still wants the answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// Most bytes of an answer that are written at once.
const MOST_AT_ONCE: usize = 64 * 1024;

/// The body of a request.
pub(super) struct Body {
    stream: RecvStream,
    /// What was taken from the window and is not yet given back: it is, once the upstream took it.
    owed: usize,
}

/// The answer to a request.
pub(super) struct Answer {
    respond: SendResponse<Bytes>,
    state: State,
    client: Client,
}

enum State {
    /// Nothing was said yet.
    Waiting,
    /// The head was.
    Begun(SendStream<Bytes>),
    /// There is no more to say.
    Over,
}

/// How a client wants to be refused.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Client {
    Plain,
    /// It asked for the head alone.
    Head,
    /// It reads the status of a call, whatever the response's.
    Grpc,
}

impl Body {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self { stream, owed: 0 }
    }

    /// Whether there is none.
    pub(super) fn is_over(&self) -> bool {
        self.stream.is_end_stream()
    }
}

impl Upload for Body {
    async fn piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            let owed = std::mem::take(&mut self.owed);
            self.stream.flow_control().release_capacity(owed).map_err(failed)?;
            match self.stream.data().await {
                Some(Ok(data)) if data.is_empty() => {}
                Some(Ok(data)) => {
                    self.owed = data.len();
                    return Ok(Some(data));
                }
                Some(Err(error)) => return Err(failed(error).into()),
                None => break,
            }
        }
        match self.stream.trailers().await.map_err(failed)? {
            None => Ok(None),
            // They were not judged.
            Some(_) => Err(BodyError::Trailers.into()),
        }
    }
}

impl Answer {
    pub(super) fn new(respond: SendResponse<Bytes>, request: &Parts) -> Self {
        let client = match request.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes) {
            Some(kind) if is_grpc(kind) => Client::Grpc,
            _ if request.method == Method::HEAD => Client::Head,
            _ => Client::Plain,
        };
        Self { respond, state: State::Waiting, client }
    }

    /// Tells the client why there is no other answer.
    pub(super) async fn refuse(
        &mut self,
        refusal: &Refusal,
        asker: &Asker,
        id: &RequestId,
    ) -> io::Result<()> {
        self.refuse_message((refusal, None), asker, id).await
    }

    /// The same for one who sent this message.
    pub(super) async fn refuse_message(
        &mut self,
        (refusal, message): (&Refusal, Option<&Message>),
        asker: &Asker,
        id: &RequestId,
    ) -> io::Result<()> {
        if self.client == Client::Grpc {
            return self.head(&refusal.of_call(&id.0), Extent::None);
        }
        let (parts, body) = refusal.response_to(message, &asker.binary, &id.0).into_parts();
        let length = body.len() as u64;
        let extent =
            if self.client == Client::Head { Extent::Head(Some(length)) } else { Extent::Exact(length) };
        self.head(&Response::from_parts(parts, ()), extent)?;
        self.piece(Bytes::from(body), More::Soon).await?;
        self.end(None).await
    }

    /// Breaks the answer off: the client must not believe that it is whole.
    pub(super) fn reset(&mut self) {
        match &mut self.state {
            State::Waiting => self.respond.send_reset(Reason::CANCEL),
            State::Begun(stream) => stream.send_reset(Reason::CANCEL),
            State::Over => {}
        }
        self.state = State::Over;
    }
}

impl Reply for Answer {
    async fn carry_on(&mut self) -> io::Result<()> {
        let mut interim = Response::new(());
        *interim.status_mut() = StatusCode::CONTINUE;
        self.respond.send_informational(interim).map_err(failed)
    }

    fn head(&mut self, response: &Response<()>, extent: Extent) -> io::Result<()> {
        let mut head = Response::new(());
        *head.status_mut() = response.status();
        *head.headers_mut() = response.headers().clone();
        head.headers_mut().remove(header::CONTENT_LENGTH);
        if let Extent::Exact(length @ 1..) | Extent::Head(Some(length)) = extent {
            head.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        // A call of gRPC that failed at once has its status in a head that ends the stream, and not before an empty body.
        let over = matches!(extent, Extent::None | Extent::Head(_) | Extent::Exact(0));
        let stream = self.respond.send_response(head, over).map_err(failed)?;
        self.state = if over { State::Over } else { State::Begun(stream) };
        Ok(())
    }

    async fn piece(&mut self, mut data: Bytes, _more: More) -> io::Result<()> {
        let State::Begun(stream) = &mut self.state else { return Ok(()) };
        while !data.is_empty() {
            stream.reserve_capacity(data.len().min(MOST_AT_ONCE));
            let room = timeout(PATIENCE, poll_fn(|cx| stream.poll_capacity(cx))).await?;
            let room = room.ok_or(io::ErrorKind::BrokenPipe)?.map_err(failed)?;
            let piece = data.split_to(room.min(data.len()));
            if !piece.is_empty() {
                stream.send_data(piece, false).map_err(failed)?;
            }
        }
        Ok(())
    }

    async fn end(&mut self, trailers: Option<HeaderMap>) -> io::Result<()> {
        let State::Begun(mut stream) = std::mem::replace(&mut self.state, State::Over) else {
            return Ok(());
        };
        match trailers.filter(|trailers| !trailers.is_empty()) {
            Some(trailers) => stream.send_trailers(trailers).map_err(failed),
            None => stream.send_data(Bytes::new(), true).map_err(failed),
        }
    }

    fn shows_its_end(&self) -> bool {
        true
    }

    async fn unwanted(&mut self) {
        let _reason = match &mut self.state {
            State::Waiting => poll_fn(|cx| self.respond.poll_reset(cx)).await,
            State::Begun(stream) => poll_fn(|cx| stream.poll_reset(cx)).await,
            State::Over => std::future::pending().await,
        };
    }
}

/// `application/grpc`, with or without the name of a coding; the variant for browsers has answers like all others.
fn is_grpc(kind: &[u8]) -> bool {
    kind.strip_prefix(b"application/grpc").is_some_and(|rest| matches!(rest, [] | [b'+' | b';' | b' ', ..]))
}

fn failed(error: h2::Error) -> io::Error {
    io::Error::other(error)
}
