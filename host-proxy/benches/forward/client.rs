//! The client before every contender, and what it counts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use memchr::memmem;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use wire::flow::{Flow, FlowKey, SealedFlow};
use wire::frame;
use wire::id::FlowId;
use wire::subject::Subject;

use crate::NAME;

/// Bytes that are read at once.
const BUFFER: usize = 64 * 1024;

/// How a contender is entered.
pub(crate) enum Entry {
    /// As if it were the server.
    Tcp(SocketAddr),
    /// The same, by a Unix socket.
    Unix(PathBuf),
    /// A proxy that is asked for a tunnel to an authority.
    Connect(SocketAddr, String),
    /// By a flow as guest-init opens it.
    Flow(Flows),
}

/// The flows of one sandbox.
pub(crate) struct Flows {
    pub(crate) socket: PathBuf,
    pub(crate) key: FlowKey,
    pub(crate) destination: SocketAddr,
    pub(crate) subject: Subject,
    pub(crate) next: AtomicU64,
}

/// A client of one contender.
pub(crate) struct Client {
    pub(crate) entry: Entry,
    pub(crate) tls: Arc<ClientConfig>,
    /// The origin's port, which is a part of its authority.
    pub(crate) port: u16,
}

/// Any stream.
trait Io: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Io for S {}

/// A connection through a contender to the origin, TLS included.
pub(crate) struct Tunnel {
    stream: TlsStream<Box<dyn Io>>,
    authority: String,
    buffer: Vec<u8>,
}

/// One answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) bytes: usize,
}

impl Client {
    /// Opens a tunnel.
    pub(crate) async fn open(&self) -> std::io::Result<Tunnel> {
        let stream: Box<dyn Io> = match &self.entry {
            Entry::Tcp(address) => Box::new(connect(*address).await?),
            Entry::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Entry::Connect(address, authority) => Box::new(tunnel(*address, authority).await?),
            Entry::Flow(flows) => Box::new(flows.open().await?),
        };
        let name = ServerName::try_from(NAME).expect("it is a name");
        let stream = TlsConnector::from(Arc::clone(&self.tls)).connect(name, stream).await?;
        Ok(Tunnel { stream, authority: format!("{NAME}:{}", self.port), buffer: Vec::with_capacity(BUFFER) })
    }

    /// Opens so many tunnels, each of which has served one request.
    pub(crate) async fn open_many(&self, count: usize, path: &str) -> Vec<Tunnel> {
        let mut tunnels = Vec::with_capacity(count);
        for _tunnel in 0..count {
            let mut tunnel = self.open().await.unwrap();
            tunnel.get(path).await.unwrap();
            tunnels.push(tunnel);
        }
        tunnels
    }
}

impl Flows {
    async fn open(&self) -> std::io::Result<UnixStream> {
        let id = FlowId(self.next.fetch_add(1, Ordering::Relaxed));
        let flow = Flow { id, destination: self.destination, subject: self.subject.clone() };
        let head = frame::encode(&SealedFlow::seal(&flow, &self.key).unwrap()).unwrap();
        let mut stream = UnixStream::connect(&self.socket).await?;
        stream.write_all(&head).await?;
        Ok(stream)
    }
}

impl Tunnel {
    /// One request, and its answer to the end.
    pub(crate) async fn get(&mut self, path: &str) -> std::io::Result<Answer> {
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: bench\r\nAccept: */*\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n",
            self.authority
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.stream.flush().await?;
        let end = loop {
            if let Some(end) = memmem::find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        };
        let (status, length) = framing(&self.buffer[..end])?;
        let mut read = self.buffer.len() - end;
        self.buffer.clear();
        self.buffer.reserve(BUFFER);
        while read < length {
            match self.stream.read_buf(&mut self.buffer).await? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                more => read += more,
            }
            self.buffer.clear();
        }
        Ok(Answer { status, bytes: read })
    }

    /// One request after the other for `time`; how long each took.
    pub(crate) async fn get_for(&mut self, time: Duration, path: &str) -> Vec<Duration> {
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < time {
            let sent = Instant::now();
            let answer = self.get(path).await.unwrap();
            times.push(sent.elapsed());
            assert_eq!(answer.status, 200);
        }
        times
    }
}

/// Status and length of an answer. None of the contenders turns a known length into chunks.
fn framing(head: &[u8]) -> std::io::Result<(u16, usize)> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    response.parse(head).map_err(std::io::Error::other)?;
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok());
    response.code.zip(length).ok_or_else(|| std::io::Error::other("an answer without status or length"))
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn tunnel(proxy: SocketAddr, authority: &str) -> std::io::Result<TcpStream> {
    let mut stream = connect(proxy).await?;
    let head = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        // Byte by byte: what follows belongs to TLS.
        answer.push(stream.read_u8().await?);
    }
    if answer.starts_with(b"HTTP/1.1 200") || answer.starts_with(b"HTTP/1.0 200") {
        Ok(stream)
    } else {
        Err(std::io::Error::other(String::from_utf8_lossy(&answer).into_owned()))
    }
}
