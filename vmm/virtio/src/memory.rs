//! Guest memory as the devices see it, and moving bytes between it and files.

#![expect(unsafe_code, reason = "the kernel reads and writes guest memory by address")]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use vm_memory::{GuestAddress, GuestMemoryBackend, VolatileSlice};

/// All of a guest's RAM. Its bytes change under our hands at any time: they are read once into a value that
/// is then checked, never checked in place.
pub type Memory = vm_memory::GuestMemoryMmap<()>;

/// The host's pages.
const PAGE: usize = 4096;

/// Most pieces that one system call takes (`UIO_MAXIOV`).
const MAX_PIECES: usize = 1024;

/// Pieces of guest memory, in order, as one run of bytes.
#[derive(Clone, Debug, Default)]
pub struct Segments<'m> {
    pieces: Vec<VolatileSlice<'m>>,
}

/// Pieces of guest memory that are whole pages, so that dropping them drops nothing else.
#[derive(Debug)]
pub struct Pages<'m>(Segments<'m>);

/// Where pieces of guest memory are, for whoever writes to them later: unlike [`Segments`] it borrows nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extents(Vec<(GuestAddress, usize)>);

/// Which way [`Segments::transfer`] moves bytes.
#[derive(Clone, Copy)]
enum Transfer {
    ReadAt(u64),
    WriteAt(u64),
    Receive,
    ReceiveMessage,
    Send,
}

