//! The server behind every contender: TLS, HTTP/1.1, connections that stay.

use std::net::TcpListener;
use std::sync::Arc;

use memchr::memmem;
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// A body of an ordinary answer of an API.
pub(crate) const SMALL: &str = "/v1/small";
/// A body that takes a while.
pub(crate) const BULK: &str = "/v1/bulk";
/// Bytes of a small body.
const SMALL_BYTES: usize = 1024;
/// Bytes of a bulk body.
pub(crate) const BULK_BYTES: usize = 16 * 1024 * 1024;

/// Serves in a thread of its own until the process ends; returns the port.
pub(crate) fn start(tls: Arc<ServerConfig>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let answers = Arc::new([answer(SMALL_BYTES), answer(BULK_BYTES)]);
            loop {
                let (stream, _client) = listener.accept().await.unwrap();
                tokio::spawn(serve(stream, TlsAcceptor::from(Arc::clone(&tls)), Arc::clone(&answers)));
            }
        });
    });
    port
}

fn answer(bytes: usize) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nCache-Control: no-store\r\nContent-Length: {bytes}\r\n\r\n"
    );
    [head.into_bytes(), vec![b'x'; bytes]].concat()
}

/// Requests here have no body. A client that ends ends the task.
async fn serve(stream: TcpStream, tls: TlsAcceptor, answers: Arc<[Vec<u8>; 2]>) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut stream = tls.accept(stream).await.ok()?;
    let mut pending = Vec::with_capacity(4096);
    loop {
        while let Some(end) = memmem::find(&pending, b"\r\n\r\n") {
            let bulk = memmem::find(&pending[..end], BULK.as_bytes()).is_some();
            pending.drain(..end + 4);
            stream.write_all(&answers[usize::from(bulk)]).await.ok()?;
            stream.flush().await.ok()?;
        }
        if stream.read_buf(&mut pending).await.ok()? == 0 {
            return None;
        }
    }
}
