//! The socket: who asks, what for, and what is told. A turn's connection to the model server goes out as a descriptor.
//!
//! Only who runs this process can connect, and the routers that it jails: directory and socket are theirs alone.

use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::process::{Resource, Rlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use wire::id::SandboxId;
use wire::serving::{Ask, Question, Tell};

use crate::dial::dial;
use crate::server::Server;

/// Connections at a time, if there are descriptors for them.
const CONNECTIONS: u64 = 8192;

/// The most of one process: a router's calls, and more than it has. Never more than half of all.
const CONNECTIONS_OF_ONE: usize = 1024;

/// Descriptors of this process that are no connection to the socket: logs, pipes, NVIDIA's library, questions to servers.
const OTHERS: u64 = 512;

/// Pause when no connection can be taken.
const PAUSE: Duration = Duration::from_millis(200);

/// How many connections each process has, by its id. One that has none is not in it.
type Peers = Arc<Mutex<BTreeMap<i32, usize>>>;

/// A connection's place among its process' others, given back when dropped.
#[derive(Debug)]
struct Place {
    peers: Peers,
    pid: i32,
}

/// The longest question, in bytes.
const LONGEST: usize = 4096;

/// How long a question may take to come.
const PATIENCE: Duration = Duration::from_secs(10);

/// The servers, by name.
pub type Servers = BTreeMap<String, Arc<Server>>;

/// Answers until `stop` changes or its sender is gone. Turns that go on are not ended by it.
pub async fn run(listener: UnixListener, servers: Arc<Servers>, mut stop: watch::Receiver<()>) {
    let all = connections();
    let most_of_one = CONNECTIONS_OF_ONE.min(all.div_ceil(2));
    let slots = Arc::new(Semaphore::new(all));
    let peers = Peers::default();
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.expect("the semaphore is never closed");
            listener.accept().await.map(|(stream, _address)| (stream, slot))
        };
        let accepted = tokio::select! {
            accepted = next => accepted,
            _ended = stop.changed() => break,
            Some(_done) = connections.join_next() => continue,
        };
        match accepted {
            Ok((stream, slot)) => {
                // Who has too many is not answered.
                let Some(place) = Place::take(&peers, &stream, most_of_one) else { continue };
                let servers = Arc::clone(&servers);
                connections.spawn(async move {
                    if let Err(error) = serve(stream, &servers).await {
                        tracing::debug!(%error, "a connection ended early");
                    }
                    drop((place, slot));
                });
            }
            // Out of descriptors: the connections that end will free some.
            Err(error) => {
                tracing::error!(%error, "cannot accept a connection");
                tokio::select! {
                    () = tokio::time::sleep(PAUSE) => {}
                    _ended = stop.changed() => break,
                }
            }
        }
    }
    // Who has a turn keeps it: the servers wait for them, for as long as they like.
    connections.detach_all();
}

/// Raises the limit of descriptors as far as it may be, and says for how many connections they are. Each has two: its own, and
/// for a moment one to the model server.
fn connections() -> usize {
    let wanted = 2 * CONNECTIONS + OTHERS;
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let reachable = limit.maximum.map_or(wanted, |most| most.min(wanted));
    if limit.current.is_some_and(|current| current < reachable) {
        let raised = Rlimit { current: Some(reachable), maximum: limit.maximum };
        if let Err(error) = rustix::process::setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%error, "the limit of open files cannot be raised");
        }
    }
    let has = rustix::process::getrlimit(Resource::Nofile).current.unwrap_or(wanted).min(wanted);
    let connections = has.saturating_sub(OTHERS).max(has / 2) / 2;
    usize::try_from(connections).unwrap_or(usize::MAX).max(1)
}

impl Place {
    /// `None`: the process has too many, or cannot be seen.
    fn take(peers: &Peers, stream: &UnixStream, most: usize) -> Option<Self> {
        let pid = stream.peer_cred().ok()?.pid()?;
        let mut counts = peers.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(pid).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Self { peers: Arc::clone(peers), pid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.pid) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.pid);
            }
        }
    }
}

