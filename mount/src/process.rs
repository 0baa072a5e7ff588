//! The process: config in, jail, a thread for each lane.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use jail::host::{self, inherited};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use wire::mount::{MAX_CONTENT, MAX_HEADERS, MountConfig, MountEvent};
use wire::spawn::{CONFIG_FD, EXIT_FAILED, Fd, STATUS_FD};

use crate::answer::Answer;
use crate::directory::Directory;
use crate::handles::MAX_OPEN;
use crate::kept::Kept;
use crate::session::Session;

/// Directories whose descriptors are held, and what is open, and a few of the process's own; the host may allow fewer.
const OPEN_FILES: u64 = 65_536 + MAX_OPEN as u64 + 64;

/// The config's promise that a document has an end.
const MAX_CONFIG: u64 = 1024 * 1024;

/// Why the server cannot serve.
#[derive(Debug, thiserror::Error)]
enum MountError {
    #[error("descriptor {0} was not inherited")]
    Descriptor(i32, #[source] io::Error),
    #[error("cannot read the configuration")]
    Config(#[source] io::Error),
    #[error("the configuration is not valid")]
    Parse(#[source] serde_json::Error),
    #[error("the configuration is of version {0}, not {version}", version = wire::VERSION)]
    Version(u32),
    #[error("cannot enter the jail")]
    Jail(#[from] host::JailError),
    #[error("cannot open the directory")]
    Directory(#[source] Errno),
    #[error("cannot look at '{0}', which is to stay as it is")]
    Kept(String, #[source] Errno),
    #[error("cannot take over a signal")]
    Signal(#[source] io::Error),
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// Serves until the other side is gone.
#[must_use]
pub fn run() -> ExitCode {
    let Ok(status) = inherited::take(STATUS_FD) else {
        let _closed = writeln!(io::stderr(), "openshell-mount is started by openshell");
        return failed();
    };
    let mut status = File::from(status);
    match serve(&mut status) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let (cause, remedy) = explain(&error);
            report(&mut status, &MountEvent::Failed { cause, remedy });
            failed()
        }
    }
}

fn serve(status: &mut File) -> Result<(), MountError> {
    let config = read_config(File::from(take(CONFIG_FD)?))?;
    let directory = take(config.directory)?;
    let lanes = config.lanes.iter().map(|lane| take(*lane)).collect::<Result<Vec<_>, _>>()?;
    // Beyond the host's limit of a file's length a write fails, instead of ending the process.
    signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::default()).map_err(MountError::Signal)?;
    // The guest's kernel has applied its own mask already.
    rustix::process::umask(rustix::fs::Mode::empty());
    let root = host::Root::Writable(directory);
    let settings = host::Settings { status: status.as_fd(), root, user: config.user, open_files: OPEN_FILES };
    let jailed = host::enter(host::Profile::Mount, settings)?;
    let _closed = writeln!(io::stderr(), "{jailed}");
    let directory = Directory::open(config.agent).map_err(MountError::Directory)?;
    let kept = Kept::of(&directory, &config.kept).map_err(|(path, error)| MountError::Kept(path, error))?;
    let session = Arc::new(Session::new(directory, kept, config.believed));
    let threads = lanes.into_iter().map(|lane| {
        let session = Arc::clone(&session);
        thread::Builder::new().name("lane".to_owned()).spawn(move || serve_lane(&session, &lane))
    });
    let threads = threads.collect::<Result<Vec<_>, _>>().map_err(MountError::Thread)?;
    report(status, &MountEvent::Ready);
    for thread in threads {
        // A thread that panicked has ended the process already.
        let _ended = thread.join();
    }
    Ok(())
}

/// One request after the other, until the machine is gone.
pub fn serve_lane(session: &Session, lane: &OwnedFd) {
    let length = usize::try_from(MAX_CONTENT + MAX_HEADERS).expect("32 bits fit");
    let mut message = vec![0; length].into_boxed_slice();
    let mut answer = Answer::default();
    loop {
        let received = match rustix::net::recv(lane, &mut *message, RecvFlags::empty()) {
            Ok((0, _)) => return,
            Ok((received, _)) => received,
            Err(Errno::INTR | Errno::NOMEM | Errno::NOBUFS) => continue,
            Err(_gone) => return,
        };
        // One that is longer than the buffer lacks its end, and is refused for that.
        let request = message.get(..received).unwrap_or_default();
        let told = session.answer(request, &mut answer);
        if rustix::net::send(lane, told, SendFlags::NOSIGNAL).is_ok() {
            continue;
        }
        // The host has no memory for an answer of this length just now. One without content says so; if not even that goes, the
        // machine is gone, or learns by the lane's end that its request failed.
        if rustix::net::send(lane, answer.instead(Errno::IO), SendFlags::NOSIGNAL).is_err() {
            return;
        }
    }
}

fn take(fd: Fd) -> Result<OwnedFd, MountError> {
    inherited::take(fd).map_err(|error| MountError::Descriptor(fd.0, error))
}

fn read_config(file: File) -> Result<MountConfig, MountError> {
    let mut text = Vec::new();
    file.take(MAX_CONFIG).read_to_end(&mut text).map_err(MountError::Config)?;
    let config: MountConfig = serde_json::from_slice(&text).map_err(MountError::Parse)?;
    if config.version == wire::VERSION { Ok(config) } else { Err(MountError::Version(config.version)) }
}

fn explain(error: &MountError) -> (String, String) {
    let remedy = match error {
        MountError::Descriptor(..)
        | MountError::Config(_)
        | MountError::Parse(_)
        | MountError::Version(_)
        | MountError::Signal(_)
        | MountError::Kept(..) => "this is a fault of the manager: use one version of all openshell programs",
        MountError::Jail(_) => "run `openshell doctor`: it tells what this host allows for a jail",
        MountError::Directory(_) => "mount a directory that you may read and enter",
        MountError::Thread(_) => "raise this user's limit of processes (ulimit -u)",
    };
    (causes(error), remedy.to_owned())
}

/// An error and its sources in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let sources = std::iter::successors(error.source(), |error| error.source());
    let texts: Vec<String> =
        std::iter::once(error.to_string()).chain(sources.map(ToString::to_string)).collect();
    texts.join(": ").replace('\n', " ")
}

/// A manager that no longer listens has gone, and takes the process with it.
fn report(status: &mut File, event: &MountEvent) {
    let mut line = serde_json::to_vec(event).expect("an event has no map with other keys than strings");
    line.push(b'\n');
    let _gone = status.write_all(&line);
}

fn failed() -> ExitCode {
    ExitCode::from(u8::try_from(EXIT_FAILED).expect("an exit status fits in a byte"))
}
