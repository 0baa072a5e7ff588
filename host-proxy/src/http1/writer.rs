//! Writes responses to a stream, framed anew: nothing of the upstream's framing reaches the client.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// How long a client may leave a piece unread. Longer than any pause of a client that still wants it.
const PATIENCE: Duration = Duration::from_secs(300);

/// Pieces up to this size are copied behind what precedes them, so that they leave in one write.
const SMALL: usize = 16 * 1024;

/// Writes responses. A head waits for what follows it, until [`Writer::flush`] or [`Writer::end`].
#[derive(Debug)]
pub struct Writer<W> {
    stream: W,
    framing: Framing,
    waiting: BytesMut,
}

/// How the response's body is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body, and no word about its length (204, 304, or a response to `HEAD` whose length is unknown).
    Empty,
    /// No body, but the length it would have had (responses to `HEAD`).
    Head(u64),
    /// So many bytes.
    Exact(u64),
    /// Chunks.
    Chunked,
    /// Until the connection closes.
    UntilClose,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    /// Writes to `stream`.
    pub fn new(stream: W) -> Self {
        Self { stream, framing: Framing::Empty, waiting: BytesMut::new() }
    }

    /// Tells the client to send its body.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn carry_on(&mut self) -> io::Result<()> {
        self.waiting.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        self.flush().await
    }

    /// Writes a response's head. `close` tells the client that no other response follows.
    pub fn head<B>(&mut self, response: &Response<B>, framing: Framing, close: Close) {
        write_status(&mut self.waiting, response.status());
        write_fields(&mut self.waiting, response.headers());
        match framing {
            Framing::Exact(length) | Framing::Head(length) => {
                self.waiting.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
            }
            Framing::Chunked => self.waiting.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Framing::Empty | Framing::UntilClose => {}
        }
        if close == Close::Yes {
            self.waiting.extend_from_slice(b"connection: close\r\n");
        }
        self.waiting.extend_from_slice(b"\r\n");
        self.framing = framing;
    }

    /// Writes the head of a response after which the connection is a WebSocket.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn switch<B>(&mut self, response: &Response<B>) -> io::Result<()> {
        write_status(&mut self.waiting, StatusCode::SWITCHING_PROTOCOLS);
        write_fields(&mut self.waiting, response.headers());
        self.waiting.extend_from_slice(b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n");
        self.flush().await
    }

    /// The stream, after everything that was written was flushed.
    pub fn stream_mut(&mut self) -> &mut W {
        &mut self.stream
    }

    /// Writes a piece of the body.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn piece(&mut self, piece: Bytes) -> io::Result<()> {
        let chunked = match self.framing {
            Framing::Chunked if !piece.is_empty() => true,
            Framing::Exact(_) | Framing::UntilClose => false,
            Framing::Chunked | Framing::Empty | Framing::Head(_) => return Ok(()),
        };
        if chunked {
            self.waiting.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
        }
        if piece.len() <= SMALL {
            self.waiting.extend_from_slice(&piece);
        } else {
            self.send(piece).await?;
        }
        if chunked {
            self.waiting.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn end(&mut self) -> io::Result<()> {
        if self.framing == Framing::Chunked {
            self.waiting.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush().await
    }

    /// Hands what was written to the client.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.send(Bytes::new()).await?;
        timeout(PATIENCE, self.stream.flush()).await?
    }

    /// Tells the client that nothing more comes.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        timeout(PATIENCE, self.stream.shutdown()).await?
    }

    /// The stream.
    pub fn into_inner(self) -> W {
        self.stream
    }

    /// Sends what waits, then `piece`.
    async fn send(&mut self, piece: Bytes) -> io::Result<()> {
        let mut all = self.waiting.split().freeze().chain(piece);
        while all.has_remaining() {
            if timeout(PATIENCE, self.stream.write_buf(&mut all)).await?? == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }
}

/// Whether the connection ends after a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Close {
    /// It ends.
    Yes,
    /// Another request may follow.
    No,
}

fn write_status(bytes: &mut BytesMut, status: StatusCode) {
    let reason = status.canonical_reason().unwrap_or("");
    bytes.extend_from_slice(format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).as_bytes());
}

/// Writes every field except those that frame the message or concern one connection only.
fn write_fields(bytes: &mut BytesMut, fields: &HeaderMap) {
    for (name, value) in fields {
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION].contains(name) {
            continue;
        }
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(framing: Framing, close: Close, pieces: &[&'static str]) -> String {
        let response = Response::builder()
            .status(200)
            .header("x-a", "b")
            .header("transfer-encoding", "gzip")
            .header("content-length", "99")
            .body(())
            .unwrap();
        let mut writer = Writer::new(Vec::new());
        writer.head(&response, framing, close);
        for piece in pieces {
            writer.piece(Bytes::from_static(piece.as_bytes())).await.unwrap();
        }
        writer.end().await.unwrap();
        String::from_utf8(writer.into_inner()).unwrap()
    }

    #[tokio::test]
    async fn framing_is_ours() {
        let head = "HTTP/1.1 200 OK\r\nx-a: b\r\n";
        assert_eq!(
            written(Framing::Exact(2), Close::No, &["ab"]).await,
            format!("{head}content-length: 2\r\n\r\nab")
        );
        assert_eq!(
            written(Framing::Chunked, Close::No, &["ab", "", "cde"]).await,
            format!("{head}transfer-encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
        );
        assert_eq!(
            written(Framing::UntilClose, Close::Yes, &["ab"]).await,
            format!("{head}connection: close\r\n\r\nab")
        );
        assert_eq!(
            written(Framing::Head(7), Close::No, &["ab"]).await,
            format!("{head}content-length: 7\r\n\r\n")
        );
        assert_eq!(written(Framing::Empty, Close::No, &["ab"]).await, format!("{head}\r\n"));
    }
}