impl<'m> Segments<'m> {
    pub(crate) fn push(&mut self, piece: VolatileSlice<'m>) {
        self.pieces.push(piece);
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        // A chain is shorter than 4 GiB: the parser of chains sees to that.
        self.pieces.iter().map(VolatileSlice::len).sum()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Splits off what follows the first `at` bytes; all of them when there are fewer.
    #[must_use]
    pub fn split_off(&mut self, at: usize) -> Self {
        let mut before = at;
        let mut tail = Vec::new();
        let mut head = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces.drain(..) {
            let here = before.min(piece.len());
            let (first, second) = piece.split_at(here).expect("the middle is within the piece");
            head.extend((!first.is_empty()).then_some(first));
            tail.extend((!second.is_empty()).then_some(second));
            before -= here;
        }
        self.pieces = head;
        Self { pieces: tail }
    }

    /// The pieces as pages, if each of them begins and ends where a page does.
    #[must_use]
    pub fn into_pages(self) -> Option<Pages<'m>> {
        // Memory is mapped by whole pages, so a page of the guest is one of the host.
        let whole = |piece: &VolatileSlice<'_>| {
            piece.ptr_guard().as_ptr().addr().is_multiple_of(PAGE) && piece.len().is_multiple_of(PAGE)
        };
        self.pieces.iter().all(whole).then_some(Pages(self))
    }

    /// Copies the first bytes out; returns how many there were.
    pub fn copy_to(&self, mut bytes: &mut [u8]) -> usize {
        let mut done = 0;
        for piece in &self.pieces {
            let count = piece.len().min(bytes.len());
            let (now, later) = std::mem::take(&mut bytes).split_at_mut(count);
            piece.copy_to(now);
            bytes = later;
            done += count;
        }
        done
    }

    /// Copies bytes in at the front; returns how many had room.
    pub fn copy_from(&self, mut bytes: &[u8]) -> usize {
        let mut done = 0;
        for piece in &self.pieces {
            let (now, later) = bytes.split_at(piece.len().min(bytes.len()));
            piece.copy_from(now);
            bytes = later;
            done += now.len();
        }
        done
    }

    /// Fills all pieces from a file at an offset.
    ///
    /// # Errors
    /// The file's error, or its end before the last byte.
    pub fn read_exact_at(self, file: BorrowedFd<'_>, offset: u64) -> io::Result<()> {
        self.whole(|rest, done| rest.transfer(file, Transfer::ReadAt(offset + done)))
    }

    /// Writes all pieces to a file at an offset.
    ///
    /// # Errors
    /// The file's error.
    pub fn write_all_at(self, file: BorrowedFd<'_>, offset: u64) -> io::Result<()> {
        self.whole(|rest, done| rest.transfer(file, Transfer::WriteAt(offset + done)))
    }

    /// Receives what a stream has, as far as there is room.
    ///
    /// # Errors
    /// The stream's error; [`io::ErrorKind::WouldBlock`] when it has nothing.
    pub fn receive(&self, stream: BorrowedFd<'_>) -> io::Result<usize> {
        self.transfer(stream, Transfer::Receive)
    }

    /// Receives one message of a socket that keeps their bounds; returns how long it was, which may be more than there was
    /// room for: what did not fit is lost. 0: the other side is gone.
    ///
    /// # Errors
    /// The socket's error; [`io::ErrorKind::WouldBlock`] when no message is there.
    pub fn receive_message(&self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        self.transfer(socket, Transfer::ReceiveMessage)
    }

    /// Sends as much as a stream takes, or all as one message of a socket that keeps their bounds.
    ///
    /// # Errors
    /// The stream's error; [`io::ErrorKind::WouldBlock`] when it takes nothing.
    pub fn send(&self, stream: BorrowedFd<'_>) -> io::Result<usize> {
        self.transfer(stream, Transfer::Send)
    }

    fn whole(mut self, mut step: impl FnMut(&Self, u64) -> io::Result<usize>) -> io::Result<()> {
        let mut done: u64 = 0;
        while !self.is_empty() {
            match step(&self, done) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    done += u64::try_from(count).expect("a count fits in 64 bits");
                    self = self.split_off(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn transfer(&self, fd: BorrowedFd<'_>, how: Transfer) -> io::Result<usize> {
        // The guards keep the pieces mapped until the system call has returned.
        let guards: Vec<_> = self.pieces.iter().take(MAX_PIECES).map(VolatileSlice::ptr_guard_mut).collect();
        let vectors: Vec<libc::iovec> = guards
            .iter()
            .map(|guard| libc::iovec { iov_base: guard.as_ptr().cast(), iov_len: guard.len() })
            .collect();
        let first = vectors.as_ptr();
        let count = i32::try_from(vectors.len()).expect("at most 1024 pieces");
        let fd = fd.as_raw_fd();
        let done = match how {
            Transfer::ReadAt(offset) => {
                let offset = file_offset(offset)?;
                // SAFETY: each vector is a piece of mapped guest memory, which the guards keep mapped; guest
                // memory is never borrowed as Rust references, so the kernel may write to it.
                unsafe { libc::preadv(fd, first, count, offset) }
            }
            Transfer::WriteAt(offset) => {
                let offset = file_offset(offset)?;
                // SAFETY: as above, and the kernel only reads the pieces.
                unsafe { libc::pwritev(fd, first, count, offset) }
            }
            // SAFETY: as for reading from a file.
            Transfer::Receive => unsafe { libc::readv(fd, first, count) },
            Transfer::ReceiveMessage => {
                let mut message = message_of(&vectors);
                // SAFETY: the message names the vectors, which live until the call returns, and pieces that the guards
                // keep mapped; the kernel may write to both.
                unsafe { libc::recvmsg(fd, &raw mut message, libc::MSG_TRUNC) }
            }
            Transfer::Send => {
                let message = message_of(&vectors);
                // SAFETY: the message names the vectors, which live until the call returns.
                unsafe { libc::sendmsg(fd, &raw const message, libc::MSG_NOSIGNAL) }
            }
        };
        usize::try_from(done).map_err(|_negative| io::Error::last_os_error())
    }
}

impl Extents {
    pub(crate) fn push(&mut self, address: GuestAddress, len: usize) {
        self.0.push((address, len));
    }

    /// Bytes in all.
    #[must_use]
    pub fn len(&self) -> usize {
        // As for segments: a chain is shorter than 4 GiB.
        self.0.iter().map(|(_address, len)| len).sum()
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces themselves. Of memory that is not the one they were found in, what is not there is left out.
    #[must_use]
    pub fn segments<'m>(&self, memory: &'m Memory) -> Segments<'m> {
        let slices = self.0.iter().flat_map(|(address, len)| {
            GuestMemoryBackend::get_slices(memory, *address, *len).filter_map(Result::ok)
        });
        Segments { pieces: slices.collect() }
    }
}

impl Pages<'_> {
    /// Gives the pages back to the host's kernel, content and all. They stay mapped: whoever touches one next finds it
    /// as at the machine's start, zeros or what the file mapped there holds. This is true of private mappings, which
    /// guest memory is; a shared one would keep its pages.
    ///
    /// # Errors
    /// The kernel does not take them: they are locked, for example.
    pub fn discard(self) -> io::Result<()> {
        for piece in &self.0.pieces {
            let guard = piece.ptr_guard_mut();
            // SAFETY: the range is whole pages of mapped guest memory, which the guard keeps mapped and nobody has
            // borrowed as Rust references; its bytes may change at any time, and this is one more such change.
            let result = unsafe { libc::madvise(guard.as_ptr().cast(), guard.len(), libc::MADV_DONTNEED) };
            if result != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    }
}

/// A message that is no more than its bytes. Sending one, unlike writing, can be told to raise no signal
/// when the other side is gone.
fn message_of(vectors: &[libc::iovec]) -> libc::msghdr {
    // SAFETY: a message header of all zeros names no address, no bytes and no control data.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = vectors.as_ptr().cast_mut();
    message.msg_iovlen = vectors.len();
    message
}

fn file_offset(offset: u64) -> io::Result<i64> {
    i64::try_from(offset).map_err(|_too_far| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;
    use std::sync::Arc;

    use vm_memory::{GuestAddress, GuestMemoryBackend};

    use super::*;

    fn memory() -> Memory {
        Memory::from_ranges(&[(GuestAddress(0), 0x1_0000)]).unwrap()
    }

    fn segments<'m>(memory: &'m Memory, pieces: &[(u64, usize)]) -> Segments<'m> {
        let mut segments = Segments::default();
        for (address, len) in pieces {
            segments.push(memory.get_slice(GuestAddress(*address), *len).unwrap());
        }
        segments
    }

    #[test]
    fn copies_cross_pieces_and_stop_at_the_end() {
        let memory = memory();
        let two = segments(&memory, &[(0, 3), (0x100, 4)]);
        assert_eq!(two.copy_from(b"abcdefghij"), 7);
        let mut out = [0; 10];
        assert_eq!(two.copy_to(&mut out), 7);
        assert_eq!(&out[..7], b"abcdefg");
    }

    #[test]
    fn split_falls_within_and_between_pieces() {
        let memory = memory();
        let two = segments(&memory, &[(0, 3), (0x100, 4)]);
        two.copy_from(b"abcdefg");
        for at in 0..9 {
            let mut head = two.clone();
            let tail = head.split_off(at);
            assert_eq!(head.len(), at.min(7));
            assert_eq!(head.len() + tail.len(), 7);
            let mut bytes = vec![0; tail.len()];
            tail.copy_to(&mut bytes);
            assert_eq!(bytes, b"abcdefg"[at.min(7)..]);
        }
    }

    #[test]
    fn files_are_read_and_written_at_offsets() {
        let memory = memory();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"0123456789").unwrap();
        let two = segments(&memory, &[(0, 3), (0x100, 4)]);
        two.clone().read_exact_at(file.as_fd(), 2).unwrap();
        let mut out = [0; 7];
        two.copy_to(&mut out);
        assert_eq!(&out, b"2345678");
        two.clone().write_all_at(file.as_fd(), 100).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 107);
        let beyond = two.read_exact_at(file.as_fd(), 104).unwrap_err();
        assert_eq!(beyond.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn more_pieces_than_one_system_call_takes() {
        let memory = memory();
        let mut file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..3000_u32).map(|i| i.to_le_bytes()[0]).collect();
        file.write_all(&bytes).unwrap();
        let many = segments(&memory, &(0..3000).map(|i| (i * 2, 1)).collect::<Vec<_>>());
        many.clone().read_exact_at(file.as_fd(), 0).unwrap();
        let mut out = vec![0; 3000];
        many.copy_to(&mut out);
        assert_eq!(out, bytes);
    }

    #[test]
    fn discarded_pages_are_as_they_were_at_the_start() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&[7; PAGE]).unwrap();
        // As a kernel or an initramfs is mapped: privately.
        let private = libc::MAP_PRIVATE | libc::MAP_NORESERVE;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let offset = Some(vm_memory::FileOffset::new(file, 0));
        let of_file = vm_memory::MmapRegion::build(offset, PAGE, protection, private).unwrap();
        let of_file = vm_memory::GuestRegionMmap::new(of_file, GuestAddress(0x1_0000)).unwrap();
        let memory = memory().insert_region(Arc::new(of_file)).unwrap();
        // Across the border of the two regions.
        let both = segments(&memory, &[(0xf000, PAGE), (0x1_0000, PAGE)]);
        both.copy_from(&[1; 2 * PAGE]);
        both.clone().into_pages().unwrap().discard().unwrap();
        let mut bytes = [1; 2 * PAGE];
        both.copy_to(&mut bytes);
        assert_eq!(bytes, *[[0; PAGE], [7; PAGE]].as_flattened());
    }

    #[test]
    fn part_of_a_page_is_no_page() {
        let memory = memory();
        for piece in [(1, PAGE), (0, PAGE - 1), (0, PAGE + 1), (8, 8)] {
            assert!(segments(&memory, &[(0x4000, PAGE), piece]).into_pages().is_none(), "{piece:?}");
        }
        assert!(segments(&memory, &[(0x4000, PAGE), (0, 2 * PAGE)]).into_pages().is_some());
    }

    #[test]
    fn sending_to_nobody_is_an_error_and_no_signal() {
        let memory = memory();
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        drop(theirs);
        let error = segments(&memory, &[(0, 3)]).send(ours.as_fd()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
