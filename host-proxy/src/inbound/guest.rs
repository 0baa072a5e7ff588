//! The way to a port of the agent: the VMM's socket, guest-init behind it, the agent's program behind that.
//!
//! Everything that comes back before the program's own bytes is two short messages of known length; a guest that
//! sends another thing, or nothing, is one in which nobody listens.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;
use wire::flow::{FlowKey, SealError};
use wire::frame::{self, FrameError};
use wire::inbound::{Answer, Head, MAX_FRAME, PORT, SealedHead};
use wire::vsock::greeting;

/// How long the guest may take to answer: more than guest-init may take to find the program.
const PATIENCE: Duration = Duration::from_secs(15);

/// Longest line with which the VMM says that guest-init took the connection: `OK`, a space, ten digits, a line feed.
const LONGEST_LINE: usize = 14;

/// The guest, as a place to connect to.
#[derive(Debug)]
pub(super) struct Guest {
    /// The VMM's socket, relative to the root.
    socket: String,
    key: FlowKey,
    heads: AtomicU64,
}

/// Why the agent's program was not reached.
#[derive(Debug, thiserror::Error)]
pub(super) enum GuestError {
    /// Nobody listens there.
    #[error("nothing in the sandbox listens on port {0}")]
    NobodyListens(u16),
    /// guest-init does not take the connection: it boots, ends, or has too many.
    #[error("the sandbox takes no connection")]
    NotTaken,
    /// It answers too late.
    #[error("the sandbox does not answer")]
    Late,
    /// The head could not be sealed.
    #[error("the connection could not be announced")]
    Head(#[from] SealError),
    /// What came is no answer.
    #[error("the sandbox's answer is not understood")]
    Answer(#[from] FrameError),
    /// The machine is gone.
    #[error("the sandbox cannot be reached")]
    Io(#[from] io::Error),
}

impl Guest {
    pub(super) fn new(socket: String, key: FlowKey) -> Self {
        Self { socket, key, heads: AtomicU64::new(1) }
    }

    /// A stream to the agent's program on `port`.
    pub(super) async fn connect(&self, port: u16) -> Result<UnixStream, GuestError> {
        timeout(PATIENCE, self.reach(port)).await.map_err(|_elapsed| GuestError::Late)?
    }

    async fn reach(&self, port: u16) -> Result<UnixStream, GuestError> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let id = self.heads.fetch_add(1, Ordering::Relaxed);
        let head = frame::encode(&SealedHead::seal(Head { id, port }, &self.key)?)?;
        stream.write_all(&[greeting(PORT).as_bytes(), &head].concat()).await?;
        taken(&mut stream).await?;
        match answer(&mut stream).await? {
            Answer::Connected => Ok(stream),
            Answer::NobodyListens => Err(GuestError::NobodyListens(port)),
            Answer::NotOpen | Answer::Full => Err(GuestError::NotTaken),
        }
    }
}

/// Reads the VMM's line, and not a byte more.
async fn taken(stream: &mut UnixStream) -> Result<(), GuestError> {
    let (mut line, mut byte) = (Vec::with_capacity(LONGEST_LINE), [0]);
    while line.len() < LONGEST_LINE {
        match stream.read(&mut byte).await {
            Ok(1) if byte == *b"\n" => {
                return if line.starts_with(b"OK ") { Ok(()) } else { Err(GuestError::NotTaken) };
            }
            Ok(1) => line.push(byte[0]),
            Ok(_) | Err(_) => return Err(GuestError::NotTaken),
        }
    }
    Err(GuestError::NotTaken)
}

/// Reads guest-init's answer.
async fn answer(stream: &mut UnixStream) -> Result<Answer, GuestError> {
    let mut prefix = [0; 4];
    let gone = |_end: io::Error| GuestError::NotTaken;
    stream.read_exact(&mut prefix).await.map_err(gone)?;
    let mut body = vec![0; frame::body_length(prefix, MAX_FRAME)?];
    stream.read_exact(&mut body).await.map_err(gone)?;
    Ok(frame::decode(&body)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a connection comes to when the guest sends `bytes` and closes.
    async fn reach(bytes: Vec<u8>) -> Result<UnixStream, GuestError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("guest.sock");
        let listener = tokio::net::UnixListener::bind(&path).unwrap();
        let guest = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            // What is left unread when it closes takes its answer with it.
            let _head = stream.read(&mut [0; 1024]).await.unwrap();
            let _refused_early = stream.write_all(&bytes).await;
        });
        let result = Guest::new(path.display().to_string(), FlowKey([1; 32])).connect(8080).await;
        guest.await.unwrap();
        result
    }

    fn frame_of(answer: Answer) -> Vec<u8> {
        [b"OK 1073741824\n".to_vec(), frame::encode(&answer).unwrap()].concat()
    }

    #[tokio::test]
    async fn the_answer_decides_and_what_follows_is_the_programs() {
        let mut stream = reach([frame_of(Answer::Connected), b"hello".to_vec()].concat()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "hello");
        assert!(matches!(reach(frame_of(Answer::NobodyListens)).await, Err(GuestError::NobodyListens(8080))));
        for answer in [Answer::NotOpen, Answer::Full] {
            assert!(matches!(reach(frame_of(answer)).await, Err(GuestError::NotTaken)));
        }
    }

    #[tokio::test]
    async fn a_guest_that_says_anything_else_is_not_reached() {
        let whole = frame_of(Answer::Connected);
        for end in 0..whole.len() {
            assert!(reach(whole[..end].to_vec()).await.is_err(), "{end} bytes of an answer");
        }
        let ok = b"OK 1\n".to_vec();
        for after in
            [&b"\xff\xff\xff\xff"[..], b"\x81\0\0\0", b"\0\0\0\0", b"\x01\0\0\0\x63", b"\x02\0\0\0\0\0"]
        {
            let bytes = [&ok[..], after, &[0; 300]].concat();
            assert!(matches!(reach(bytes).await, Err(GuestError::Answer(_))), "{}", after.escape_ascii());
        }
        for line in [&b"NO 1\n"[..], b"\n", b"OK", b"OK 1", &[b'O'; 1000]] {
            assert!(
                matches!(reach(line.to_vec()).await, Err(GuestError::NotTaken)),
                "{}",
                line.escape_ascii()
            );
        }
    }

    #[tokio::test]
    async fn any_bytes_are_an_answer_or_an_error() {
        // A small generator: the same bytes in every run.
        let mut state = 1_u64;
        for _round in 0..500 {
            let bytes: Vec<u8> = std::iter::repeat_with(|| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state.to_be_bytes()[0]
            })
            .take(40)
            .collect();
            let _no_panic = reach([b"OK 7\n".to_vec(), bytes].concat()).await;
        }
    }
}
