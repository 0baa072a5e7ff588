//! Many events at once: they are sent in order without waiting for each other's receipts.
//!
//! ```text
//! append ──Sending──► sender task ──bytes──► writer
//!   ▲                    └─Waiting─► receiver task ◄──replies in the same order
//!   └──────────────────────────────────┘
//! ```
//! On a runtime of one thread the sender keeps that awake for a moment, where a receipt mostly comes in time
//! ([`Spin`]), and the writer gets [word](Tokio::expect) ahead. If either task ends, every waiting and every later append fails.

use std::io::Write as _;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot};

use super::{AppendError, Appended, answer};
use crate::protocol::{self, MAX_REPLY, Reply};
use crate::record::Event;
use crate::spin::Spin;

/// Most events that are sent and not acknowledged; the next append waits.
const IN_FLIGHT: usize = 1024;

/// Bytes that are gathered before a write, when events wait anyway.
const BATCH: usize = 64 * 1024;

/// A client for any number of tasks; clones share the connection.
#[derive(Clone, Debug)]
pub struct Tokio {
    events: mpsc::Sender<Sending>,
    word: Arc<Word>,
}

/// What is needed to give word ahead.
#[derive(Debug)]
struct Word {
    /// The sender's own socket.
    socket: StdUnixStream,
    sent: mpsc::WeakSender<Waiting>,
    spin: Arc<Spin>,
}

/// Who waits for the next reply, and since when.
#[derive(Debug)]
struct Waiting {
    reply: oneshot::Sender<Reply>,
    since: Instant,
}

#[derive(Debug)]
struct Sending {
    frame: Vec<u8>,
    reply: oneshot::Sender<Reply>,
}

impl Tokio {
    /// A client on a connected socket. Must be called within a runtime, on which its two tasks run until
    /// the last clone is dropped or the writer is gone.
    ///
    /// # Errors
    /// The socket cannot be registered with the runtime.
    pub fn new(socket: StdUnixStream) -> std::io::Result<Self> {
        socket.set_nonblocking(true)?;
        let ours = socket.try_clone()?;
        let (from_writer, to_writer) = UnixStream::from_std(socket)?.into_split();
        let (events, sending) = mpsc::channel(IN_FLIGHT);
        let (sent, waiting) = mpsc::channel(IN_FLIGHT);
        // With several threads the one that looks need not be the one that would hear the answer.
        let alone = Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread;
        let spin = Arc::new(if alone { Spin::new() } else { Spin::never() });
        let word = Word { socket: ours, sent: sent.downgrade(), spin: Arc::clone(&spin) };
        tokio::spawn(send(sending, sent, to_writer, Arc::clone(&spin)));
        tokio::spawn(receive(waiting, from_writer, spin));
        Ok(Self { events, word: Arc::new(word) })
    }

    /// Gives the writer word that an event is about to come, if that is likely to serve: it is awake by then. Cheap
    /// enough for whenever something comes that may have to be decided.
    pub fn expect(&self) {
        if self.events.capacity() == IN_FLIGHT {
            self.word.give();
        }
    }

    /// Hands in one event and waits until it is in the log. If the returned future is dropped, the event
    /// may still be recorded.
    ///
    /// # Errors
    /// It is not in the log, and its action must not go on.
    pub async fn append(&self, event: &Event) -> Result<Appended, AppendError> {
        let frame = protocol::event_frame(event)?;
        let (reply, answered) = oneshot::channel();
        self.events.send(Sending { frame, reply }).await.map_err(|_closed| AppendError::Lost)?;
        answered.await.map_err(|_dropped| AppendError::Lost).and_then(answer)
    }
}

impl Word {
    fn give(&self) {
        // Between two frames only. With several threads the sender may be in the midst of one, but then word is never given.
        let between = self.sent.upgrade().is_some_and(|sent| sent.capacity() == IN_FLIGHT);
        if between && self.spin.gives_word() {
            // A writer that is gone, or does not read, is found out by the event.
            let _unheard = (&self.socket).write(&protocol::WORD);
        }
    }
}

