//! A connection of HTTP/1.1: requests and responses in turn, each request decided anew.
//!
//! States: *waiting* for a head → *judging* → *forwarding* → *relaying* the response → waiting, or *ending*, or
//! *crossed over* to a WebSocket, which is the last thing on its connection, granted or not. Whatever goes wrong ends
//! the connection: after doubt nothing more is read from it. So does a new policy that allows nothing where it leads.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Method, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::timeout;
use wire::id::{PolicyVersion, RequestId};

use super::exchange::{Done, Exchange, Extent, More, Reply, Upload, see_through};
use super::link::Kept;
use super::message::{self, Received, Source};
use super::socket::{Crossing, Wanted};
use super::tally::Tally;
use super::{FAREWELL, Named, PATIENCE, Place, Unheard};
use crate::canonical::{Authority, CanonicalRequest, NotCanonical, Scheme};
use crate::fields;
use crate::flow::Asker;
use crate::http1::{Close, Framing, Head, Length, ReadError, Reader, Writer};
use crate::judge::{Case, Granted};
use crate::proxy::Proxy;
use crate::refusal::Refusal;
use crate::sniff::Replayed;
use crate::websocket::{HandshakeError, Offer};

/// How long a client is waited for after the last answer, and how much of what it still sends is read.
const LINGER: Duration = Duration::from_secs(3);
const LINGER_BYTES: usize = 64 * 1024 * 1024;

/// How a conversation ended.
#[derive(Debug)]
pub(crate) enum Ending<S> {
    /// The connection is over.
    Closed,
    /// A tunnel to this authority was granted; what comes next on the stream is a new flow.
    Tunnel(Authority, Replayed<S>),
}

/// One connection.
pub(crate) struct Conversation<'a, S> {
    proxy: &'a Proxy,
    asker: &'a Asker,
    place: Place,
    reader: Reader<ReadHalf<S>>,
    writer: Writer<WriteHalf<S>>,
    /// The upstream of the last request, kept for the next one to the same authority.
    upstream: Option<Kept>,
    requests: u64,
    /// The policy by which the connection was last found in order.
    conforms: PolicyVersion,
}

/// What follows a request.
enum Next {
    /// The next request.
    Request,
    /// The end of the connection.
    End,
    /// A tunnel.
    Tunnel(Authority),
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin + Send> Conversation<'a, S> {
    pub(crate) fn new(proxy: &'a Proxy, asker: &'a Asker, place: Place, stream: S) -> Self {
        let (read, write) = tokio::io::split(stream);
        let (reader, writer) = (Reader::new(read, PATIENCE), Writer::new(write));
        let conforms = proxy.judge.policy();
        Self { proxy, asker, place, reader, writer, upstream: None, requests: 0, conforms }
    }

    /// Serves requests until the connection ends or becomes a tunnel.
    ///
    /// # Errors
    /// The client's stream failed.
    pub(crate) async fn run(mut self) -> io::Result<Ending<S>> {
        loop {
            let head = match self.next_head().await {
                Ok(head) => head,
                Err(revoked) => return self.revoke(revoked).await.map(|()| Ending::Closed),
            };
            let next = match head {
                Ok(Some(head)) => self.request(head).await?,
                Ok(None) => {
                    self.record_silence().await;
                    Next::End
                }
                Err(ReadError::Io(error)) => return Err(error),
                Err(error) => self.refuse_unread(&error).await?,
            };
            self.requests += 1;
            match next {
                Next::Request => {}
                Next::End => return self.close().await.map(|()| Ending::Closed),
                Next::Tunnel(authority) => {
                    let (read, before) = self.reader.into_parts();
                    let stream = read.unsplit(self.writer.into_inner());
                    return Ok(Ending::Tunnel(authority, Replayed::new(before, stream)));
                }
            }
        }
    }

    /// Waits for a request, as long as one could be allowed where the connection leads.
    async fn next_head(&mut self) -> Result<Result<Option<Head>, ReadError>, Refusal> {
        let head = self.reader.head();
        let leads_to = match &self.place {
            Place::At(_, authority) => Some(authority),
            Place::Proxy => self.upstream.as_ref().map(Kept::authority),
        };
        match leads_to {
            Some(authority) => {
                self.proxy.judge.uphold_flow(self.asker, authority, &mut self.conforms, head).await
            }
            None => Ok(head.await),
        }
    }

