//! Being asked by the kernel before a file is executed, and being told of what is done with files: `fanotify`.

#![expect(unsafe_code, reason = "fanotify has no safe wrapper")]

use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::Pid;

/// Bytes of one event without extensions (`struct fanotify_event_metadata`).
const EVENT: usize = 24;
const _: () = assert!(EVENT == size_of::<libc::fanotify_event_metadata>());

/// Events that one read may bring.
const AT_ONCE: usize = 64;

/// Asks for what is watched. While it is open, whoever executes a file there waits for an answer. The
/// kernel takes its end for a general yes: who holds it must not go on without it.
#[derive(Debug)]
pub(crate) struct Watch(OwnedFd);

/// How much is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The whole file system, through whichever mount.
    FileSystem,
    /// What is reached through the mount.
    Mount,
}

/// A thread waits to learn whether it may execute a file. Until it is answered, it waits.
#[derive(Debug)]
pub(crate) struct Question {
    /// The file, open for reading.
    pub(crate) file: OwnedFd,
    /// The thread, in the caller's PID namespace.
    pub(crate) thread: Pid,
}

/// What it learns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It may.
    Yes,
    /// It may not: `EPERM`.
    No,
}

/// Is told what is done with files of the marked mounts. What does not fit into its queue is lost, and that is told.
#[derive(Debug)]
pub(crate) struct Notices(OwnedFd);

