//! The operator's way to a running sandbox: commands from outside reach the sandbox's own loop, one at a time.
//!
//! *Invariant:* only root and the user whose sandbox it is are heard. The socket's mode says so, and so does the kernel,
//! which is asked for the caller of each connection.

mod attach;
mod client;
mod copy;
mod credentials;
mod execute;
mod join;
mod keys;
mod line;
mod policy;
mod proposals;
mod sessions;
mod standing;
mod streams;
mod typing;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::operator::{
    Answer, Ask, Command, Copying, MAX_LINE, Request, Response, SOCKET, VERSION, Versioned,
};

use crate::failure::{Failure, chain};

pub use attach::{Attachment, attach, stop};
pub use copy::{CopyLimits, CopyRequest, HostEnd, copy};
pub use credentials::refresh_credentials;
pub use execute::{Execution, execute, start};
pub use join::join;
pub use keys::DetachKeys;
pub use policy::set_policy;
pub use proposals::{Look, approve, proposals, reject, seen};
pub use sessions::{sessions, stop_command};
pub use standing::{list, pause, quarantine, resume};
pub use streams::Executed;
pub use wire::id::{RequestId, SandboxId};
pub use wire::operator::{
    Approved, AskedTerms, PolicySet, Proposals, Session, SessionState, Shown, Standing,
};
pub use wire::proposal::{Proposal, Standing as ProposalStanding, Terms};

/// How long a caller may take for its question, and the sandbox for its answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// The same for a question that waits for the operator's own commands, which have a minute each.
const LONG_PATIENCE: Duration = Duration::from_secs(90);

/// Before the next try to accept a caller, when one failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the sandbox may take to answer.
pub(crate) fn patience(ask: &Ask) -> Duration {
    match ask {
        // The guest has its own patience for the second.
        Ask::RefreshCredentials | Ask::Execute(_) | Ask::Copy(_) => LONG_PATIENCE,
        // A command has its own for its end.
        Ask::StopCommand { .. } => LONG_PATIENCE,
        Ask::SetPolicy { .. }
        | Ask::PolicyInForce
        | Ask::Pause
        | Ask::Resume
        | Ask::Quarantine
        | Ask::Standing
        | Ask::Attach { .. }
        | Ask::Join { .. }
        | Ask::Detach { .. }
        | Ask::Sessions
        | Ask::Stop
        | Ask::Proposals
        | Ask::Seen { .. }
        | Ask::HasProposal { .. }
        | Ask::Approve { .. }
        | Ask::Reject { .. } => PATIENCE,
    }
}

/// A question, and who asks.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) ask: Ask,
    /// The caller's user on the host.
    pub(crate) uid: u32,
    pub(crate) reply: Reply,
}

/// The way back to who asked.
#[derive(Clone, Debug)]
pub(crate) struct Reply(SyncSender<Answer>);

/// Who asked for a command or a copy, with the connection that its streams go over.
#[derive(Debug)]
pub(crate) struct Caller {
    stream: UnixStream,
    uid: u32,
}

/// What reaches the sandbox's loop.
#[derive(Debug)]
pub(crate) enum Call {
    /// A question.
    Asked(Asked),
    /// A session to begin.
    Session(Caller, Errand),
}

/// What a session is for.
#[derive(Debug)]
pub(crate) enum Errand {
    /// A command.
    Execute(Command),
    /// A copy.
    Copy(Copying),
    /// The agent itself, for whoever speaks this version of frames.
    Attach(u32),
    /// A command that is there already.
    Join(Joining),
}

/// Which command is joined, and in which frames.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Joining {
    pub(crate) frames: u32,
    pub(crate) session: u32,
}

/// Why a line is not one of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// The other side went away, or was too slow.
    #[error("the other side does not answer")]
    Io(#[from] io::Error),
    /// It speaks another version.
    #[error("it speaks version {0} of the protocol, this program {VERSION}")]
    Version(u32),
    /// What it says has no meaning.
    #[error("what it says cannot be understood")]
    Malformed(#[from] serde_json::Error),
}

/// Listens in the run directory; `called` is called for every call, on a thread of its own.
pub(crate) fn serve(run: &Path, called: impl Fn(Call) + Send + Sync + 'static) -> Result<(), Failure> {
    let listener = listen(&run.join(SOCKET)).map_err(|error| {
        Failure::new(
            format_args!("cannot listen for the operator in {}: {error}", run.display()),
            "check the limit on open files and the space in XDG_RUNTIME_DIR",
        )
    })?;
    let called = Arc::new(called);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else {
                // No descriptor is left, for a while.
                std::thread::sleep(ACCEPT_PAUSE);
                continue;
            };
            let called = Arc::clone(&called);
            // On a thread of its own: one that waits for long must not keep a policy from being replaced. A caller that goes
            // away has taken its question with it.
            std::thread::spawn(move || drop(attend(stream, &*called)));
        }
    });
    Ok(())
}