async fn serve(mut stream: UnixStream, servers: &Servers) -> io::Result<()> {
    let asked = tokio::time::timeout(PATIENCE, read(&mut stream)).await;
    let Ok(ask) = asked.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into())) else {
        return tell(&mut stream, &refused("the question is none")).await;
    };
    if ask.version != wire::VERSION {
        let cause = format!("the question has version {}, this is version {}", ask.version, wire::VERSION);
        return tell(&mut stream, &refused(&cause)).await;
    }
    match ask.ask {
        Question::Status => {
            let servers = servers.values().map(|server| server.report()).collect();
            tell(&mut stream, &Tell::Status { servers }).await
        }
        Question::Watch { server } => match servers.get(&server) {
            Some(server) => standing(stream, server).await,
            None => tell(&mut stream, &unknown(&server)).await,
        },
        Question::Turn { server, sandbox } => match servers.get(&server) {
            Some(server) => turn(stream, server, sandbox).await,
            None => tell(&mut stream, &unknown(&server)).await,
        },
    }
}

/// Tells of every change until nobody listens.
async fn standing(mut stream: UnixStream, server: &Server) -> io::Result<()> {
    let mut changes = server.watch();
    loop {
        let available = *changes.borrow_and_update();
        tell(&mut stream, &Tell::Standing { available, model: server.model().to_owned() }).await?;
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return Ok(()) },
            () = is_gone(&stream) => return Ok(()),
        }
    }
}

async fn turn(mut stream: UnixStream, server: &Arc<Server>, sandbox: SandboxId) -> io::Result<()> {
    let turn = tokio::select! {
        turn = server.turn(sandbox) => turn,
        () = is_gone(&stream) => return Ok(()),
    };
    let turn = match turn {
        Ok(turn) => turn,
        Err(error) => return tell(&mut stream, &refused(&error.to_string())).await,
    };
    let dialled = match dial(turn.target).await {
        Ok(dialled) => dialled,
        Err(error) => return tell(&mut stream, &refused(&error.to_string())).await,
    };
    // Meanwhile the server may have ended, and another program may listen there.
    if !server.is_at(turn.target) {
        return tell(&mut stream, &refused(&server.gone().to_string())).await;
    }
    hand_over(&stream, &Tell::Turn {}, dialled).await?;
    is_gone(&stream).await;
    Ok(())
}

/// Waits until the other side has gone, or says more than it should.
async fn is_gone(stream: &UnixStream) {
    loop {
        if stream.readable().await.is_err() {
            return;
        }
        match stream.try_read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            _said_or_gone => return,
        }
    }
}

async fn read(stream: &mut UnixStream) -> io::Result<Ask> {
    let mut line = Vec::new();
    loop {
        let byte = stream.read_u8().await?;
        if byte == b'\n' {
            return serde_json::from_slice(&line).map_err(io::Error::other);
        }
        if line.len() >= LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        line.push(byte);
    }
}

async fn tell(stream: &mut UnixStream, told: &Tell) -> io::Result<()> {
    stream.write_all(&line(told)?).await
}

/// The line, and beside its first byte the connection.
async fn hand_over(stream: &UnixStream, told: &Tell, connection: TcpStream) -> io::Result<()> {
    let line = line(told)?;
    let connection = connection.into_std()?;
    let sent = stream
        .async_io(Interest::WRITABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut beside = SendAncillaryBuffer::new(&mut space);
            let descriptors = [connection.as_fd()];
            beside.push(SendAncillaryMessage::ScmRights(&descriptors));
            let sent =
                rustix::net::sendmsg(stream, &[IoSlice::new(&line)], &mut beside, SendFlags::NOSIGNAL)?;
            Ok(sent)
        })
        .await?;
    // A socket's buffer takes a line of this length whole.
    if sent == line.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

fn line(told: &Tell) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(told)?;
    line.push(b'\n');
    Ok(line)
}

fn refused(cause: &str) -> Tell {
    Tell::Refused { cause: cause.to_owned() }
}

fn unknown(server: &str) -> Tell {
    refused(&format!("there is no model server '{server}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_process_cannot_take_all_connections() {
        let (stream, _other) = UnixStream::pair().unwrap();
        let peers = Peers::default();
        let mut places: Vec<Place> = (0..3).map(|_| Place::take(&peers, &stream, 3).unwrap()).collect();
        assert!(Place::take(&peers, &stream, 3).is_none());
        places.pop();
        assert!(Place::take(&peers, &stream, 3).is_some());
        drop(places);
        assert!(peers.lock().unwrap().is_empty());
    }
}
