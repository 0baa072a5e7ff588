//! The process: config in, leaves in, notes out.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use audit::checkpoint;
use audit::tree::TreeHash;
use jail::host::{self, inherited};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::SendFlags;
use wire::audit::{OnFull, SignConfig, SignEvent, SigningKey};
use wire::spawn::{CONFIG_FD, EXIT_FAILED, Fd, STATUS_FD};

use crate::key::{Key, KeyError};
use crate::notary::{Notary, ResumeError, WriteError};

const OPEN_FILES: u64 = 64;
const LEAF: usize = 32;

/// Why the signer stopped.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A descriptor that the config names is not there.
    #[error("descriptor {0} was not inherited")]
    Descriptor(i32, #[source] io::Error),
    /// The config cannot be read.
    #[error("cannot read the configuration")]
    Config(#[source] io::Error),
    /// The config is not one.
    #[error("the configuration is not valid")]
    Parse(#[source] serde_json::Error),
    /// The config is of another version.
    #[error("the configuration is of version {0}, not {version}", version = wire::VERSION)]
    Version(u32),
    /// There is no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A checkpoint cannot be made.
    #[error(transparent)]
    Checkpoint(#[from] WriteError),
    /// The log cannot be gone on with.
    #[error("the signer cannot go on with the log")]
    Resume(#[from] ResumeError),
    /// The process cannot be jailed.
    #[error("cannot enter the jail")]
    Jail(#[from] host::JailError),
    /// The leaves cannot be waited for.
    #[error("cannot wait for records")]
    Wait(#[source] io::Error),
}

/// Runs the signer until the writer is gone; the last checkpoint covers all that came.
#[must_use]
pub fn run() -> ExitCode {
    let Ok(status) = inherited::take(STATUS_FD) else {
        let _closed = writeln!(io::stderr(), "openshell-sign is started by openshell");
        return ExitCode::from(u8::try_from(EXIT_FAILED).expect("an exit status fits in a byte"));
    };
    let mut status = File::from(status);
    match serve(&mut status) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (cause, remedy) = explain(&error);
            report(&mut status, &SignEvent::Failed { cause, remedy });
            ExitCode::from(u8::try_from(EXIT_FAILED).expect("an exit status fits in a byte"))
        }
    }
}

fn serve(status: &mut File) -> Result<(), SignError> {
    ignore_signals().map_err(SignError::Wait)?;
    let config = read_config(File::from(take(CONFIG_FD)?))?;
    let leaves = UnixStream::from(take(config.leaves)?);
    let files: Result<Vec<File>, SignError> =
        config.checkpoints.iter().map(|fd| take(*fd).map(File::from)).collect();
    let files = files?;
    let key = Key::open(&config.key, &config.name)?;
    match config.key {
        SigningKey::Pem(_) => {
            let root = host::Root::Empty;
            let settings =
                host::Settings { status: status.as_fd(), root, user: config.user, open_files: OPEN_FILES };
            let jailed = host::enter(host::Profile::Audit, settings)?;
            let _closed = writeln!(io::stderr(), "{jailed}");
        }
        // What a token's library opens, and whom it asks, is not for us to know.
        SigningKey::Pkcs11 { .. } => {
            let _closed =
                writeln!(io::stderr(), "not jailed: the key is in a token, and its library is the vendor's");
        }
    }
    let ready = SignEvent::Ready { key: key.public().to_string() };
    let origin = checkpoint::origin(config.sandbox.as_str());
    let notary = match &config.resumed {
        None => Notary::new(key, origin),
        Some(resumed) => Notary::resumed(key, origin, resumed)?,
    };
    report(status, &ready);
    let interval = Duration::from_millis(config.interval_ms.into());
    let book = Book { notary, files, on_full: config.on_full };
    sign_while_growing(book, &leaves, interval)
}

/// What is signed, and where it goes.
struct Book {
    notary: Notary,
    files: Vec<File>,
    on_full: OnFull,
}

impl Book {
    /// Writes a checkpoint, if there is something new. Where the log may go on without records, its checkpoints may as well:
    /// the next one covers what this one would have.
    fn sign(&mut self) -> Result<(), SignError> {
        if !self.notary.has_grown() {
            return Ok(());
        }
        match self.notary.write(&self.files) {
            Err(full) if self.on_full == OnFull::Degrade && full.is_full() => {
                let _closed = writeln!(io::stderr(), "{}", audit::writer::causes(&full));
                Ok(())
            }
            written => Ok(written?),
        }
    }
}

fn sign_while_growing(mut book: Book, leaves: &UnixStream, interval: Duration) -> Result<(), SignError> {
    let mut due: Option<Instant> = None;
    let mut bytes = Vec::new();
    loop {
        let is_there = wait(leaves, due).map_err(SignError::Wait)?;
        if is_there && !read(leaves, &mut bytes, &mut book.notary).map_err(SignError::Wait)? {
            break;
        }
        if book.notary.has_grown() && due.is_none() {
            due = Some(Instant::now() + interval);
        }
        if due.is_some_and(|due| due <= Instant::now()) {
            book.sign()?;
            tell(leaves, book.notary.size());
            due = None;
        }
    }
    book.sign()
}

/// Tells the writer up to which record is done what can be done: a record that nobody signs for long ends it.
fn tell(leaves: &UnixStream, size: u64) {
    // One that is gone ends this soon, and one that has not read the last word gets the next.
    let _unheard = rustix::net::send(leaves, &size.to_le_bytes(), SendFlags::DONTWAIT | SendFlags::NOSIGNAL);
}

/// Whether more came; not, if the writer is gone.
fn read(mut leaves: &UnixStream, bytes: &mut Vec<u8>, notary: &mut Notary) -> io::Result<bool> {
    let mut chunk = [0; 64 * 1024];
    let length = match leaves.read(&mut chunk) {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
        // A writer that was killed with leaves on the way.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => 0,
        Err(error) => return Err(error),
    };
    bytes.extend_from_slice(&chunk[..length]);
    let whole = bytes.len() - bytes.len() % LEAF;
    for leaf in bytes[..whole].as_chunks().0 {
        notary.add(TreeHash::from_bytes(*leaf));
    }
    bytes.drain(..whole);
    Ok(length > 0)
}

/// Waits for leaves, until `due` if that is set.
fn wait(leaves: &UnixStream, due: Option<Instant>) -> io::Result<bool> {
    let mut waited = [PollFd::new(leaves, PollFlags::IN)];
    let patience = due.map(|due| due.saturating_duration_since(Instant::now()));
    let patience = patience.map(|patience| Timespec::try_from(patience).expect("an interval is short"));
    match poll(&mut waited, patience.as_ref()) {
        Ok(ready) => Ok(ready > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn read_config(mut source: impl io::Read) -> Result<SignConfig, SignError> {
    let mut text = zeroize::Zeroizing::new(String::new());
    source.read_to_string(&mut text).map_err(SignError::Config)?;
    let config: SignConfig = serde_json::from_str(&text).map_err(SignError::Parse)?;
    if config.version == wire::VERSION { Ok(config) } else { Err(SignError::Version(config.version)) }
}

/// The writer's end is ours: signals go to the whole foreground group, and the last checkpoint is still to come.
fn ignore_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    for ignored in [SIGINT, SIGHUP, SIGTERM, SIGXFSZ] {
        signal_hook::flag::register(ignored, std::sync::Arc::default())?;
    }
    Ok(())
}

fn take(fd: Fd) -> Result<OwnedFd, SignError> {
    inherited::take(fd).map_err(|error| SignError::Descriptor(fd.0, error))
}

fn report(status: &mut File, event: &SignEvent) {
    let mut line = serde_json::to_vec(event).expect("an event of plain fields is JSON");
    line.push(b'\n');
    // A manager that is gone does not hear it, and the process ends with the writer.
    let _gone = status.write_all(&line);
}

fn explain(error: &SignError) -> (String, String) {
    let remedy = match error {
        SignError::Key(_) | SignError::Checkpoint(WriteError::Sign(_)) => {
            "look at `signing` in audit.yaml: the key's file, or the token's library, labels and PIN"
        }
        SignError::Checkpoint(WriteError::Write(_)) => {
            "free space on the disks that hold the audit log and the copies of its checkpoints"
        }
        SignError::Resume(_) => {
            "look at the log with `openshell audit verify`, and move it away: it is evidence"
        }
        SignError::Jail(_) => "run `openshell doctor`: it says what the host does not permit",
        SignError::Descriptor(..) | SignError::Config(_) | SignError::Parse(_) | SignError::Version(_) => {
            "install one version of all of openshell's programs"
        }
        SignError::Wait(_) => "check the limit on open files and the free memory",
    };
    (audit::writer::causes(error), remedy.to_owned())
}