impl Errand {
    /// What `ask` wants a session for; itself, if it is a question.
    fn of(ask: Ask) -> Result<Self, Ask> {
        match ask {
            Ask::Execute(command) => Ok(Self::Execute(command)),
            Ask::Copy(copying) => Ok(Self::Copy(copying)),
            Ask::Attach { frames } => Ok(Self::Attach(frames)),
            Ask::Join { frames, session } => Ok(Self::Join(Joining { frames, session })),
            question => Err(question),
        }
    }
}

impl Reply {
    /// A way for one answer.
    pub(crate) fn channel() -> (Self, Receiver<Answer>) {
        let (reply, answer) = sync_channel(1);
        (Self(reply), answer)
    }

    /// Answers; a caller that no longer waits misses it.
    pub(crate) fn send(&self, answer: Answer) {
        let _nobody_waits = self.0.try_send(answer);
    }
}

impl Caller {
    /// Who asked over this connection.
    pub(crate) fn new(stream: UnixStream, uid: u32) -> Self {
        Self { stream, uid }
    }

    /// The caller's user on the host.
    pub(crate) fn uid(&self) -> u32 {
        self.uid
    }

    /// Where frames go after [`Answer::Executing`] and [`Answer::Attached`].
    pub(crate) fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Answers; a caller that is gone misses it.
    pub(crate) fn answer(&self, answer: Answer) {
        let _gone = write_line(&self.stream, &Response { version: VERSION, answer });
    }
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Self {
        Self::Refused { cause: failure.cause, remedy: failure.remedy }
    }
}

/// Nobody else can connect even before the mode is set: the run directory is its owner's alone.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(listener)
}

/// One caller: one question, one answer; after that of a command, its streams.
fn attend(stream: UnixStream, called: &impl Fn(Call)) -> Result<(), LineError> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let uid = rustix::net::sockopt::socket_peercred(&stream).map_err(io::Error::from)?.uid;
    let answer = if uid.is_root() || uid == rustix::process::geteuid() {
        let (reply, answer) = Reply::channel();
        match read_line::<Request>(&mut BufReader::new(&stream)) {
            Ok(Request { ask, .. }) => match Errand::of(ask) {
                Ok(errand) => {
                    called(Call::Session(Caller::new(stream, uid.as_raw()), errand));
                    return Ok(());
                }
                Err(ask) => {
                    let patience = patience(&ask);
                    called(Call::Asked(Asked { ask, uid: uid.as_raw(), reply }));
                    answer.recv_timeout(patience).unwrap_or(Answer::Unconfirmed)
                }
            },
            Err(LineError::Io(error)) => return Err(error.into()),
            Err(error) => Answer::from(Failure::new(
                format_args!("the sandbox does not understand this command: {}", chain(&error)),
                "use the openshell that started the sandbox, or start the sandbox again",
            )),
        }
    } else {
        Answer::from(Failure::new("the sandbox is another user's", "ask its user, or be root"))
    };
    write_line(&stream, &Response { version: VERSION, answer })
}

/// Reads one line of the protocol. The version comes first: of another version nothing else is understood.
pub(crate) fn read_line<T: DeserializeOwned>(stream: &mut impl BufRead) -> Result<T, LineError> {
    let mut line = Vec::new();
    stream.take(MAX_LINE).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    let Versioned { version } = serde_json::from_slice(&line)?;
    if version != VERSION {
        return Err(LineError::Version(version));
    }
    Ok(serde_json::from_slice(&line)?)
}

/// Writes one line of the protocol.
pub(crate) fn write_line(mut stream: &UnixStream, message: &impl Serialize) -> Result<(), LineError> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(stream.write_all(&line)?)
}

#[cfg(test)]
mod tests;