    /// Records why the connection is over, and ends it without another word from the client.
    async fn revoke(&mut self, refusal: Refusal) -> io::Result<()> {
        let kept = self.upstream.take();
        let authority = match &self.place {
            Place::At(_, authority) => Some(authority),
            Place::Proxy => kept.as_ref().map(Kept::authority),
        };
        let id = self.proxy.judge.next_id();
        let _told_by_closing = self.proxy.judge.refuse_flow(self.asker, &id, authority, refusal).await;
        // A client that reads learns that the end is one; one that does not learns it anyway.
        let _or_cut = timeout(FAREWELL, self.writer.shutdown()).await;
        Ok(())
    }

    async fn request(&mut self, mut head: Head) -> io::Result<Next> {
        let id = self.proxy.judge.next_id();
        if head.method == "CONNECT" && matches!(self.place, Place::Proxy) {
            return self.tunnel(&head, &id).await;
        }
        let request = match self.place.hear(&head) {
            Ok(request) => request,
            Err(Unheard::Malformed(error)) => {
                return self.refuse_malformed(&id, Refusal::malformed(&error), head.method == "HEAD").await;
            }
            Err(Unheard::Misdirected(request, refusal)) => {
                let refusal = self.proxy.judge.refuse_request(self.asker, &id, &request, refusal).await;
                return self.answer(&id, &refusal, &request).await;
            }
        };
        let offer = match self.offer(&mut head) {
            Ok(offer) => offer,
            Err(refusal) => {
                let refusal = self.proxy.judge.refuse_request(self.asker, &id, &request, refusal).await;
                return self.answer(&id, &refusal, &request).await;
            }
        };
        let request = if offer.is_some() { request.into_handshake() } else { request };
        // What is judged is what is forwarded, and what a later policy judges while it is.
        fields::clean_request(&mut head.fields);
        let fields = head.fields.clone();
        let unread = Case { asker: self.asker, request: &request, fields: &fields, message: None };
        let named = Named { proxy: self.proxy, case: &unread, id: &id };
        let mut reply = Answer::last(&mut self.writer);
        let message = match message::read(named, &mut head, (&mut self.reader, &mut reply)).await {
            Ok(message) => message,
            Err(refusal) => return self.answer_denied((&id, &refusal), &unread, &head).await,
        };
        let case = Case { message: message.as_ref().map(Received::message), ..unread };
        let named = Named { case: &case, ..named };
        match (self.proxy.judge.request(&case, &id).await, offer) {
            (Ok(granted), None) => self.forward(named, granted, head).await,
            (Ok(granted), Some(offer)) => self.cross(named, granted, Wanted { head, offer }).await,
            (Err(refusal), None) => self.answer_denied((&id, &refusal), &case, &head).await,
            // What is behind it was meant for a WebSocket.
            (Err(refusal), Some(_)) => self.answer(&id, &refusal, &request).await,
        }
    }

    /// The WebSocket that a request asks for, if it does. Nothing may be behind it: what a client sends before it has
    /// an answer is a request to some and a frame to others.
    fn offer(&self, head: &mut Head) -> Result<Option<Offer>, Refusal> {
        if !Offer::is_in(&head.fields) {
            return Ok(None);
        }
        let refused = |error: HandshakeError| Refusal::malformed(&error);
        if head.method != "GET" || !head.chunked_responses || head.length != Length::Exact(0) {
            return Err(refused(HandshakeError::Request));
        }
        if !self.reader.is_drained() {
            return Err(refused(HandshakeError::Behind));
        }
        Offer::take(&mut head.fields).map(Some).map_err(refused)
    }

    /// Forwards a permitted request and relays the response, while the policy in force permits it. The fields of
    /// `head` are those that were judged.
    async fn forward(&mut self, named: Named<'_>, granted: Granted, head: Head) -> io::Result<Next> {
        let tally = Tally::new(granted.budget.clone(), self.proxy.digests(&granted.permit));
        let (persistent, kept) = (head.persistent, self.upstream.take());
        let close = if persistent { Close::No } else { Close::Yes };
        let mut reply = Answer { writer: &mut self.writer, chunked: head.chunked_responses, close };
        let ways = named.ways(&granted);
        let mut upload = Source::of(named.case, &mut self.reader);
        let exchange = Exchange { named, ways, upload: &mut upload, reply: &mut reply, tally: &tally };
        self.conforms = granted.policy;
        let work = Box::pin(exchange.run(head, kept));
        match see_through(named, (&granted, &tally), &mut self.conforms, work).await {
            Done::Refused(refusal) => self.answer(named.id, &refusal, named.case.request).await,
            Done::BrokenOff | Done::Ended => Err(io::ErrorKind::ConnectionAborted.into()),
            Done::Over(kept) if persistent && self.reader.is_between_requests() => {
                self.upstream = kept;
                Ok(Next::Request)
            }
            Done::Over(_) | Done::Unrecorded => Ok(Next::End),
        }
    }

