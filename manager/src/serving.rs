//! Model servers of this host's own: what the operator wants of them (`inference.yaml` in the configuration directory), the
//! start of the one process that runs them, and questions to it.

mod settings;

use std::fs::{self, File, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use command_fds::{CommandFdExt as _, FdMapping};
use rustix::fs::MemfdFlags;
use wire::serving::{Ask, LONGEST_LINE, Question, Report, SOCKET, ServingConfig, Tell};
use wire::spawn::{CONFIG_FD, FIRST_RESOURCE_FD};

use crate::failure::{Failure, chain};
use crate::layout::{Layout, Program};
use crate::rundir::{SERVING, private_dir};

pub use settings::{Server, ServingSettings};

/// Held by the process that serves. It has another name than a sandbox's lock, as it is none.
const HELD: &str = "held";

/// The directory of the socket; made if it is not there.
///
/// # Errors
/// It cannot be made, or is somebody else's.
pub fn directory(layout: &Layout) -> Result<PathBuf, Failure> {
    let path = layout.runtime.join(SERVING);
    let made = private_dir(&layout.runtime).and_then(|()| private_dir(&path)).and_then(|()| {
        // A router that root jails has a user of its own; the directory above lets nobody else in.
        let mode = if rustix::process::geteuid().is_root() { 0o711 } else { 0o700 };
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))
    });
    made.map(|()| path).map_err(|error| {
        Failure::new(
            format_args!("cannot make a directory in {}: {error}", layout.runtime.display()),
            "make that directory writable for you, or point XDG_RUNTIME_DIR at one that is",
        )
    })
}

/// What is to be executed to serve: it takes the caller's place, so that signals and exit code are its own.
///
/// # Errors
/// Something in `inference.yaml` is wrong, nothing is to be served, or a process serves already.
pub fn command(layout: &Layout, library: Option<&Path>) -> Result<Command, Failure> {
    let ServingSettings { servers, catalogue } = ServingSettings::load(layout)?;
    if servers.is_empty() {
        return Err(Failure::new(
            format_args!("{} names no server", layout.config.join(settings::FILE).display()),
            "name one: `servers: {nemotron: {model: nemotron}}`",
        ));
    }
    let directory = directory(layout)?;
    let lock = lock(&directory)?;
    let config = ServingConfig {
        version: wire::VERSION,
        lock: FIRST_RESOURCE_FD,
        directory,
        logs: layout.state.join(SERVING),
        library: library.map(Path::to_owned),
        catalogue,
        servers,
    };
    let mut command = Command::new(layout.program(Program::Serving)?);
    let mapped = document(&config).and_then(|document| {
        let mapping = |parent_fd: File, child_fd| FdMapping { parent_fd: parent_fd.into(), child_fd };
        let mappings = vec![mapping(document, CONFIG_FD.0), mapping(lock, FIRST_RESOURCE_FD.0)];
        command.fd_mappings(mappings).map(drop).map_err(io::Error::other)
    });
    mapped.map_err(|error| {
        Failure::new(
            format_args!("cannot start {}: {error}", Program::Serving.file_name()),
            "check the limits on open files, and that memory is free",
        )
    })?;
    Ok(command)
}

fn lock(directory: &Path) -> Result<File, Failure> {
    let path = directory.join(HELD);
    let opened = File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let failed = |error: &io::Error| {
        Failure::new(
            format_args!("cannot lock {}: {error}", path.display()),
            "check who may write it, and that the disk is not full",
        )
    };
    let lock = opened.map_err(|error| failed(&error))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            "a process serves already",
            "see how it stands with `openshell inference status`, or end it first",
        )),
        Err(TryLockError::Error(error)) => Err(failed(&error)),
    }
}

fn document(config: &ServingConfig) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("config", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(config)?)?;
    file.rewind()?;
    Ok(file)
}

/// How the servers stand; `None`: no process serves.
///
/// # Errors
/// It does not answer.
pub fn status(layout: &Layout) -> Result<Option<Vec<Report>>, Failure> {
    let path = layout.runtime.join(SERVING).join(SOCKET);
    let stream = match UnixStream::connect(&path) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(silent(&error)),
    };
    match ask(stream).map_err(|error| silent(&error))? {
        Tell::Status { servers } => Ok(Some(servers)),
        Tell::Refused { cause } => {
            Err(Failure::new(cause, "install all openshell programs from one build, and start it again"))
        }
        _other => Err(Failure::new("the process that serves answers something else", BUG)),
    }
}

fn ask(mut stream: UnixStream) -> io::Result<Tell> {
    let mut line = serde_json::to_vec(&Ask { version: wire::VERSION, ask: Question::Status })?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = Vec::new();
    let most = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX);
    BufReader::new(stream).take(most).read_until(b'\n', &mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}

const BUG: &str = "this is a fault of openshell: please report it";

fn silent(error: &io::Error) -> Failure {
    Failure::new(
        format_args!("the process that serves does not answer: {}", chain(error)),
        "see what it says where it was started, and start it again",
    )
}
