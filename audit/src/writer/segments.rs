//! The next segment, from the manager: the writer opens nothing by itself.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

/// Between two questions, when the manager had none to give.
const PAUSE: Duration = Duration::from_secs(1);

/// Where segments come from, and what was asked for.
#[derive(Debug)]
pub(crate) struct Segments {
    socket: UnixStream,
    state: State,
    next_ask: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The present segment has room.
    Idle,
    /// Another one was asked for.
    Asked,
    /// The manager is gone: the present segment is the last.
    Alone,
}

impl Segments {
    pub(crate) fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self { socket, state: State::Idle, next_ask: Instant::now() })
    }

    /// The socket, while something is to come.
    pub(crate) fn awaited(&self) -> Option<&UnixStream> {
        (self.state == State::Asked).then_some(&self.socket)
    }

    /// Whether the manager has to be asked now.
    pub(crate) fn ask(&mut self) -> bool {
        let asks = self.state == State::Idle && self.next_ask <= Instant::now();
        if asks {
            self.state = State::Asked;
        }
        asks
    }

    /// The segment that came, and the bytes that the log's files take beside the present one.
    pub(crate) fn take(&mut self) -> io::Result<Option<(File, u64)>> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut others = [0; 8];
        let mut parts = [io::IoSliceMut::new(&mut others)];
        let message = match recvmsg(&self.socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(message) => message,
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if message.bytes == 0 {
            self.state = State::Alone;
            return Ok(None);
        }
        if message.bytes < 8 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a segment came without the log's size"));
        }
        let received = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        self.state = State::Idle;
        if received.is_none() {
            self.next_ask = Instant::now() + PAUSE;
        }
        Ok(received.map(|file| (File::from(file), u64::from_le_bytes(others))))
    }
}
