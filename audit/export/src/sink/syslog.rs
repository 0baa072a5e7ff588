//! Messages of RFC 5424 over TLS (RFC 5425), TCP (RFC 6587, octet counting) or UDP (RFC 5426).
//!
//! Syslog has no acknowledgement. Over TLS and TCP we make one: after a batch we close our half of the connection and
//! wait for the receiver to close its own, which it does after it has read to the end. Over TLS only its `close_notify`
//! counts: TCP can be closed by anybody on the way. What was written to a connection that broke, or that the receiver
//! left unread, is sent again.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use audit::Record;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use super::{Item, Refusal, SyslogTarget, TargetError, Transport, tls};
use crate::format::{Format, syslog_header, syslog_message};

/// Connecting, writing a batch, and waiting for the receiver to have read it.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Syslog {
    target: SyslogTarget,
    tls: Option<Arc<rustls::ClientConfig>>,
}

impl Syslog {
    pub(super) fn new(target: SyslogTarget) -> Result<Self, TargetError> {
        let tls = (target.transport == Transport::Tls).then(|| tls::config(&target.tls)).transpose()?;
        Ok(Self { target, tls })
    }

    /// CEF, LEEF and JSON travel as the message, without structured data.
    pub(super) fn render(&self, record: &Record, line: &[u8], format: Format, out: &mut Vec<u8>) {
        if format == Format::Syslog {
            out.extend_from_slice(syslog_message(record, self.target.facility).as_bytes());
            return;
        }
        out.extend_from_slice(syslog_header(record, self.target.facility).as_bytes());
        out.extend_from_slice(b" - ");
        match format {
            Format::Json => out.extend_from_slice(line),
            _ => format.render(record, out),
        }
    }

    pub(super) async fn send(&mut self, batch: &[Item]) -> Result<(), Refusal> {
        let SyslogTarget { host, port, .. } = &self.target;
        let sent = tokio::time::timeout(PATIENCE, self.deliver(batch)).await;
        let late = || io::Error::new(io::ErrorKind::TimedOut, "the receiver has not read the batch in time");
        sent.unwrap_or_else(|_elapsed| Err(late()))
            .map_err(|error| Refusal::later(format_args!("{host}:{port}: {error}")))
    }

    async fn deliver(&self, batch: &[Item]) -> io::Result<()> {
        let address = (self.target.host.as_str(), self.target.port);
        if self.target.transport == Transport::Udp {
            return datagrams(address, batch).await;
        }
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match &self.tls {
            None => confirmed(stream, batch).await,
            Some(config) => {
                let bare = address.0.trim_start_matches('[').trim_end_matches(']').to_owned();
                let name = ServerName::try_from(bare).map_err(io::Error::other)?;
                let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
                confirmed(stream, batch).await
            }
        }
    }
}

/// Each message behind its length, then the receiver's word that it has read them all.
async fn confirmed(mut stream: impl AsyncRead + AsyncWrite + Unpin, batch: &[Item]) -> io::Result<()> {
    let mut frames = Vec::with_capacity(batch.iter().map(|item| item.content.len() + 8).sum());
    for item in batch {
        frames.extend_from_slice(format!("{} ", item.content.len()).as_bytes());
        frames.extend_from_slice(&item.content);
    }
    stream.write_all(&frames).await?;
    stream.flush().await?;
    stream.shutdown().await?;
    let mut answer = [0; 256];
    loop {
        match stream.read(&mut answer).await {
            Ok(0) => return Ok(()),
            // Receivers of syslog say nothing; what one does say is no sign of an error.
            Ok(_said) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(cut_off()),
            Err(error) => return Err(error),
        }
    }
}

/// What is no end of TLS says nothing of what was read: it may be somebody's on the way who let nothing through.
fn cut_off() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "TCP was closed without close_notify, so that the receiver has confirmed nothing",
    )
}

async fn datagrams(address: (&str, u16), batch: &[Item]) -> io::Result<()> {
    let to = tokio::net::lookup_host(address).await?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let any = if to.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(to).await?;
    for item in batch {
        socket.send(&item.content).await?;
    }
    Ok(())
}
