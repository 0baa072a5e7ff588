//! A connection from outside whose bytes nobody reads: passed on both ways, each direction ending on its own.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::record::{Outcome, Refused};
use super::{Visit, reset};
use crate::judge::Closed;

/// How long a connection may be silent both ways.
const IDLE: Duration = Duration::from_secs(60 * 60);

/// Bytes on their way in one direction.
const PIECE: usize = 16 * 1024;

/// What both directions know.
struct Tally {
    started: Instant,
    /// When a byte last went either way, in microseconds from the start.
    last: AtomicU64,
    sent: AtomicU64,
    received: AtomicU64,
}

impl Visit<'_> {
    pub(super) async fn tcp(self, mut stream: TcpStream) -> io::Result<()> {
        let (judge, mut conforms) = (&self.hall.judge, self.policy);
        let (id, stay) = (judge.next_id(), judge.ending().stay());
        if self.admit_connection(&id).await.is_err() {
            reset(stream);
            return Ok(());
        }
        let tally = Tally::begin();
        let carried = self.carry_both(&mut stream, &tally);
        let upheld = tokio::select! {
            biased;
            () = stay.ended() => Err(Refused::ended()),
            upheld = judge.uphold_visit(&mut conforms, carried) => upheld.map_err(|Closed| Refused::quarantine()),
        };
        let (failed, result) = match upheld {
            Ok(Ok(result)) => (None, result),
            Ok(Err(unreached)) => (Some(unreached), Err(io::ErrorKind::ConnectionRefused.into())),
            Err(put_out) => {
                // Nothing that waits to be sent goes out while this is recorded.
                reset(stream);
                let _nothing_else_to_stop = self.record_outcome(&id, tally.outcome(), Some(&put_out)).await;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
        };
        let recorded = self.record_outcome(&id, tally.outcome(), failed.as_ref()).await;
        if result.is_err() || recorded.is_err() {
            reset(stream);
        }
        result
    }

    /// To the agent's program and back, until both directions have ended.
    async fn carry_both(self, stream: &mut TcpStream, tally: &Tally) -> Result<io::Result<()>, Refused> {
        let guest = self.hall.guest.connect(self.door.port).await;
        let mut guest = guest.map_err(|error| Refused::unreached(&error))?;
        let (from_client, to_client) = stream.split();
        let (from_guest, to_guest) = guest.split();
        let inward = carry(from_client, to_guest, (tally, &tally.sent));
        let outward = carry(from_guest, to_client, (tally, &tally.received));
        Ok(tokio::try_join!(inward, outward).map(drop))
    }
}

impl Tally {
    fn begin() -> Self {
        let (last, sent, received) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        Self { started: Instant::now(), last, sent, received }
    }

    fn count(&self, bytes: &AtomicU64, count: usize) {
        bytes.fetch_add(count as u64, Ordering::Relaxed);
        self.last.store(self.now_us(), Ordering::Relaxed);
    }

    fn is_idle(&self) -> bool {
        let last = Duration::from_micros(self.last.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last) >= IDLE
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn outcome(&self) -> Outcome {
        Outcome {
            status: None,
            sent: self.sent.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            latency_us: self.now_us(),
        }
    }
}

/// Carries one direction to its end, and then tells the receiver.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    (tally, bytes): (&Tally, &AtomicU64),
) -> io::Result<()> {
    let mut piece = vec![0; PIECE];
    loop {
        let count = match timeout(IDLE, from.read(&mut piece)).await {
            Ok(count) => count?,
            // The other direction may be busy: a download asks for nothing.
            Err(_elapsed) if !tally.is_idle() => continue,
            Err(_elapsed) => return Err(io::ErrorKind::TimedOut.into()),
        };
        if count == 0 {
            return to.shutdown().await;
        }
        timeout(IDLE, to.write_all(&piece[..count])).await??;
        tally.count(bytes, count);
    }
}
