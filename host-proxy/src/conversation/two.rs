//! A connection of HTTP/2: requests side by side, each a stream with a decision of its own.
//!
//! A stream goes the same way as a request of HTTP/1.1: *judging* → *forwarding* → *relaying* → over; whatever goes
//! wrong with it ends it alone. The connection leads to one authority: a stream for another one is told to open its own
//! (421). A new policy that allows nothing there ends the streams, and then the connection.

mod reply;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, StatusCode};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::exchange::{Done, Exchange, see_through};
use super::link::Kept;
use super::message::{self, Received, Source};
use super::tally::Tally;
use super::{FAREWELL, Named, PATIENCE, Place, Unheard};
use crate::canonical::{Authority, Scheme};
use crate::fields;
use crate::flow::Asker;
use crate::http1::Head;
use crate::http2::{head_of, limits};
use crate::judge::{Case, Granted};
use crate::proxy::Proxy;
use crate::refusal::{Refusal, chain};

use reply::{Answer, Body};

/// Most upstreams of HTTP/1.1 that wait for the connection's next requests.
const MOST_KEPT: usize = 8;

/// How long the streams of a connection that a new policy closed may take to say why.
const EXPLAINING: Duration = Duration::from_secs(2);

/// What the streams of one connection share.
struct Streams {
    proxy: Arc<Proxy>,
    asker: Arc<Asker>,
    authority: Authority,
    place: Place,
    /// Upstreams of HTTP/1.1 that are in order after their last response.
    kept: Mutex<Vec<Kept>>,
}

/// What happens on a connection.
enum Happens {
    Stream(Box<Request<RecvStream>>, SendResponse<Bytes>),
    /// A stream is over.
    Over,
    /// Nothing for too long.
    Silence,
    /// The client closed, or does not keep to the protocol.
    End(Option<h2::Error>),
}

/// Serves streams until the connection ends.
///
/// # Errors
/// None: whatever happens is recorded and told by closing.
pub(crate) async fn serve<S>(
    proxy: Arc<Proxy>,
    asker: Arc<Asker>,
    authority: Authority,
    stream: S,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let place = Place::At(Scheme::Https, authority.clone());
    let streams = Arc::new(Streams { proxy, asker, authority, place, kept: Mutex::default() });
    streams.connection(stream).await;
    Ok(())
}

impl Streams {
    async fn connection<S: AsyncRead + AsyncWrite + Unpin + Send>(self: Arc<Self>, stream: S) {
        let judge = &self.proxy.judge;
        let mut conforms = judge.policy();
        let begins = timeout(PATIENCE.head, limits().handshake(stream));
        let mut connection =
            match judge.uphold_flow(&self.asker, &self.authority, &mut conforms, begins).await {
                Ok(Ok(Ok(connection))) => connection,
                Ok(Ok(Err(error))) => return self.refuse(unreadable(&error)).await,
                Ok(Err(_elapsed)) => return self.refuse(slow()).await,
                Err(revoked) => return self.refuse(revoked).await,
            };
        let mut tasks = JoinSet::new();
        // And refusals: a connection on which nothing happened is recorded if it leads where nothing may.
        let mut requests: u64 = 0;
        loop {
            let next = next(&mut connection, &mut tasks);
            match judge.uphold_flow(&self.asker, &self.authority, &mut conforms, next).await {
                Ok(Happens::Stream(request, respond)) => {
                    requests += 1;
                    self.admit(*request, respond, &mut tasks);
                }
                Ok(Happens::Over) => {}
                Ok(Happens::Silence) => break self.part(connection, &mut tasks).await,
                Ok(Happens::End(Some(error))) if !error.is_io() => {
                    requests += 1;
                    drop(connection);
                    break self.refuse(unreadable(&error)).await;
                }
                Ok(Happens::End(_)) => break drop(connection),
                Err(revoked) => {
                    requests += 1;
                    self.refuse(revoked).await;
                    break self.part(connection, &mut tasks).await;
                }
            }
        }
        if requests == 0
            && let Some(refusal) = judge.destination(&self.asker, &self.authority)
        {
            self.refuse(refusal).await;
        }
        // Without the connection they end by themselves, each with its record.
        while tasks.join_next().await.is_some() {}
    }

    /// Gives a stream a task of its own, if the sandbox has not too many.
    fn admit(
        self: &Arc<Self>,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        tasks: &mut JoinSet<()>,
    ) {
        match Arc::clone(&self.proxy.flows).try_acquire_owned() {
            Ok(slot) => {
                tasks.spawn(Arc::clone(self).stream(request, respond, slot));
            }
            Err(_full) => respond.send_reset(Reason::REFUSED_STREAM),
        }
    }

