//! A permitted WebSocket: across to the upstream, and frames both ways until one side closes.
//!
//! States: *asking* the upstream → *crossed over* (its answer to our key was right, and the client has its own) →
//! *closing* (one close frame passed) → over. An answer that does not cross over is relayed like every other. Both
//! directions are read frame by frame and written anew; an idle connection lives as long as its ends.

use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use http::{Method, StatusCode};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::timeout;

use super::exchange::{Fault, UPSTREAM_PATIENCE, late, relay_answer};
use super::link::Ways;
use super::one::Answer;
use super::tally::Tally;
use super::{FAREWELL, Named};
use crate::credentials::{Misplaced, Watch};
use crate::fields;
use crate::http1::{Head, Reader, Writer};
use crate::quota::Spent;
use crate::refusal::Refusal;
use crate::upstream::Outgoing;
use crate::websocket::{
    Control, Event, Masks, NoRandomness, Offer, Parser, Piece, Sender, SwitchError, Violation, code,
    write_close, write_control, write_piece,
};

/// How long an end may leave frames unread.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long the second close frame may take after the first.
const CLOSING: Duration = Duration::from_secs(10);

/// How long a close frame of ours may take to go out.
const PARTING: Duration = Duration::from_secs(1);

/// Most bytes that are read at once inside a frame, and between frames: most connections are idle.
const READ_INSIDE: usize = 32 * 1024;
const READ_BETWEEN: usize = 2 * 1024;

/// Frames wait up to this size for those that are there already.
const ENOUGH: usize = 32 * 1024;

/// What a client asked for.
pub(super) struct Wanted {
    pub(super) head: Head,
    pub(super) offer: Offer,
}

/// A WebSocket, before and after it is one.
pub(super) struct Crossing<'a> {
    named: Named<'a>,
    ways: Ways<'a>,
    tally: &'a Tally,
    over: Option<Over>,
}

/// What there is after the crossing, besides the client.
struct Over {
    server_reads: WriteHalf<TokioIo<Upgraded>>,
    server_writes: ReadHalf<TokioIo<Upgraded>>,
    to_server: Queue,
    to_client: Queue,
}

/// Frames that are written and not yet sent.
struct Queue {
    waiting: BytesMut,
    masks: Option<Masks>,
}

/// One direction.
struct Pump<'a, R, W> {
    from: &'a mut R,
    buffer: &'a mut BytesMut,
    parser: Parser,
    to: &'a mut W,
    queue: &'a mut Queue,
    bytes: &'a AtomicU64,
    messages: &'a AtomicU64,
    tally: &'a Tally,
    /// For placeholders, on the way of the client's messages.
    watch: Option<Watch>,
}