    /// Crosses over to a permitted WebSocket, and carries it while the policy in force permits it. Afterwards the
    /// connection is over, whatever the upstream answered.
    async fn cross(&mut self, named: Named<'_>, granted: Granted, wanted: Wanted) -> io::Result<Next> {
        let tally = Tally::new(granted.budget.clone(), self.proxy.digests(&granted.permit));
        let ways = named.ways(&granted);
        self.conforms = granted.policy;
        let mut crossing = Crossing::new(named, ways, &tally);
        let work = Box::pin(crossing.run(wanted, (&mut self.reader, &mut self.writer)));
        match see_through(named, (&granted, &tally), &mut self.conforms, work).await {
            Done::Refused(refusal) => self.answer(named.id, &refusal, named.case.request).await,
            Done::Over(()) | Done::Unrecorded => Ok(Next::End),
            Done::BrokenOff => {
                crossing.revoke(&mut self.writer).await;
                Err(io::ErrorKind::ConnectionAborted.into())
            }
            Done::Ended => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }

    /// A tunnel through the explicit proxy: granted if some request to the authority could be allowed. What
    /// goes through it is a connection like every other; inside it there is no other tunnel.
    async fn tunnel(&mut self, head: &Head, id: &RequestId) -> io::Result<Next> {
        let authority = match tunnelled(head) {
            Ok(authority) => authority,
            Err(error) => return self.refuse_malformed(id, Refusal::malformed(&error), false).await,
        };
        if let Some(refusal) = self.proxy.judge.destination(self.asker, &authority) {
            let refusal = self.proxy.judge.refuse_flow(self.asker, id, Some(&authority), refusal).await;
            self.write_refusal(id, &refusal, Body::Sent).await?;
            return Ok(Next::End);
        }
        if let Err(refusal) = self.proxy.judge.grant_tunnel(self.asker, id, &authority).await {
            self.write_refusal(id, &refusal, Body::Sent).await?;
            return Ok(Next::End);
        }
        self.writer.head(&Response::new(()), Framing::Empty, Close::No);
        self.writer.flush().await?;
        Ok(Next::Tunnel(authority))
    }

    /// A connection to a forbidden destination on which nothing was asked is recorded all the same.
    async fn record_silence(&self) {
        let Place::At(_, authority) = &self.place else { return };
        if self.requests > 0 {
            return;
        }
        if let Some(refusal) = self.proxy.judge.destination(self.asker, authority) {
            let id = self.proxy.judge.next_id();
            let _already_told = self.proxy.judge.refuse_flow(self.asker, &id, Some(authority), refusal).await;
        }
    }

    /// What cannot be read is refused, and ends the connection: where the next request begins is not known.
    async fn refuse_unread(&mut self, error: &ReadError) -> io::Result<Next> {
        let id = self.proxy.judge.next_id();
        self.refuse_malformed(&id, Refusal::malformed(error), false).await
    }

    async fn refuse_malformed(&mut self, id: &RequestId, refusal: Refusal, head: bool) -> io::Result<Next> {
        let authority = match &self.place {
            Place::At(_, authority) => Some(authority),
            Place::Proxy => None,
        };
        let refusal = self.proxy.judge.refuse_flow(self.asker, id, authority, refusal).await;
        self.write_refusal(id, &refusal, if head { Body::Withheld } else { Body::Sent }).await?;
        Ok(Next::End)
    }

    /// Answers a refusal after which the connection ends.
    async fn answer(
        &mut self,
        id: &RequestId,
        refusal: &Refusal,
        request: &CanonicalRequest,
    ) -> io::Result<Next> {
        self.write_refusal(id, refusal, Body::to(request)).await?;
        Ok(Next::End)
    }

    /// Answers a denial. The client may go on, if it has no body that would have to be read first.
    async fn answer_denied(
        &mut self,
        (id, refusal): (&RequestId, &Refusal),
        case: &Case<'_>,
        head: &Head,
    ) -> io::Result<Next> {
        let next =
            if head.persistent && self.reader.is_between_requests() { Next::Request } else { Next::End };
        let close = if matches!(next, Next::Request) { Close::No } else { Close::Yes };
        let response = refusal.response_to(case.message, &self.asker.binary, &id.0);
        self.write(response, Body::to(case.request), close).await?;
        Ok(next)
    }

    async fn write_refusal(&mut self, id: &RequestId, refusal: &Refusal, body: Body) -> io::Result<()> {
        self.write(refusal.response(&self.asker.binary, &id.0), body, Close::Yes).await
    }

    async fn write(&mut self, response: Response<Vec<u8>>, body: Body, close: Close) -> io::Result<()> {
        let length = response.body().len() as u64;
        let framing = if body == Body::Withheld { Framing::Head(length) } else { Framing::Exact(length) };
        self.writer.head(&response, framing, close);
        self.writer.piece(Bytes::from(response.into_body())).await?;
        self.writer.end().await
    }

    /// Says goodbye, and reads what is under way: a reset would take our last answer from the client.
    async fn close(&mut self) -> io::Result<()> {
        self.writer.shutdown().await?;
        let _or_gives_up = timeout(LINGER, self.reader.drain(LINGER_BYTES)).await;
        Ok(())
    }
}

/// Whom a `CONNECT` asks for: its target, with a port, and a `Host` field that agrees if there is one.
fn tunnelled(head: &Head) -> Result<Authority, NotCanonical> {
    if !head.target.contains(':') {
        return Err(NotCanonical::Target);
    }
    let authority = Authority::parse(&head.target, Scheme::Https)?;
    match head.host.as_deref().map(|host| Authority::parse(host, Scheme::Https)).transpose()? {
        Some(host) if host.host != authority.host => Err(NotCanonical::AuthorityMismatch),
        _ => Ok(authority),
    }
}

/// Whether a response's body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Sent,
    /// The request was `HEAD`.
    Withheld,
}

