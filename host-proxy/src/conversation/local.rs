//! A connection to the proxy itself: plain HTTP/1.1, requests in turn, each recorded and answered here.
//!
//! Whatever is not exactly one of the questions is refused; after doubt about where a request ends the connection does.

use std::io;
use std::time::{Duration, Instant};

use audit::{Action, Decision, Event, Object};
use bytes::Bytes;
use http::{Response, StatusCode};
use policies::proposal::Now;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio::time::timeout;
use wire::id::RequestId;
use wire::proposal::{MAX_ASKER, PORT, Proposal};
use wire::proxy::ProxyEvent;
use wire::subject::Subject;

use crate::canonical::{Arrived, Authority, CanonicalRequest, Scheme, canonicalise};
use crate::clock::now;
use crate::flow::Asker;
use crate::http1::{Close, Framing, Head, Patience, ReadError, Reader, Writer};
use crate::journal;
use crate::policy_local::answers::Reply;
use crate::policy_local::book::{Entered, Entry};
use crate::policy_local::posted::{self, Posted};
use crate::policy_local::{MOST_CONVERSATIONS, PolicyLocal, is_at};
use crate::proxy::Proxy;
use crate::refusal::{REQUEST_ID, Refusal, Stopped};

/// What a client may take.
const PATIENCE: Patience =
    Patience { head: Duration::from_secs(10), idle: Duration::from_secs(60), body: Duration::from_secs(10) };

/// How long a client may take to read an answer. The answer is held in memory meanwhile.
const ANSWER: Duration = Duration::from_secs(10);

/// How long a client is waited for after the last answer, and how much of what it still sends is read.
const LINGER: Duration = Duration::from_secs(3);
const LINGER_BYTES: usize = 1024 * 1024;

/// One connection.
struct Conversation<'a, S> {
    proxy: &'a Proxy,
    asker: &'a Asker,
    authority: &'a Authority,
    reader: Reader<ReadHalf<S>>,
    writer: Writer<WriteHalf<S>>,
}

