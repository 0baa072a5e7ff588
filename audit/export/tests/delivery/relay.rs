//! Somebody on the way who holds no key: lets a TLS session begin, swallows what the client sends in it, and closes.

use std::io::{self, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Longer TLS records are a batch and no part of a handshake.
const LONGEST_OF_A_HANDSHAKE: usize = 4096;
/// Type of a TLS record that holds data (RFC 8446, section 5.1).
const APPLICATION_DATA: u8 = 23;

/// What it tells the client in the end.
#[derive(Clone, Copy)]
pub(crate) enum End {
    /// It closes TCP itself.
    Cut,
    /// It closes TCP towards the server, and passes on what the server says to that.
    Passed,
}

/// It stands before a server, as long as the process lives.
pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    swallowed: Arc<AtomicUsize>,
}

impl Relay {
    pub(crate) fn start(port: u16, end: End) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let swallowed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&swallowed);
        thread::spawn(move || {
            for client in listener.incoming() {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
                let (client, count) = (client.unwrap(), Arc::clone(&count));
                // A connection that breaks brings the next attempt.
                thread::spawn(move || drop(relay(client, server, (end, &count))));
            }
        });
        Self { address, swallowed }
    }

    /// TLS records that it kept.
    pub(crate) fn swallowed(&self) -> usize {
        self.swallowed.load(Ordering::SeqCst)
    }
}

fn relay(mut client: TcpStream, mut server: TcpStream, (end, count): (End, &AtomicUsize)) -> io::Result<()> {
    let (mut answers, mut to_client) = (server.try_clone()?, client.try_clone()?);
    let back = thread::spawn(move || io::copy(&mut answers, &mut to_client));
    let mut swallows = false;
    while let Some(record) = record(&mut client)? {
        swallows |= record[0] == APPLICATION_DATA && record.len() > LONGEST_OF_A_HANDSHAKE;
        if swallows {
            count.fetch_add(1, Ordering::SeqCst);
        } else {
            server.write_all(&record)?;
        }
    }
    match end {
        End::Cut => server.shutdown(Shutdown::Both)?,
        End::Passed => server.shutdown(Shutdown::Write)?,
    }
    // The server may have reset the connection.
    let _copied = back.join().expect("it copies");
    client.shutdown(Shutdown::Write)
}

/// The next TLS record, its head included.
fn record(from: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut record = vec![0; 5];
    match from.read_exact(&mut record) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = usize::from(u16::from_be_bytes([record[3], record[4]]));
    record.resize(5 + length, 0);
    from.read_exact(&mut record[5..])?;
    Ok(Some(record))
}