/// Why a direction stopped without a close frame.
#[derive(Debug, thiserror::Error)]
enum Stop {
    #[error("{0}")]
    Violation(#[from] Violation),
    #[error("{0}")]
    Spent(#[from] Spent),
    #[error("{0}")]
    Stray(#[from] Misplaced),
    #[error("{0}")]
    Random(#[from] NoRandomness),
    /// It ended, or failed.
    #[error("the stream ended without a close frame")]
    Gone,
    /// The other end takes nothing any more.
    #[error("the other end is gone")]
    Deaf,
}

/// How it ended.
struct Parting {
    by: Sender,
    how: Result<Option<u16>, Stop>,
}

impl<'a> Crossing<'a> {
    pub(super) fn new(named: Named<'a>, ways: Ways<'a>, tally: &'a Tally) -> Self {
        Self { named, ways, tally, over: None }
    }

    /// Asks the upstream, crosses over, and carries frames until the end.
    pub(super) async fn run<S>(
        &mut self,
        wanted: Wanted,
        (reader, writer): (&mut Reader<ReadHalf<S>>, &mut Writer<WriteHalf<S>>),
    ) -> Result<(), Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send,
    {
        let Wanted { head, offer } = wanted;
        let mut link = self.ways.alone().await.map_err(Fault::Before)?;
        let out = self.named.outbound(self.ways, head, Some(&[]));
        let mut out = out.map_err(|why| Fault::Before(self.tally.misplaced(why)))?;
        offer.ask(out.fields_mut());
        let answered = timeout(UPSTREAM_PATIENCE, link.send(&out, Outgoing::Nothing)).await;
        let mut response = answered.map_err(|_elapsed| Fault::Before(late()))?.map_err(Fault::Before)?;
        self.tally.status.store(response.status().as_u16(), Ordering::Relaxed);
        let unspoken = |error: &dyn std::error::Error| Fault::Before(Refusal::unspoken(error));
        let status = response.status();
        // A server that knows no WebSocket serves the resource, which nobody allowed to read.
        if status.is_success() || status.is_redirection() {
            return Err(unspoken(&SwitchError::Answered));
        }
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let (mut answer, search) = (Answer::last(writer), self.ways.carried.search());
            return relay_answer(response, &mut answer, (&Method::GET, self.tally), search).await;
        }
        offer.check(&response).map_err(|error| unspoken(&error))?;
        let upgraded = hyper::upgrade::on(&mut response).await.map_err(|error| unspoken(&error))?;
        fields::clean_response(response.headers_mut());
        if let Some(mut search) = self.ways.carried.search() {
            search.fields(response.headers_mut());
        }
        offer.answer(response.headers_mut());
        self.tally.answering.store(true, Ordering::Relaxed);
        writer.switch(&response).await.map_err(|_client_is_gone| Fault::During)?;
        let over = self.over.insert(Over::new(upgraded));
        let watch = self.named.proxy.judge.watch(self.ways.permit.host());
        over.carry(reader.parts_mut(), writer.stream_mut(), (self.tally, watch)).await;
        Ok(())
    }

    /// Tells both ends that the policy does not allow it any more, unless a frame is under way to them.
    pub(super) async fn revoke<W: AsyncWrite + Unpin>(&mut self, writer: &mut Writer<W>) {
        let Some(over) = &mut self.over else { return };
        let why = (code::POLICY, "the policy does not allow it any more");
        let Over { server_reads, to_server, to_client, .. } = over;
        // What still waits was allowed once, and is not any more.
        let client = async {
            if to_client.waiting.is_empty() {
                to_client.last(writer.stream_mut(), why, FAREWELL).await;
            }
        };
        let server = async {
            if to_server.waiting.is_empty() {
                to_server.last(server_reads, why, FAREWELL).await;
            }
        };
        tokio::join!(client, server);
    }
}

impl Over {
    fn new(upgraded: Upgraded) -> Self {
        let (server_writes, server_reads) = tokio::io::split(TokioIo::new(upgraded));
        let queue = |masks| Queue { waiting: BytesMut::new(), masks };
        Self { server_reads, server_writes, to_server: queue(Some(Masks::new())), to_client: queue(None) }
    }

    /// Carries frames until the end, says goodbye to who does not know of it, and notes how it was.
    async fn carry<R, W>(
        &mut self,
        (reads, buffer): (&mut R, &mut BytesMut),
        writes: &mut W,
        (tally, watch): (&Tally, Option<Watch>),
    ) where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (sent, received) = (AtomicU64::new(0), AtomicU64::new(0));
        let from_server = &mut BytesMut::new();
        let parting = {
            let up = Pump {
                from: reads,
                buffer,
                parser: Parser::new(Sender::Client),
                to: &mut self.server_reads,
                queue: &mut self.to_server,
                bytes: &tally.sent,
                messages: &sent,
                tally,
                watch,
            };
            let down = Pump {
                from: &mut self.server_writes,
                buffer: from_server,
                parser: Parser::new(Sender::Server),
                to: &mut *writes,
                queue: &mut self.to_client,
                bytes: &tally.received,
                messages: &received,
                tally,
                watch: None,
            };
            until_parting(up.run(), down.run()).await
        };
        self.say_goodbye(&parting, writes).await;
        let messages = (sent.load(Ordering::Relaxed), received.load(Ordering::Relaxed));
        let _set_once = tally.note.set(parting.note(messages));
    }

    /// Tells each end what it does not know yet.
    async fn say_goodbye<W: AsyncWrite + Unpin>(&mut self, parting: &Parting, writes: &mut W) {
        let Self { server_reads, to_server, to_client, .. } = self;
        let (client, server) = match &parting.how {
            Ok(_) => {
                let _or_cut = timeout(PARTING, server_reads.shutdown()).await;
                return;
            }
            Err(stop) => {
                let reason = stop.to_string();
                let (offender, other) = stop.codes();
                match parting.by {
                    Sender::Client => ((offender, reason), (other, String::new())),
                    Sender::Server => ((other, String::new()), (offender, reason)),
                }
            }
        };
        let client = to_client.last(writes, (client.0, &client.1), PARTING);
        let server = to_server.last(server_reads, (server.0, &server.1), PARTING);
        tokio::join!(client, server);
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Pump<'_, R, W> {
    /// Passes on what comes until a close frame did; its code.
    async fn run(mut self) -> Result<Option<u16>, Stop> {
        loop {
            match self.parser.next(self.buffer, Instant::now())? {
                Some(Event::Piece(piece)) => self.piece(&piece)?,
                Some(Event::Control(control)) => {
                    self.spend(control.length())?;
                    self.tally.watch(&mut self.watch, control.payload())?;
                    write_control(&mut self.queue.waiting, &control, self.queue.masks.as_mut())?;
                    if let Control::Close(why) = control {
                        self.send().await?;
                        return Ok(why.map(|(code, _reason)| code));
                    }
                }
                None => {
                    self.send().await?;
                    self.read().await?;
                }
            }
            if self.queue.waiting.len() >= ENOUGH {
                self.send().await?;
            }
        }
    }

    fn piece(&mut self, piece: &Piece) -> Result<(), Stop> {
        self.tally.watch(&mut self.watch, &piece.data)?;
        self.spend(piece.data.len())?;
        write_piece(&mut self.queue.waiting, piece, self.queue.masks.as_mut())?;
        self.messages.fetch_add(u64::from(piece.ends), Ordering::Relaxed);
        Ok(())
    }

    /// Counts bytes before they go on.
    fn spend(&self, bytes: usize) -> Result<(), Spent> {
        self.tally.spend(bytes)?;
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        Ok(())
    }

    async fn send(&mut self) -> Result<(), Stop> {
        self.queue.send(self.to).await.map_err(|_gone| Stop::Deaf)
    }

    async fn read(&mut self) -> Result<(), Stop> {
        let more = if self.parser.is_inside() { READ_INSIDE } else { READ_BETWEEN };
        self.buffer.reserve(more);
        match self.from.read_buf(self.buffer).await {
            Ok(1..) => Ok(()),
            Ok(0) | Err(_) => Err(Stop::Gone),
        }
    }
}

impl Queue {
    /// Sends everything that waits.
    async fn send<W: AsyncWrite + Unpin>(&mut self, to: &mut W) -> io::Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let all = async {
            while self.waiting.has_remaining() {
                if to.write_buf(&mut self.waiting).await? == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            to.flush().await
        };
        timeout(PATIENCE, all).await?
    }

    /// Sends what waits and a close frame of ours, and ends.
    async fn last<W: AsyncWrite + Unpin>(&mut self, to: &mut W, why: (u16, &str), patience: Duration) {
        if write_close(&mut self.waiting, why, self.masks.as_mut()).is_err() {
            return;
        }
        let farewell = async {
            self.send(to).await?;
            to.shutdown().await
        };
        let _or_cut = timeout(patience, farewell).await;
    }
}

impl Stop {
    /// What the end hears that stopped it, and what the other one hears.
    fn codes(&self) -> (u16, u16) {
        match self {
            Self::Violation(violation) => (violation.code(), code::AWAY),
            Self::Spent(_) | Self::Stray(_) => (code::POLICY, code::POLICY),
            Self::Random(_) | Self::Gone | Self::Deaf => (code::AWAY, code::AWAY),
        }
    }
}

impl Parting {
    /// What stands in the log.
    fn note(&self, (sent, received): (u64, u64)) -> String {
        let by = match self.by {
            Sender::Client => "client",
            Sender::Server => "upstream",
        };
        let how = match &self.how {
            Ok(Some(code)) => format!("closed by the {by} with {code}"),
            Ok(None) => format!("closed by the {by} without a code"),
            Err(stop) => format!("stopped with {} because of the {by}: {stop}", stop.codes().0),
        };
        format!("WebSocket {how}; {sent} messages sent, {received} received")
    }
}

/// Runs both directions until one stops; after a close frame the other may answer it.
async fn until_parting(
    up: impl Future<Output = Result<Option<u16>, Stop>>,
    down: impl Future<Output = Result<Option<u16>, Stop>>,
) -> Parting {
    let (mut up, mut down) = (pin!(up), pin!(down));
    tokio::select! {
        how = &mut up => {
            if how.is_ok() {
                let _or_silent = timeout(CLOSING, down).await;
            }
            Parting { by: Sender::Client, how }
        }
        how = &mut down => {
            if how.is_ok() {
                let _or_silent = timeout(CLOSING, up).await;
            }
            Parting { by: Sender::Server, how }
        }
    }
}
