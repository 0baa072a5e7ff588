//! Reads requests from a stream: heads and bodies in turn, within limits of size and time.

use std::io;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

use super::body::{BodyError, Decoder, Step};
use super::head::{Head, HeadError};

/// Longest head in bytes.
pub(crate) const LONGEST_HEAD: usize = 64 * 1024;

/// Most bytes read at once: also the largest piece of a body.
const READ_SIZE: usize = 64 * 1024;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the first byte of a head to its last.
    pub head: Duration,
    /// Between two requests.
    pub idle: Duration,
    /// Between two pieces of a body.
    pub body: Duration,
}

/// Reads requests. A head must be followed by its whole body before the next head.
#[derive(Debug)]
pub struct Reader<R> {
    stream: R,
    buffer: BytesMut,
    decoder: Decoder,
    patience: Patience,
}

/// Why no request could be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The client took too long.
    #[error("the client was too slow")]
    Slow,
    /// The stream ended inside a message.
    #[error("the stream ended inside a message")]
    Truncated,
    /// The head is over 64 KiB.
    #[error("the request head is longer than 64 KiB")]
    TooLong,
    /// The head is refused.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The body is refused.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The stream failed.
    #[error("the client's stream failed")]
    Io(#[from] io::Error),
}

impl<R: AsyncRead + Unpin> Reader<R> {
    /// Reads from `stream`.
    pub fn new(stream: R, patience: Patience) -> Self {
        Self { stream, buffer: BytesMut::new(), decoder: Decoder::Done, patience }
    }

    /// The next head, or `None` when the client closed or fell silent between two requests.
    ///
    /// # Errors
    /// The client sent no request, or one that is refused.
    pub async fn head(&mut self) -> Result<Option<Head>, ReadError> {
        if self.buffer.is_empty() {
            match timeout(self.patience.idle, self.fill()).await {
                Ok(Ok(0)) | Err(_) => return Ok(None),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error.into()),
            }
        }
        let patience = self.patience.head;
        let head = timeout(patience, self.whole_head()).await.map_err(|_elapsed| ReadError::Slow)??;
        self.decoder = Decoder::new(head.length);
        Ok(Some(head))
    }

    /// The next piece of the body, or `None` at its end.
    ///
    /// # Errors
    /// The body is refused, late or cut short.
    pub async fn piece(&mut self) -> Result<Option<Bytes>, ReadError> {
        loop {
            match self.decoder.step(&mut self.buffer)? {
                Step::Data(data) => return Ok(Some(data)),
                Step::End => return Ok(None),
                Step::More => {}
            }
            match timeout(self.patience.body, self.fill()).await {
                Ok(Ok(0)) => return Err(ReadError::Truncated),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error.into()),
                Err(_elapsed) => return Err(ReadError::Slow),
            }
        }
    }

    /// Whether the last request was read to its end.
    pub fn is_between_requests(&self) -> bool {
        self.decoder == Decoder::Done
    }

    /// Whether everything that was read belongs to the last request.
    pub fn is_drained(&self) -> bool {
        self.is_between_requests() && self.buffer.is_empty()
    }

    /// The stream, for what follows the last request and is none, and the buffer for it.
    pub fn parts_mut(&mut self) -> (&mut R, &mut BytesMut) {
        (&mut self.stream, &mut self.buffer)
    }

    /// The stream, and what was read from it beyond the last request.
    pub fn into_parts(self) -> (R, Bytes) {
        (self.stream, self.buffer.freeze())
    }

    /// Reads and forgets until the client closes, so that it sees our last answer before a reset.
    pub async fn drain(&mut self, limit: usize) {
        let mut left = limit;
        while left > 0 {
            self.buffer.clear();
            match self.fill().await {
                Ok(count) if count > 0 => left = left.saturating_sub(count),
                _ => return,
            }
        }
    }

    async fn whole_head(&mut self) -> Result<Head, ReadError> {
        let mut searched = 0;
        loop {
            if let Some(end) = end_of_head(&self.buffer, searched)? {
                let bytes = self.buffer.split_to(end);
                return Ok(Head::parse(&bytes)?);
            }
            if self.buffer.len() >= LONGEST_HEAD {
                return Err(ReadError::TooLong);
            }
            searched = self.buffer.len();
            if self.fill().await? == 0 {
                return Err(ReadError::Truncated);
            }
        }
    }

    async fn fill(&mut self) -> io::Result<usize> {
        if self.buffer.capacity() == self.buffer.len() {
            // Small while there are only heads, large once a body is under way.
            let more = if self.decoder == Decoder::Done { 4096 } else { READ_SIZE };
            self.buffer.reserve(more);
        }
        self.stream.read_buf(&mut self.buffer).await
    }
}