/// A process did something with a file.
#[derive(Debug)]
pub(crate) struct Notice {
    /// The file, open for reading; `None` if notices were lost here.
    pub(crate) file: Option<OwnedFd>,
    /// The process, in the caller's PID namespace.
    pub(crate) process: Option<Pid>,
    /// Whether it wrote, or had the file open for that.
    pub(crate) written: bool,
    /// Whether it opened the file to execute it.
    pub(crate) executed: bool,
}

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The kernel has no permission events, or the caller is not root.
    pub(crate) fn new() -> Result<Self, Errno> {
        // A bounded queue would let pass what does not fit into it.
        let class = libc::FAN_CLASS_CONTENT | libc::FAN_NONBLOCK;
        init(class | libc::FAN_UNLIMITED_QUEUE | libc::FAN_REPORT_TID).map(Self)
    }

    /// Watches what `path` is on.
    ///
    /// # Errors
    /// It cannot be watched.
    pub(crate) fn add(&self, extent: Extent, path: &Path) -> Result<(), Errno> {
        let what = match extent {
            Extent::FileSystem => libc::FAN_MARK_FILESYSTEM,
            Extent::Mount => libc::FAN_MARK_MOUNT,
        };
        mark(&self.0, what, libc::FAN_OPEN_EXEC_PERM, Place::Path(path))
    }

    /// Those that wait; none if none does: who asked may have been killed since there was one.
    ///
    /// # Errors
    /// The kernel asks no more, or what it asked cannot be understood.
    pub(crate) fn questions(&self) -> Result<Vec<Question>, Errno> {
        let events = match read(&self.0) {
            Ok(events) => events,
            // The kernel could not open the file for us, and has said no by itself.
            Err(Errno::AGAIN | Errno::INTR | Errno::MFILE | Errno::NFILE | Errno::NOMEM) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let question = |event: Event| {
            // Without a descriptor it is no question. A thread outside the reader's namespace has no number; it is
            // answered all the same.
            let file = event.file.ok_or(Errno::PROTO)?;
            Ok(Question { file, thread: event.process.unwrap_or(Pid::INIT) })
        };
        events.into_iter().map(question).collect()
    }

    /// Answers. Who asked may have been killed meanwhile.
    ///
    /// # Errors
    /// The kernel did not take the answer.
    pub(crate) fn answer(&self, question: &Question, answer: Answer) -> Result<(), Errno> {
        let response = match answer {
            Answer::Yes => libc::FAN_ALLOW,
            Answer::No => libc::FAN_DENY,
        };
        let fd = question.file.as_raw_fd().to_ne_bytes();
        let bytes = [fd, response.to_ne_bytes()].concat();
        match rustix::io::write(&self.0, &bytes) {
            Ok(_) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

impl Notices {
    /// Of nothing yet.
    ///
    /// # Errors
    /// The kernel has no such notices, or the caller is not root.
    pub(crate) fn new() -> Result<Self, Errno> {
        init(libc::FAN_CLASS_NOTIF | libc::FAN_NONBLOCK | libc::FAN_UNLIMITED_MARKS).map(Self)
    }

    /// Of opened and written files reached through the mount that `path` is on.
    ///
    /// # Errors
    /// It cannot be watched.
    pub(crate) fn mount_of(&self, path: &Path) -> Result<(), Errno> {
        let mask = libc::FAN_OPEN | libc::FAN_OPEN_EXEC | WRITTEN;
        mark(&self.0, libc::FAN_MARK_MOUNT, mask, Place::Path(path))
    }

    /// No more of openings of this file, until it is written.
    ///
    /// # Errors
    /// It goes on.
    pub(crate) fn forget_openings(&self, file: BorrowedFd<'_>) -> Result<(), Errno> {
        let (flags, mask) =
            (libc::FAN_MARK_IGNORED_MASK | libc::FAN_MARK_EVICTABLE, libc::FAN_OPEN | libc::FAN_OPEN_EXEC);
        mark(&self.0, flags, mask, Place::File(file))
    }

    /// Those that wait; none if none does.
    ///
    /// # Errors
    /// The kernel tells nothing more, or what it told cannot be understood.
    pub(crate) fn waiting(&self) -> Result<Vec<Notice>, Errno> {
        let lost = || Notice { file: None, process: None, written: false, executed: false };
        let notice = |Event { file, process, mask }: Event| Notice {
            file,
            process,
            written: mask & WRITTEN != 0,
            executed: mask & libc::FAN_OPEN_EXEC != 0,
        };
        match read(&self.0) {
            Ok(events) => Ok(events.into_iter().map(notice).collect()),
            Err(Errno::AGAIN) => Ok(Vec::new()),
            Err(error @ (Errno::BADF | Errno::FAULT | Errno::INVAL | Errno::PROTO)) => Err(error),
            // It could not open the file for us.
            Err(_lost) => Ok(vec![lost()]),
        }
    }
}

impl AsFd for Watch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsFd for Notices {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// What is left of a written file.
const WRITTEN: u64 = libc::FAN_MODIFY | libc::FAN_CLOSE_WRITE;

/// What one event says; a notice without a descriptor says that others were lost.
struct Event {
    file: Option<OwnedFd>,
    process: Option<Pid>,
    mask: u64,
}

fn init(flags: libc::c_uint) -> Result<OwnedFd, Errno> {
    let files = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_LARGEFILE | libc::O_NOATIME).unsigned_abs();
    // SAFETY: the call takes numbers only.
    let fd = unsafe { libc::fanotify_init(flags | libc::FAN_CLOEXEC, files) };
    if fd < 0 {
        return Err(super::last_error());
    }
    // SAFETY: the kernel just returned this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// What is marked.
enum Place<'a> {
    Path(&'a Path),
    File(BorrowedFd<'a>),
}

fn mark(group: &OwnedFd, kind: libc::c_uint, mask: u64, place: Place<'_>) -> Result<(), Errno> {
    let (directory, path) = match place {
        Place::Path(path) => {
            (libc::AT_FDCWD, Some(CString::new(path.as_os_str().as_bytes()).map_err(|_nul| Errno::INVAL)?))
        }
        Place::File(file) => (file.as_raw_fd(), None),
    };
    let (group, flags) = (group.as_raw_fd(), libc::FAN_MARK_ADD | kind);
    let name = path.as_ref().map_or(std::ptr::null(), |path| path.as_ptr());
    // SAFETY: the path is NUL-terminated and lives through the call; without one the descriptor is what is marked.
    let outcome = unsafe { libc::fanotify_mark(group, flags, mask, directory, name) };
    if outcome == 0 { Ok(()) } else { Err(super::last_error()) }
}

fn read(group: &OwnedFd) -> Result<Vec<Event>, Errno> {
    let mut buffer = [0; EVENT * AT_ONCE];
    let length = rustix::io::read(group, &mut buffer)?;
    let mut rest = buffer.get(..length).unwrap_or_default();
    let mut events = Vec::new();
    while !rest.is_empty() {
        let (event, after) = event(rest).ok_or(Errno::PROTO)?;
        events.push(event);
        rest = after;
    }
    Ok(events)
}

/// Takes an event apart: length, version, length of the part, mask, descriptor, thread.
fn event(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?);
    let version = *bytes.get(4)?;
    let mask = u64::from_ne_bytes(*bytes.get(8..16)?.first_chunk()?);
    let fd = i32::from_ne_bytes(*bytes.get(16..20)?.first_chunk()?);
    let process = i32::from_ne_bytes(*bytes.get(20..24)?.first_chunk()?);
    let after = bytes.get(usize::try_from(length).ok().filter(|length| *length >= EVENT)?..)?;
    if version != libc::FANOTIFY_METADATA_VERSION {
        return None;
    }
    // SAFETY: the kernel made this descriptor for the reader of the event, who alone knows it.
    let file = (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd) });
    Some((Event { file, process: Pid::from_raw(process).filter(|_| process > 0), mask }, after))
}
