//! Opens a connection to a model server, and makes sure that it is the server: a port of this host can be listened at by
//! every program of it, also while the server is away. What is sent there is what must not leave.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use rustix::process::Pid;
use tokio::net::TcpStream;

use crate::descendants;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Where a server is, and who listens there. Two starts of one server are two targets: their keepers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One that we started, at a port of the loopback address: what listens there is below this keeper.
    Own {
        /// Where.
        port: u16,
        /// The process above it.
        keeper: Pid,
    },
    /// Somebody else's, by the operator's word.
    Other(SocketAddr),
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// Nobody answers.
    #[error("cannot connect to {0}")]
    Connect(SocketAddr, #[source] io::Error),
    /// It takes too long.
    #[error("no connection to {0} within {limit} s", limit = LIMIT.as_secs())]
    TooSlow(SocketAddr),
    /// Somebody else listens there.
    #[error("another program of this host listens at port {0}")]
    Foreign(u16),
    /// Nobody can tell who listens there.
    #[error("cannot see who listens at port {0}")]
    Unseen(u16, #[source] io::Error),
}

impl Target {
    /// Its address.
    #[must_use]
    pub fn address(self) -> SocketAddr {
        match self {
            Self::Own { port, .. } => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
            Self::Other(address) => address,
        }
    }
}

/// A connection to the server, on which nothing has been said.
///
/// # Errors
/// [`DialError`].
pub async fn dial(target: Target) -> Result<TcpStream, DialError> {
    let address = target.address();
    let stream = match tokio::time::timeout(LIMIT, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_err(|error| DialError::Connect(address, error))?,
        Err(_elapsed) => return Err(DialError::TooSlow(address)),
    };
    if let Target::Own { port, keeper } = target {
        // After the connection: who took it has listened since before. All processes are looked at, which takes its time.
        let checked = tokio::task::spawn_blocking(move || check_listeners(port, keeper)).await;
        checked.map_err(|panicked| DialError::Unseen(port, io::Error::other(panicked)))??;
    }
    // A late small packet costs only time; the stream works without.
    stream.set_nodelay(true).map_err(|error| DialError::Connect(address, error))?;
    Ok(stream)
}

/// A port that nobody listens at now.
///
/// # Errors
/// There is none.
pub fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// All that would be given a connection to the port of the loopback address must be the keeper's.
fn check_listeners(port: u16, keeper: Pid) -> Result<(), DialError> {
    let mut listeners = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => listeners.extend(receivers(&text, port)),
            // A host without IPv6 has no such table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(DialError::Unseen(port, error)),
        }
    }
    // The kernel prefers who listens at that address to who listens at all of them.
    let nearest = listeners.iter().map(|(distance, _)| *distance).min();
    let mut heard = listeners.iter().filter(|(distance, _)| Some(*distance) == nearest).peekable();
    let own = descendants::sockets_below(keeper);
    if heard.peek().is_some() && heard.all(|(_, inode)| own.contains(inode)) {
        Ok(())
    } else {
        Err(DialError::Foreign(port))
    }
}

/// The sockets that receive what is sent to the port of the loopback address, by the kernel's table
/// (`Documentation/networking/proc_net_tcp.rst`): how far each one's address is from it, and its inode.
fn receivers(table: &str, port: u16) -> impl Iterator<Item = (u8, u64)> + '_ {
    const LISTENS: &str = "0A";
    table.lines().skip(1).filter_map(move |line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (address, at) = words.get(1)?.rsplit_once(':')?;
        if *words.get(3)? != LISTENS || u16::from_str_radix(at, 16).ok()? != port {
            return None;
        }
        Some((distance(address)?, words.get(9)?.parse().ok()?))
    })
}

/// 0 for the loopback address, 1 and 2 for all addresses of IPv4 and IPv6; `None`: it receives nothing of ours.
fn distance(address: &str) -> Option<u8> {
    // Words of 32 bits, each in the order of this machine.
    let words = address.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_be_bytes(u32::from_str_radix(word, 16).ok()?.to_ne_bytes()))
    });
    let words: Vec<u32> = words.collect::<Option<_>>()?;
    let local = u32::from(Ipv4Addr::LOCALHOST);
    match words.as_slice() {
        [only] if *only == local => Some(0),
        [0, 0, 0xffff, last] if *last == local => Some(0),
        [0] | [0, 0, 0xffff, 0] => Some(1),
        [0, 0, 0, 0] => Some(2),
        _other => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 24411 1\n\
        \x20  1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 24412 1\n\
        \x20  2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000    33        0 24413 1\n\
        \x20  3: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000    34        0 24414 1\n\
        \x20  4: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000    34        0 24415 1\n";

    const TABLE_6: &str = "  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  7 0 1 1\n\
        \x20  1: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  7 0 2 1\n\
        \x20  2: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  7 0 3 1\n";

    #[test]
    fn who_receives_is_read_from_the_kernels_table() {
        let at = |table: &'static str, port| receivers(table, port).collect::<Vec<_>>();
        assert_eq!(at(TABLE, 8080), [(0, 24411), (1, 24412)]);
        assert_eq!((at(TABLE, 8081), at(TABLE, 8082)), (vec![(0, 24415)], vec![]));
        // Who listens at ::1 alone gets nothing that is sent to 127.0.0.1.
        assert_eq!(at(TABLE_6, 8080), [(2, 2), (0, 3)]);
    }

    #[tokio::test]
    async fn a_listener_below_the_keeper_is_known_and_no_other() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        // Another one at the same port of another address is nobody's concern.
        let _beside = std::net::TcpListener::bind(("127.0.0.2", port)).unwrap();
        let own = Target::Own { port, keeper: rustix::process::getpid() };
        dial(own).await.unwrap();
        // A process of the same user, and not below.
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let other = Target::Own { port, keeper: Pid::from_child(&child) };
        assert!(matches!(dial(other).await, Err(DialError::Foreign(_))));
        child.kill().unwrap();
        child.wait().unwrap();
        drop(listener);
        assert!(matches!(dial(own).await, Err(DialError::Connect(..))));
    }
}