/// Where the head ends, if the buffer holds all of it; `searched` bytes were seen before. A line that ends
/// without CR is refused at once: nobody should wait for the rest of it.
fn end_of_head(buffer: &[u8], searched: usize) -> Result<Option<usize>, HeadError> {
    if buffer.first().is_some_and(|first| matches!(first, b'\r' | b'\n')) {
        return Err(HeadError::LineEnds);
    }
    for (at, _) in buffer.iter().enumerate().skip(searched).filter(|(_, byte)| **byte == b'\n') {
        match &buffer[..at] {
            [.., b'\r', b'\n', b'\r'] => {
                return Ok((at < LONGEST_HEAD).then_some(at + 1));
            }
            [.., b'\r'] => {}
            _ => return Err(HeadError::LineEnds),
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Patience = Patience {
        head: Duration::from_millis(50),
        idle: Duration::from_millis(50),
        body: Duration::from_millis(50),
    };

    #[tokio::test]
    async fn pipelined_requests_are_read_one_after_the_other() {
        let bytes: &[u8] =
            b"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n";
        let mut reader = Reader::new(bytes, PATIENCE);
        assert_eq!(reader.head().await.unwrap().unwrap().target, "/a");
        assert!(!reader.is_between_requests());
        assert_eq!(reader.piece().await.unwrap().unwrap(), "abc");
        assert!(reader.piece().await.unwrap().is_none());
        assert_eq!(reader.head().await.unwrap().unwrap().target, "/b");
        assert!(reader.head().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_slow_head_and_a_silent_client_are_told_apart() {
        let (client, server) = tokio::io::duplex(1024);
        let mut reader = Reader::new(server, PATIENCE);
        assert!(reader.head().await.unwrap().is_none());
        let mut client = client;
        tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HT").await.unwrap();
        assert!(matches!(reader.head().await, Err(ReadError::Slow)));
    }

    #[tokio::test]
    async fn an_endless_head_is_refused() {
        let mut bytes = b"GET / HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
        bytes.resize(LONGEST_HEAD + 10, b'x');
        bytes.extend_from_slice(b"\r\n\r\n");
        assert!(matches!(Reader::new(bytes.as_slice(), PATIENCE).head().await, Err(ReadError::TooLong)));
    }

    #[tokio::test]
    async fn a_bare_line_feed_is_refused_before_the_head_is_complete() {
        let (mut client, server) = tokio::io::duplex(1024);
        tokio::io::AsyncWriteExt::write_all(&mut client, b"GET / HTTP/1.1\nHost").await.unwrap();
        let mut reader = Reader::new(server, PATIENCE);
        assert!(matches!(reader.head().await, Err(ReadError::Head(HeadError::LineEnds))));
    }

    #[tokio::test]
    async fn a_body_that_ends_early_is_told() {
        let bytes: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabc";
        let mut reader = Reader::new(bytes, PATIENCE);
        reader.head().await.unwrap();
        reader.piece().await.unwrap();
        assert!(matches!(reader.piece().await, Err(ReadError::Truncated)));
    }
}