/// Serves requests until the connection ends.
///
/// # Errors
/// The client's stream failed.
pub(crate) async fn serve<S>(proxy: &Proxy, asker: &Asker, authority: &Authority, stream: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    if authority.port != PORT {
        let id = proxy.judge.next_id();
        let refusal =
            Refusal::unreadable(format!("{authority} is not served: use port {PORT}, in plain HTTP"));
        let _told_by_closing = proxy.judge.refuse_flow(asker, &id, Some(authority), refusal).await;
        return Ok(());
    }
    let Ok(_slot) = proxy.local.conversations.try_acquire() else {
        let error = format!("{MOST_CONVERSATIONS} connections to {authority} are open already");
        let refusal = Refusal { level: Stopped::Limit, ..Refusal::unreadable(error) };
        let id = proxy.judge.next_id();
        let _told_by_closing = proxy.judge.refuse_flow(asker, &id, Some(authority), refusal).await;
        return Ok(());
    };
    let (read, write) = tokio::io::split(stream);
    let (reader, writer) = (Reader::new(read, PATIENCE), Writer::new(write));
    Conversation { proxy, asker, authority, reader, writer }.run().await
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Conversation<'_, S> {
    async fn run(mut self) -> io::Result<()> {
        loop {
            let close = match self.reader.head().await {
                Ok(Some(head)) => self.request(&head).await?,
                Ok(None) => Close::Yes,
                Err(ReadError::Io(error)) => return Err(error),
                Err(error) => self.refuse_unread(Refusal::malformed(&error)).await?,
            };
            if close == Close::Yes {
                timeout(ANSWER, self.writer.shutdown()).await??;
                let _or_gives_up = timeout(LINGER, self.reader.drain(LINGER_BYTES)).await;
                return Ok(());
            }
        }
    }

    async fn request(&mut self, head: &Head) -> io::Result<Close> {
        let id = self.proxy.judge.next_id();
        let request = match self.hear(head) {
            Ok(request) => request,
            Err(refusal) => return self.refuse_unread(refusal).await,
        };
        let body = match self.body(head).await? {
            Ok(body) => body,
            Err(refusal) => return self.refuse_unread(refusal).await,
        };
        let close = if head.persistent { Close::No } else { Close::Yes };
        match self.answer(&id, &request, &body).await {
            Ok(reply) => self.write(&id, reply, close).await?,
            Err(refusal) => {
                let refusal = self.proxy.judge.refuse_request(self.asker, &id, &request, refusal).await;
                self.write_refusal(&id, &refusal, close).await?;
            }
        }
        Ok(close)
    }

    /// What a head asks for: a path of this place, by `GET` or `POST`, without a query.
    fn hear(&self, head: &Head) -> Result<CanonicalRequest, Refusal> {
        let host = head.host.as_deref().unwrap_or_default();
        let arrived = Arrived { method: &head.method, target: &head.target, host };
        let request = canonicalise(arrived, Scheme::Http).map_err(|error| Refusal::malformed(&error))?;
        if request.authority != *self.authority || !is_at(&request.authority) {
            let (asked, here) = (request.authority.to_string(), self.authority.to_string());
            return Err(Refusal {
                status: StatusCode::MISDIRECTED_REQUEST,
                ..Refusal::misdirected(&asked, &here)
            });
        }
        if !head.target.starts_with('/') || request.resource.query().is_some() {
            return Err(refused(
                StatusCode::BAD_REQUEST,
                "the target is a path alone, without host and query",
            ));
        }
        match request.method.as_str() {
            "GET" | "POST" => Ok(request),
            _other => Err(refused(StatusCode::METHOD_NOT_ALLOWED, "only GET and POST are understood")),
        }
    }

    /// The whole body, if it is no longer than a proposal.
    async fn body(&mut self, head: &Head) -> io::Result<Result<Vec<u8>, Refusal>> {
        if head.expects_continue {
            timeout(ANSWER, self.writer.carry_on()).await??;
        }
        let mut body = Vec::new();
        loop {
            match self.reader.piece().await {
                Ok(None) => return Ok(Ok(body)),
                Ok(Some(piece)) if body.len() + piece.len() <= posted::LONGEST => {
                    body.extend_from_slice(&piece)
                }
                Ok(Some(_too_long)) => {
                    let error = format!("the body is longer than {} bytes", posted::LONGEST);
                    return Ok(Err(refused(StatusCode::PAYLOAD_TOO_LARGE, &error)));
                }
                Err(ReadError::Io(error)) => return Err(error),
                Err(error) => return Ok(Err(Refusal::malformed(&error))),
            }
        }
    }

    async fn answer(
        &self,
        id: &RequestId,
        request: &CanonicalRequest,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let (judge, local) = (&self.proxy.judge, &self.proxy.local);
        let is_get = request.method == http::Method::GET;
        let path = request.resource.path();
        let one = path.strip_prefix("/v1/proposals/");
        match (is_get, path) {
            (false, "/v1/proposals") => return self.propose(id, request, body).await,
            (false, _) => return Err(refused(StatusCode::METHOD_NOT_ALLOWED, "only proposals are posted")),
            (true, _) => self.record(id, request).await?,
        }
        match (path, one) {
            ("/v1/policy", _) => Ok(Reply::policy(&judge.edition())),
            ("/v1/denials", _) => Ok(Reply::denials(&judge.denials().latest())),
            ("/v1/proposals", _) => Ok(Reply::proposals(&local.book.all())),
            (_, Some(number)) => match local.book.get(number) {
                Some(entry) => Ok(Reply::proposal(StatusCode::OK, &entry)),
                None => Err(refused(StatusCode::NOT_FOUND, "there is no such proposal")),
            },
            _ => Err(refused(StatusCode::NOT_FOUND, "there is nothing here")),
        }
    }

    /// Every question is on the record before its answer.
    async fn record(&self, id: &RequestId, request: &CanonicalRequest) -> Result<(), Refusal> {
        let event = journal::of_request(Action::NetworkRequest, self.asker, id, request);
        let reason = Some("answered by the proxy itself".to_owned());
        self.proxy.judge.record(Event { decision: Some(Decision::Allow), reason, ..event }).await
    }

    /// Takes a proposal: it is on the record before anybody is told of it.
    async fn propose(
        &self,
        id: &RequestId,
        request: &CanonicalRequest,
        body: &[u8],
    ) -> Result<Reply, Refusal> {
        let PolicyLocal { book, teller, .. } = &*self.proxy.local;
        let Posted { candidate, reason, expiry } = Posted::parse(body)
            .map_err(|error| refused(StatusCode::UNPROCESSABLE_ENTITY, &crate::refusal::chain(&error)))?;
        self.is_of_use(&candidate)?;
        let made = now().0;
        let proposal = Proposal {
            id: id.clone(),
            asker: bounded(&self.asker.binary),
            wish: candidate.wish().clone(),
            reason,
            made,
            expires: made + i64::from(expiry),
        };
        match book.enter(proposal.clone(), Instant::now()) {
            Err(full) => {
                let refusal = refused(StatusCode::TOO_MANY_REQUESTS, &full.to_string());
                Err(Refusal { level: Stopped::Limit, ..refusal })
            }
            Ok(Entered::Before(entry)) => {
                self.record(id, request).await?;
                Ok(Reply::proposal(StatusCode::OK, &entry))
            }
            Ok(Entered::New) => {
                let recorded = self.proxy.judge.record(self.event(&proposal)).await;
                recorded.inspect_err(|_unrecorded| book.forget(id))?;
                let entry = Entry { proposal: proposal.clone(), standing: wire::proposal::Standing::Pending };
                teller.tell(ProxyEvent::Proposed { proposal });
                Ok(Reply::proposal(StatusCode::CREATED, &entry))
            }
        }
    }

    /// Refuses what no answer could help.
    fn is_of_use(&self, candidate: &policies::proposal::Candidate) -> Result<(), Refusal> {
        if let Subject::Unknown(_) = self.asker.subject {
            let error = "the program that asks could not be told: keep it running until it has its answer";
            return Err(refused(StatusCode::FORBIDDEN, error));
        }
        let edition = self.proxy.judge.edition();
        if edition.is_shut() {
            return Err(refused(
                StatusCode::FORBIDDEN,
                "the sandbox is in quarantine: nothing can be proposed",
            ));
        }
        match candidate.under(&edition.policy, now()) {
            Now::Open => Ok(()),
            Now::Allowed { rule } => {
                let error = format!("rule '{rule}' allows it already");
                Err(refused(StatusCode::CONFLICT, &error))
            }
            Now::Bound { reason } => {
                let error = format!("no approval could allow it: {reason}");
                Err(refused(StatusCode::CONFLICT, &error))
            }
        }
    }

    fn event(&self, proposal: &Proposal) -> Event {
        let expires = Some(policies::Timestamp(proposal.expires).to_string());
        let described = audit::Proposal { expires, ..audit::Proposal::of(&proposal.wish) };
        Event {
            object: Some(Object::wished(&proposal.wish)),
            reason: Some(proposal.reason.clone()),
            proposal: Some(described),
            ..journal::of_flow(Action::Proposal, self.asker, &proposal.id, None)
        }
    }

    /// A request after which the next one cannot be told from its body: recorded, answered, over.
    async fn refuse_unread(&mut self, refusal: Refusal) -> io::Result<Close> {
        let id = self.proxy.judge.next_id();
        let refusal = self.proxy.judge.refuse_flow(self.asker, &id, Some(self.authority), refusal).await;
        self.write_refusal(&id, &refusal, Close::Yes).await?;
        Ok(Close::Yes)
    }

    async fn write_refusal(&mut self, id: &RequestId, refusal: &Refusal, close: Close) -> io::Result<()> {
        let (parts, body) = refusal.response(&self.asker.binary, &id.0).into_parts();
        self.send(&Response::from_parts(parts, ()), body, close).await
    }

    async fn write(&mut self, id: &RequestId, reply: Reply, close: Close) -> io::Result<()> {
        let head = Response::builder()
            .status(reply.status)
            .header("content-type", "application/json")
            .header("cache-control", "no-store")
            .header(REQUEST_ID, &id.0)
            .body(())
            .expect("a request id is hexadecimal");
        self.send(&head, reply.body, close).await
    }

    async fn send(&mut self, head: &Response<()>, body: Vec<u8>, close: Close) -> io::Result<()> {
        let writer = &mut self.writer;
        writer.head(head, Framing::Exact(body.len() as u64), close);
        let all = async {
            writer.piece(Bytes::from(body)).await?;
            writer.end().await
        };
        timeout(ANSWER, all).await?
    }
}

/// Who asks, in so many bytes as the manager takes; the record has all of it.
fn bounded(asker: &str) -> String {
    if asker.len() <= MAX_ASKER {
        return asker.to_owned();
    }
    let end = asker.floor_char_boundary(MAX_ASKER - '…'.len_utf8());
    format!("{}…", &asker[..end])
}

fn refused(status: StatusCode, error: &str) -> Refusal {
    let hint = "GET /v1/policy, /v1/denials, /v1/proposals or /v1/proposals/ID; POST /v1/proposals";
    Refusal { status, level: Stopped::Request, rule: None, error: error.to_owned(), hint: hint.to_owned() }
}