    /// Tells the client that no other stream is taken, and gives those that are there a moment to end.
    async fn part<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut connection: Connection<S, Bytes>,
        tasks: &mut JoinSet<()>,
    ) {
        connection.graceful_shutdown();
        let explained = async {
            while !tasks.is_empty() {
                if let Happens::End(_) = next(&mut connection, tasks).await {
                    return;
                }
            }
        };
        let _or_cut = timeout(EXPLAINING, explained).await;
        connection.abrupt_shutdown(Reason::NO_ERROR);
        let _or_cut = timeout(FAREWELL, std::future::poll_fn(|cx| connection.poll_closed(cx))).await;
    }

    /// Records a refusal that the client learns by the connection's end.
    async fn refuse(&self, refusal: Refusal) {
        let id = self.proxy.judge.next_id();
        let judge = &self.proxy.judge;
        let _told_by_closing = judge.refuse_flow(&self.asker, &id, Some(&self.authority), refusal).await;
    }

    async fn stream(
        self: Arc<Self>,
        request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        _slot: OwnedSemaphorePermit,
    ) {
        let (parts, body) = request.into_parts();
        let mut answer = Answer::new(respond, &parts);
        if let Err(error) = self.request(parts, Body::new(body), &mut answer).await {
            tracing::debug!(%error, "a stream ended");
            answer.reset();
        }
    }

    async fn request(
        &self,
        parts: http::request::Parts,
        mut body: Body,
        answer: &mut Answer,
    ) -> io::Result<()> {
        let (judge, asker) = (&self.proxy.judge, &*self.asker);
        let id = judge.next_id();
        let refused = |refusal| async { judge.refuse_flow(asker, &id, Some(&self.authority), refusal).await };
        let mut head = match head_of(parts, body.is_over()) {
            Ok(head) => head,
            Err(error) => {
                let refusal = refused(Refusal::malformed(&error)).await;
                return answer.refuse(&refusal, asker, &id).await;
            }
        };
        let request = match self.place.hear(&head) {
            Ok(request) => request,
            Err(Unheard::Malformed(error)) => {
                let refusal = refused(Refusal::malformed(&error)).await;
                return answer.refuse(&refusal, asker, &id).await;
            }
            Err(Unheard::Misdirected(request, refusal)) => {
                // Clients that share a connection between names open another one when they are told so.
                let refusal = Refusal { status: StatusCode::MISDIRECTED_REQUEST, ..refusal };
                let refusal = judge.refuse_request(asker, &id, &request, refusal).await;
                return answer.refuse(&refusal, asker, &id).await;
            }
        };
        fields::clean_request(&mut head.fields);
        let fields = head.fields.clone();
        let unread = Case { asker, request: &request, fields: &fields, message: None };
        let named = Named { proxy: &self.proxy, case: &unread, id: &id };
        let message = match message::read(named, &mut head, (&mut body, answer)).await {
            Ok(message) => message,
            Err(refusal) => return answer.refuse(&refusal, asker, &id).await,
        };
        let case = Case { message: message.as_ref().map(Received::message), ..unread };
        let named = Named { case: &case, ..named };
        match judge.request(&case, &id).await {
            Ok(granted) => self.forward(named, granted, head, (&mut body, answer)).await,
            Err(refusal) => answer.refuse_message((&refusal, case.message), asker, &id).await,
        }
    }

    async fn forward(
        &self,
        named: Named<'_>,
        granted: Granted,
        head: Head,
        (body, answer): (&mut Body, &mut Answer),
    ) -> io::Result<()> {
        let tally = Tally::new(granted.budget.clone(), self.proxy.digests(&granted.permit));
        let ways = named.ways(&granted);
        let kept = self.kept().pop();
        let mut upload = Source::of(named.case, body);
        let exchange = Exchange { named, ways, upload: &mut upload, reply: &mut *answer, tally: &tally };
        let work = Box::pin(exchange.run(head, kept));
        let mut conforms = granted.policy;
        match see_through(named, (&granted, &tally), &mut conforms, work).await {
            Done::Over(Some(kept)) => {
                let mut all = self.kept();
                if all.len() < MOST_KEPT {
                    all.push(kept);
                }
            }
            Done::Over(None) | Done::Unrecorded => {}
            Done::Refused(refusal) => answer.refuse(&refusal, named.case.asker, named.id).await?,
            Done::BrokenOff | Done::Ended => answer.reset(),
        }
        Ok(())
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives the connection until something happens on it.
async fn next<S: AsyncRead + AsyncWrite + Unpin>(
    connection: &mut Connection<S, Bytes>,
    tasks: &mut JoinSet<()>,
) -> Happens {
    let idle = tasks.is_empty();
    tokio::select! {
        accepted = connection.accept() => match accepted {
            Some(Ok((request, respond))) => Happens::Stream(Box::new(request), respond),
            Some(Err(error)) => Happens::End(Some(error)),
            None => Happens::End(None),
        },
        _over = tasks.join_next(), if !idle => Happens::Over,
        () = sleep(PATIENCE.idle), if idle => Happens::Silence,
    }
}

fn unreadable(error: &h2::Error) -> Refusal {
    Refusal::unreadable(format!("the client does not keep to HTTP/2: {}", chain(error)))
}

fn slow() -> Refusal {
    Refusal::unreadable("HTTP/2 was agreed on, and the client did not begin with it in time".to_owned())
}
