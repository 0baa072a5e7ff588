//! What a client speaks, told by its first bytes; and a stream that gives those bytes again.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// Longest method name that is looked for.
const LONGEST_METHOD: usize = 32;

/// What the first bytes are the beginning of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoken {
    /// A TLS handshake record.
    Tls,
    /// A word and a space: an HTTP request line.
    Http,
    /// Neither. Protocols in which the server speaks first end here too, by their silence.
    Other,
}

/// A stream of which some bytes were read before.
#[derive(Debug)]
pub struct Replayed<S> {
    before: Bytes,
    stream: S,
}

/// Reads until it is clear what the client speaks.
///
/// # Errors
/// The stream failed.
pub async fn sniff<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Spoken, Replayed<S>)> {
    let mut seen = BytesMut::with_capacity(1024);
    loop {
        if let Some(spoken) = tell(&seen) {
            return Ok((spoken, Replayed::new(seen.freeze(), stream)));
        }
        if stream.read_buf(&mut seen).await? == 0 {
            return Ok((Spoken::Other, Replayed::new(seen.freeze(), stream)));
        }
    }
}

impl<S> Replayed<S> {
    /// A stream that gives `before`, then what `stream` gives.
    pub fn new(before: Bytes, stream: S) -> Self {
        Self { before, stream }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, into);
        }
        let count = self.before.len().min(into.remaining());
        into.put_slice(&self.before[..count]);
        self.before.advance(count);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, from)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, from)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

fn tell(seen: &[u8]) -> Option<Spoken> {
    match seen {
        [] | [0x16] => None,
        [0x16, 3, ..] => Some(Spoken::Tls),
        _ => {
            let word = seen.iter().take_while(|byte| byte.is_ascii_graphic()).count();
            match seen.get(word) {
                _ if word > LONGEST_METHOD => Some(Spoken::Other),
                None => None,
                Some(b' ') if word > 0 => Some(Spoken::Http),
                Some(_) => Some(Spoken::Other),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn first_bytes() {
        let cases: [(&[u8], Spoken); 9] = [
            (b"\x16\x03\x01\x02\x00", Spoken::Tls),
            (b"\x16\x02", Spoken::Other),
            (b"GET / HTTP/1.1\r\n", Spoken::Http),
            (b"get / HTTP/1.1\r\n", Spoken::Http),
            (b"SSH-2.0-OpenSSH_9\r\n", Spoken::Other),
            (b"\r\n", Spoken::Other),
            (b"EHLO", Spoken::Other),
            (b"\0\0\0", Spoken::Other),
            (b"", Spoken::Other),
        ];
        for (bytes, expected) in cases {
            let (spoken, mut stream) = sniff(bytes).await.unwrap();
            assert_eq!(spoken, expected, "{}", bytes.escape_ascii());
            let mut again = Vec::new();
            stream.read_to_end(&mut again).await.unwrap();
            assert_eq!(again, bytes);
        }
    }
}