async fn send(
    mut events: mpsc::Receiver<Sending>,
    sent: mpsc::Sender<Waiting>,
    mut socket: OwnedWriteHalf,
    spin: Arc<Spin>,
) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Some(first) = events.recv().await {
        let mut next = Some(first);
        while let Some(Sending { frame, reply }) = next {
            batch.extend_from_slice(&frame);
            // The receiver task is gone: so is the writer.
            if sent.send(Waiting { reply, since: Instant::now() }).await.is_err() {
                return;
            }
            next = if batch.len() < BATCH && sent.capacity() > 0 { events.try_recv().ok() } else { None };
        }
        if socket.write_all(&batch).await.is_err() {
            return;
        }
        batch.clear();
        spin_for_receipts(&events, &sent, Instant::now() + spin.budget()).await;
    }
}

/// Keeps the runtime from sleeping while receipts are about to come: every other task has its turns, and every event is
/// seen, as if it slept.
async fn spin_for_receipts(events: &mpsc::Receiver<Sending>, sent: &mpsc::Sender<Waiting>, until: Instant) {
    while Instant::now() < until && sent.capacity() < IN_FLIGHT && events.is_empty() {
        tokio::task::yield_now().await;
    }
}

/// Ends, and with it every append that waits, when the writer is gone or says what is not a reply.
async fn receive(mut waiting: mpsc::Receiver<Waiting>, mut socket: OwnedReadHalf, spin: Arc<Spin>) {
    let mut bytes = Vec::new();
    let mut used = 0;
    loop {
        match protocol::first_frame(&bytes[used..], MAX_REPLY) {
            Ok(Some((body, length))) => {
                let (Ok(reply), Ok(next)) = (protocol::parse_reply(body), waiting.try_recv()) else { return };
                used += length;
                spin.learn(next.since.elapsed(), spin.budget());
                // The task that asked may have been cancelled; its record stands.
                let _cancelled = next.reply.send(reply);
            }
            Ok(None) => {
                bytes.drain(..used);
                used = 0;
                if !matches!(socket.read_buf(&mut bytes).await, Ok(1..)) {
                    return;
                }
            }
            Err(_too_long) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::time::Duration;

    use super::*;
    use crate::chain::ChainHash;
    use crate::protocol::Receipt;
    use crate::record::{Action, Event};

    /// Answers each event, slowly read, and says how many words it was given between them.
    fn writer(mut socket: StdUnixStream) -> usize {
        let (mut bytes, mut chunk, mut words) = (Vec::new(), [0; 1000], 0);
        while let Ok(more @ 1..) = socket.read(&mut chunk) {
            bytes.extend_from_slice(&chunk[..more]);
            while let Some((body, length)) = protocol::first_frame(&bytes, usize::MAX).unwrap() {
                if body.is_empty() {
                    words += 1;
                } else {
                    let _whole: Event = serde_json::from_slice(body).unwrap();
                    let receipt = Receipt { sequence: 1, hash: ChainHash::from_bytes([0; 32]) };
                    socket.write_all(&protocol::reply_frame(&Reply::Written(receipt))).unwrap();
                }
                bytes.drain(..length);
            }
        }
        words
    }

    #[tokio::test]
    async fn word_is_given_between_events_and_in_the_midst_of_none() {
        let (ours, theirs) = StdUnixStream::pair().unwrap();
        let writer = std::thread::spawn(|| writer(theirs));
        let client = Tokio::new(ours).unwrap();
        // More than a socket holds.
        let event = Event { reason: Some("x".repeat(300_000)), ..Event::new(Action::NetworkRequest) };
        for _silence in 0..10 {
            let append = client.append(&event);
            let mut append = std::pin::pin!(append);
            loop {
                client.expect();
                tokio::select! {
                    biased;
                    appended = &mut append => {
                        let _receipt = appended.unwrap();
                        break;
                    }
                    () = tokio::time::sleep(Duration::from_millis(1)) => {}
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            client.expect();
        }
        drop(client);
        tokio::task::yield_now().await;
        let words = tokio::task::spawn_blocking(|| writer.join().unwrap()).await.unwrap();
        let looks = std::thread::available_parallelism().map_or(1, usize::from) > 1;
        assert_eq!(words > 0, looks, "{words}");
    }
}
