//! Writes responses to a stream, framed anew: nothing of the upstream's framing reaches the client.

use std::io;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Writes responses.
#[derive(Debug)]
pub struct Writer<W> {
    stream: W,
    framing: Framing,
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
        Self { stream, framing: Framing::Empty }
    }

    /// Tells the client to send its body.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn carry_on(&mut self) -> io::Result<()> {
        self.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        self.stream.flush().await
    }

    /// Writes a response's head. `close` tells the client that no other response follows.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn head<B>(
        &mut self,
        response: &Response<B>,
        framing: Framing,
        close: Close,
    ) -> io::Result<()> {
        let mut bytes = BytesMut::with_capacity(1024);
        write_status(&mut bytes, response.status());
        write_fields(&mut bytes, response.headers());
        match framing {
            Framing::Exact(length) | Framing::Head(length) => {
                bytes.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
            }
            Framing::Chunked => bytes.extend_from_slice(b"transfer-encoding: chunked\r\n"),
            Framing::Empty | Framing::UntilClose => {}
        }
        if close == Close::Yes {
            bytes.extend_from_slice(b"connection: close\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        self.framing = framing;
        self.stream.write_all(&bytes).await
    }

    /// Writes a piece of the body.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn piece(&mut self, piece: Bytes) -> io::Result<()> {
        match self.framing {
            Framing::Chunked if !piece.is_empty() => {
                let size = Bytes::from(format!("{:x}\r\n", piece.len()));
                let mut chunk = size.chain(piece).chain(&b"\r\n"[..]);
                while chunk.has_remaining() {
                    self.stream.write_buf(&mut chunk).await?;
                }
                Ok(())
            }
            Framing::Exact(_) | Framing::UntilClose => self.stream.write_all(&piece).await,
            Framing::Chunked | Framing::Empty | Framing::Head(_) => Ok(()),
        }
    }

    /// Ends the body.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn end(&mut self) -> io::Result<()> {
        if self.framing == Framing::Chunked {
            self.stream.write_all(b"0\r\n\r\n").await?;
        }
        self.stream.flush().await
    }

    /// Hands what was written to the client.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn flush(&mut self) -> io::Result<()> {
        self.stream.flush().await
    }

    /// Tells the client that nothing more comes.
    ///
    /// # Errors
    /// The stream failed.
    pub async fn shutdown(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// The stream.
    pub fn into_inner(self) -> W {
        self.stream
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
        writer.head(&response, framing, close).await.unwrap();
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
