//! The lab's half inside the machine: the first process, and the server that runs commands.
//!
//! One binary plays two roles. As process 1 it starts the server, reaps whatever is orphaned and powers off when
//! the server ends. The server holds KVM open for the lab's life, says that it is ready, and then does what the
//! frames ask, one command at a time.

mod command;
mod hold;

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, WaitOptions};
use rustix::system::RebootCommand;

use crate::frame::Frame;
use command::Running;

/// The argument that makes the server of this binary.
const SERVE: &str = "--serve-lab";
/// The channel's name, as QEMU was told.
const CHANNEL: &str = "lab";

/// Where every thread of the server writes its frames.
type Shared = Arc<Mutex<File>>;

/// Plays the guest half's part, given the arguments that follow the ones of [`crate::Options::guest`]. Returns
/// only when there is nothing left to do.
#[must_use]
pub fn enter(arguments: &[String]) -> ExitCode {
    let outcome = if arguments.iter().any(|argument| argument == SERVE) {
        serve()
    } else if std::process::id() == 1 {
        first_process()
    } else {
        Err(io::Error::other("the lab's guest half runs inside the lab only"))
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The console is all there is; the host quotes it.
            let _ = fs::write("/dev/console", format!("lab: {error}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Process 1: the server's parent and everybody's reaper.
fn first_process() -> io::Result<()> {
    let server = Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).arg(SERVE).spawn();
    if let Ok(server) = &server {
        let server = Pid::from_child(server);
        while !matches!(rustix::process::wait(WaitOptions::empty()), Ok(Some((pid, _))) if pid == server) {}
    }
    let _ = fs::write("/dev/console", format!("lab: the server has ended ({server:?})\n"));
    Ok(rustix::system::reboot(RebootCommand::PowerOff)?)
}

/// The server's life.
fn serve() -> io::Result<()> {
    let port = channel()?;
    // The port opens once, for both directions.
    let port = File::options().read(true).write(true).open(port)?;
    let mut frames = BufReader::new(port.try_clone()?);
    let out: Shared = Arc::new(Mutex::new(port));
    let _held = match hold::hold() {
        Ok(held) => held,
        Err(error) => return send(&out, &Frame::Broken(format!("KVM does not work in it: {error}"))),
    };
    send(&out, &Frame::Ready)?;

    let mut running: Option<Running> = None;
    let mut stdin: Option<ChildStdin> = None;
    loop {
        match Frame::read(&mut frames)? {
            Frame::Run(command) => match command::start(&command, &out) {
                Ok((started, input)) => (running, stdin) = (Some(started), Some(input)),
                Err(error) => send(&out, &Frame::NotStarted(format!("{}: {error}", command.argv.join(" "))))?,
            },
            // A command may close its stdin whenever it likes.
            Frame::Stdin(bytes) => drop(stdin.as_mut().map(|pipe| io::Write::write_all(pipe, &bytes))),
            Frame::StdinEnd => stdin = None,
            Frame::Signal(number) => drop(running.as_ref().map(|command| command.signal(number))),
            Frame::Fetch(path) => fetch(Path::new(&path), &out)?,
            other => return Err(io::Error::other(format!("unexpected {other:?}"))),
        }
    }
}

/// The device of the channel.
fn channel() -> io::Result<PathBuf> {
    for entry in fs::read_dir("/sys/class/virtio-ports")? {
        let entry = entry?;
        if fs::read_to_string(entry.path().join("name"))?.trim() == CHANNEL {
            return Ok(Path::new("/dev").join(entry.file_name()));
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "there is no port named lab"))
}

/// Sends a file or folder as a tar archive.
fn fetch(path: &Path, out: &Shared) -> io::Result<()> {
    let (folder, name) = (path.parent().unwrap_or(Path::new("/")), path.file_name().unwrap_or_default());
    let started = Command::new("tar")
        .args(["--create", "--sparse", "--directory"])
        .args([folder.as_os_str(), "--".as_ref(), name])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tar = match started {
        Ok(tar) => tar,
        Err(error) => return send(out, &Frame::ArchiveEnd(format!("cannot run tar: {error}"))),
    };
    let archive = tar.stdout.take().expect("stdout was asked for as a pipe");
    pump(archive, out, Frame::Archive)?;
    let ended = tar.wait_with_output()?;
    let message = String::from_utf8_lossy(&ended.stderr);
    let why = if ended.status.success() { "" } else { message.lines().next().unwrap_or("tar failed") };
    send(out, &Frame::ArchiveEnd(why.to_owned()))
}

/// Sends all that comes from a pipe.
fn pump(mut pipe: impl Read, out: &Shared, frame: fn(Vec<u8>) -> Frame) -> io::Result<()> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match pipe.read(&mut buffer)? {
            0 => return Ok(()),
            count => send(out, &frame(buffer[..count].to_vec()))?,
        }
    }
}

fn send(out: &Shared, frame: &Frame) -> io::Result<()> {
    frame.write(&mut *out.lock().unwrap_or_else(PoisonError::into_inner))
}
