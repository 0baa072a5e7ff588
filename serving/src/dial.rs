//! Opens a connection to a model server, and makes sure that it is the server: a port of this host can be listened at by
//! every user of it, also while the server is away. What is sent there is what must not leave.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Where a server is, and who listens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One that we started, at this port of the loopback address: it runs as who we are.
    Own(u16),
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
    /// Another user listens there.
    #[error("another user of this host listens at port {0}")]
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
            Self::Own(port) => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port),
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
    if let Target::Own(port) = target {
        // After the connection: who took it has listened since before.
        check_owner(port)?;
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

fn check_owner(port: u16) -> Result<(), DialError> {
    let own = rustix::process::geteuid().as_raw();
    let mut owners = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        match fs::read_to_string(table) {
            Ok(text) => owners.extend(listeners(&text, port)),
            // A host without IPv6 has no such table.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(DialError::Unseen(port, error)),
        }
    }
    if !owners.is_empty() && owners.iter().all(|owner| *owner == own) {
        Ok(())
    } else {
        Err(DialError::Foreign(port))
    }
}

/// The users that listen at a port, by the kernel's table (`Documentation/networking/proc_net_tcp.rst`).
fn listeners(table: &str, port: u16) -> impl Iterator<Item = u32> + '_ {
    const LISTENS: &str = "0A";
    table.lines().skip(1).filter_map(move |line| {
        let mut words = line.split_ascii_whitespace();
        let local = words.nth(1)?;
        let state = words.nth(1)?;
        let owner = words.nth(3)?.parse().ok()?;
        let (_, at) = local.rsplit_once(':')?;
        (state == LISTENS && u16::from_str_radix(at, 16).ok()? == port).then_some(owner)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
        \x20  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 24411 1\n\
        \x20  1: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     7        0 24412 1\n\
        \x20  2: 0100007F:1F90 0100007F:C350 01 00000000:00000000 00:00000000 00000000    33        0 24413 1\n\
        \x20  3: 0100007F:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000    34        0 24414 1\n";

    #[test]
    fn who_listens_is_read_from_the_kernels_table() {
        let at = |port| listeners(TABLE, port).collect::<Vec<_>>();
        assert_eq!((at(8080), at(8081), at(8082)), (vec![1000, 7], vec![34], vec![]));
    }

    #[tokio::test]
    async fn a_listener_of_our_own_is_known_and_nobody_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        dial(Target::Own(port)).await.unwrap();
        drop(listener);
        assert!(matches!(dial(Target::Own(port)).await, Err(DialError::Connect(..))));
        assert!(matches!(check_owner(port), Err(DialError::Foreign(_))));
    }
}