impl Body {
    fn to(request: &CanonicalRequest) -> Self {
        if request.method == Method::HEAD { Self::Withheld } else { Self::Sent }
    }
}

impl<R: AsyncRead + Unpin + Send> Upload for Reader<R> {
    async fn piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        Reader::piece(self).await
    }
}

/// The answer to one request.
pub(super) struct Answer<'a, W> {
    writer: &'a mut Writer<W>,
    chunked: bool,
    close: Close,
}

impl<'a, W: AsyncWrite + Unpin> Answer<'a, W> {
    /// An answer behind which nothing follows.
    pub(super) fn last(writer: &'a mut Writer<W>) -> Self {
        Self { writer, chunked: true, close: Close::Yes }
    }
}

impl<W: AsyncWrite + Unpin + Send> Reply for Answer<'_, W> {
    async fn carry_on(&mut self) -> io::Result<()> {
        self.writer.carry_on().await
    }

    fn head(&mut self, response: &Response<()>, extent: Extent) -> io::Result<()> {
        let framing = match extent {
            Extent::None | Extent::Head(None) => Framing::Empty,
            Extent::Head(Some(length)) => Framing::Head(length),
            Extent::Exact(length) => Framing::Exact(length),
            Extent::Unknown if self.chunked => Framing::Chunked,
            Extent::Unknown => Framing::UntilClose,
        };
        let close = if framing == Framing::UntilClose { Close::Yes } else { self.close };
        self.writer.head(response, framing, close);
        Ok(())
    }

    async fn piece(&mut self, data: Bytes, more: More) -> io::Result<()> {
        self.writer.piece(data).await?;
        match more {
            More::Soon => Ok(()),
            More::Later => self.writer.flush().await,
        }
    }

    /// Trailers are dropped: a chunked response to a client that did not ask for them has none.
    async fn end(&mut self, _trailers: Option<HeaderMap>) -> io::Result<()> {
        self.writer.end().await
    }

    fn shows_its_end(&self) -> bool {
        self.chunked
    }

    /// A client of HTTP/1.1 shows that only by not reading.
    async fn unwanted(&mut self) {
        std::future::pending().await
    }
}
