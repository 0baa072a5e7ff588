//! The tree's leaves on their way to the signer, which nobody's receipt waits for.
//!
//! A leaf goes only once its record is on the disk: a checkpoint over records that power loss takes would make a log that lost
//! them pass for one whose end was cut off.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::line::LEAF;

/// Bytes of leaves that a signer may leave unread: a million records. One that is further behind does not work any more.
const MOST_UNREAD: usize = 32 * 1024 * 1024;

/// How long a signer may leave the last leaves unread.
const LAST_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Leaves {
    pub(crate) socket: UnixStream,
    /// Of records that may not be on the disk yet.
    held: VecDeque<u8>,
    /// Number of the last record whose leaf is not held any more.
    passed: u64,
    outgoing: VecDeque<u8>,
    /// How long a record may wait until the signer says that it is dealt with.
    patience: Option<Duration>,
    /// Of what is not, the oldest first.
    unsigned: VecDeque<Unsigned>,
    /// What it said, as far as it is no whole number yet.
    heard: Vec<u8>,
}

/// Records that came about the same time.
#[derive(Debug)]
struct Unsigned {
    /// When the first of them came.
    since: Instant,
    /// Number of the last of them.
    last: u64,
}

/// Records that came within so long are looked at as one.
const TOGETHER: Duration = Duration::from_secs(1);

impl Leaves {
    /// The leaves of the records after number `passed` are to come.
    pub(crate) fn new(socket: UnixStream, passed: u64, patience: Option<Duration>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (held, outgoing, unsigned) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
        Ok(Self { socket, held, passed, outgoing, patience, unsigned, heard: Vec::new() })
    }

    /// Adds the leaves of the next records.
    pub(crate) fn hold(&mut self, leaves: &[u8]) {
        if leaves.is_empty() {
            return;
        }
        self.held.extend(leaves);
        let last = self.passed + u64::try_from(self.held.len() / LEAF).expect("what is held fits in 64 bits");
        let now = Instant::now();
        match self.unsigned.back_mut() {
            Some(newest) if now - newest.since < TOGETHER => newest.last = last,
            _ => self.unsigned.push_back(Unsigned { since: now, last }),
        }
    }

    /// When the writer ends, unless the signer says something before; `None`: no record waits.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.unsigned.front()?.since.checked_add(self.patience?)
    }

    /// Reads what the signer says.
    pub(crate) fn hear(&mut self) -> io::Result<()> {
        let mut chunk = [0; 512];
        loop {
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(length) => self.heard.extend_from_slice(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let (numbers, rest) = self.heard.as_chunks();
        let dealt_with = numbers.last().map_or(0, |number| u64::from_le_bytes(*number));
        self.heard = rest.to_vec();
        while self.unsigned.pop_front_if(|oldest| oldest.last <= dealt_with).is_some() {}
        Ok(())
    }

    pub(crate) fn wants_to_write(&self) -> bool {
        !self.outgoing.is_empty()
    }

    /// Sends what the signer takes, now that the records up to number `synced` are on the disk.
    pub(crate) fn send(&mut self, synced: u64) -> io::Result<()> {
        let more = usize::try_from(synced.saturating_sub(self.passed)).unwrap_or(usize::MAX);
        let more = more.saturating_mul(LEAF).min(self.held.len());
        self.outgoing.extend(self.held.drain(..more));
        self.passed = self.passed.max(synced);
        while !self.outgoing.is_empty() {
            let (front, _rest) = self.outgoing.as_slices();
            match self.socket.write(front) {
                Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(length) => drop(self.outgoing.drain(..length)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        if self.outgoing.len() > MOST_UNREAD {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it has not kept up for a million records"));
        }
        Ok(())
    }

    /// Sends the rest up to number `synced`, waiting for the signer as long as it reads.
    pub(crate) fn finish(&mut self, synced: u64) -> io::Result<()> {
        self.socket.set_nonblocking(false)?;
        self.socket.set_write_timeout(Some(LAST_PATIENCE))?;
        self.send(synced)?;
        if self.outgoing.is_empty() {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::TimedOut, "it does not read the last leaves"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What nobody signs is no success: the log would end with records that only its writer knows of.
    #[test]
    fn a_signer_that_does_not_read_the_last_leaves_is_a_failure() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut leaves = Leaves::new(ours, 0, None).unwrap();
        let records = 100_000;
        leaves.hold(&vec![0; records * LEAF]);
        let failed = leaves.finish(u64::try_from(records).unwrap()).unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        drop(theirs);
    }

    /// One that takes leaves and signs none leaves a log that looks made up.
    #[test]
    fn what_is_not_signed_has_a_deadline_until_it_is() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut leaves = Leaves::new(ours, 7, Some(Duration::ZERO)).unwrap();
        assert_eq!(leaves.deadline(), None);
        leaves.hold(&[0; 2 * LEAF]);
        leaves.send(9).unwrap();
        assert!(leaves.deadline().is_some_and(|deadline| deadline <= Instant::now()));
        let mut say = |bytes: &[u8]| {
            theirs.write_all(bytes).unwrap();
            leaves.hear().unwrap();
            leaves.deadline()
        };
        assert!(say(&8_u64.to_le_bytes()).is_some());
        assert!(say(&9_u64.to_le_bytes()[..5]).is_some());
        assert_eq!(say(&9_u64.to_le_bytes()[5..]), None);
    }
}
