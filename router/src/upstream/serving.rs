//! A server that this host's serving manages: whether turns can be had at it, and turns. What goes between router and model
//! server goes on a connection of their own; the other process opens it and hands it over.
//!
//! *Invariant:* as long as nobody has said that a turn can be had, there is no local server: a failure of the other process
//! makes less reachable, never something else.

use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::{TcpStream, UnixStream};
use wire::id::SandboxId;
use wire::router::Managed;
use wire::serving::{Ask, LONGEST_LINE, Question, Tell};

/// Pause before the other process is looked for again.
const PAUSE: Duration = Duration::from_millis(500);

/// A managed server.
#[derive(Debug)]
pub struct Serving {
    socket: PathBuf,
    server: String,
    sandbox: SandboxId,
    /// What its model is called; `None`: no turn can be had.
    standing: Mutex<Option<String>>,
}

/// A connection to the server, and the turn that it is for. Both end together.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) connection: TcpStream,
    pub(super) held: UnixStream,
}

/// Why there is no turn.
#[derive(Debug, thiserror::Error)]
pub enum ServingError {
    /// The process is not there, or breaks off.
    #[error("the process that serves models does not answer")]
    Silent(#[source] io::Error),
    /// It gives none.
    #[error("no turn at the model server: {0}")]
    Refused(String),
    /// It says something else.
    #[error("the process that serves models answers something else")]
    Strange,
}

impl Serving {
    /// The server, asked for at `socket`. Before it is watched no turn can be had.
    #[must_use]
    pub fn new(managed: &Managed, socket: PathBuf) -> Arc<Self> {
        let Managed { server, sandbox, .. } = managed.clone();
        Arc::new(Self { socket, server, sandbox, standing: Mutex::new(None) })
    }

    /// Its name.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// What its model is called; `None`: no turn can be had now.
    #[must_use]
    pub fn model(&self) -> Option<String> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Hears how it stands, for ever.
    pub async fn watch(self: Arc<Self>) {
        let mut told = None;
        loop {
            if let Err(error) = self.hear().await {
                // Once for each cause: it is looked for again and again.
                if self.model().is_some() || told.as_ref() != Some(&error.to_string()) {
                    tracing::warn!(server = self.server, %error, "nobody tells how the model server stands");
                }
                told = Some(error.to_string());
            }
            self.stands(None);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn hear(&self) -> Result<(), ServingError> {
        let mut stream = self.ask(Question::Watch { server: self.server.clone() }).await?;
        let mut rest = Vec::new();
        loop {
            let (line, _beside) = next_line(&mut stream, &mut rest).await.map_err(ServingError::Silent)?;
            match line {
                Tell::Standing { available, model } => self.stands(available.then_some(model)),
                Tell::Refused { cause } => return Err(ServingError::Refused(cause)),
                _other => return Err(ServingError::Strange),
            }
        }
    }

    fn stands(&self, standing: Option<String>) {
        let mut known = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if known.is_some() != standing.is_some() {
            tracing::info!(server = self.server, available = standing.is_some(), "the local model server");
        }
        *known = standing;
    }

    /// Waits for a turn; who drops this does not wait any more.
    pub(super) async fn turn(&self) -> Result<Turn, ServingError> {
        let (server, sandbox) = (self.server.clone(), self.sandbox.clone());
        let mut held = self.ask(Question::Turn { server, sandbox }).await?;
        let told = next_line(&mut held, &mut Vec::new()).await.map_err(ServingError::Silent)?;
        let connection = match told {
            (Tell::Turn {}, Some(connection)) => connection,
            (Tell::Refused { cause }, None) => return Err(ServingError::Refused(cause)),
            _other => return Err(ServingError::Strange),
        };
        let connection = std::net::TcpStream::from(connection);
        let connection = connection.set_nonblocking(true).and_then(|()| TcpStream::from_std(connection));
        Ok(Turn { connection: connection.map_err(ServingError::Silent)?, held })
    }

    async fn ask(&self, ask: Question) -> Result<UnixStream, ServingError> {
        let mut line =
            serde_json::to_vec(&Ask { version: wire::VERSION, ask }).expect("a question is plain data");
        line.push(b'\n');
        let connected = UnixStream::connect(&self.socket).await;
        let mut stream = connected.map_err(ServingError::Silent)?;
        stream.write_all(&line).await.map_err(ServingError::Silent)?;
        Ok(stream)
    }
}

/// The next line, and the descriptor that came with it. What came behind it stays in `rest`.
async fn next_line(stream: &mut UnixStream, rest: &mut Vec<u8>) -> io::Result<(Tell, Option<OwnedFd>)> {
    let mut beside = None;
    loop {
        if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = rest.drain(..=end).collect();
            return Ok((serde_json::from_slice(&line)?, beside));
        }
        if rest.len() > LONGEST_LINE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut piece = [0; 4096];
        let socket = &*stream;
        let (count, came) = socket.async_io(Interest::READABLE, || receive(socket, &mut piece)).await?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        rest.extend_from_slice(&piece[..count]);
        beside = beside.or(came);
    }
}

/// What has come, and the first descriptor beside it; any other is closed.
fn receive(socket: &UnixStream, piece: &mut [u8]) -> io::Result<(usize, Option<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(piece)];
    let received = rustix::net::recvmsg(socket, &mut slices, &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    let came = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _other => None,
    });
    Ok((received.bytes, came))
}
