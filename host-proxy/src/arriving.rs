//! What comes from the guest: the audit writer hears of it ahead of the decision that it may lead to, and wakes while it is
//! decrypted, parsed and judged.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::journal::Journal;

/// A stream of the guest.
pub(crate) struct Arriving<S> {
    stream: S,
    journal: Journal,
}

impl<S> Arriving<S> {
    /// One whose requests go on the record of `journal`.
    pub(crate) fn new(stream: S, journal: Journal) -> Self {
        Self { stream, journal }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Arriving<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.journal.expect();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Arriving<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use audit::client::Tokio;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    #[tokio::test]
    async fn the_writer_hears_of_what_arrives() {
        let (ours, mut writer) = UnixStream::pair().unwrap();
        writer.set_nonblocking(true).unwrap();
        let journal = Journal::new(Tokio::new(ours).unwrap());
        let (mut guest, stream) = tokio::io::duplex(16);
        let mut arriving = Arriving::new(stream, journal);
        // Only after a silence is it worth a word.
        tokio::time::sleep(Duration::from_millis(1)).await;
        guest.write_all(b"x").await.unwrap();
        assert_eq!(arriving.read_u8().await.unwrap(), b'x');
        let looks = std::thread::available_parallelism().map_or(1, usize::from) > 1;
        assert_eq!(writer.read(&mut [0; 8]).is_ok_and(|read| read == 4), looks);
    }
}
