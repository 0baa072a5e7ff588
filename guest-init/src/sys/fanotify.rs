//! Being asked by the kernel before a file is executed: `fanotify` permission events.

#![expect(unsafe_code, reason = "fanotify has no safe wrapper")]

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;
use rustix::process::Pid;

/// Bytes of one event without extensions (`struct fanotify_event_metadata`).
const EVENT: usize = 24;
const _: () = assert!(EVENT == size_of::<libc::fanotify_event_metadata>());

/// Events that one read may bring.
const AT_ONCE: usize = 64;

/// Asks for the watched file systems. While it is open, whoever executes a file there waits for an answer. The
/// kernel takes its end for a general yes: who holds it must not go on without it.
#[derive(Debug)]
pub(crate) struct Watch(OwnedFd);

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

impl Watch {
    /// Watches nothing yet.
    ///
    /// # Errors
    /// The kernel has no permission events, or the caller is not root.
    pub(crate) fn new() -> Result<Self, Errno> {
        // A bounded queue would let pass what does not fit into it.
        let flags =
            libc::FAN_CLASS_CONTENT | libc::FAN_CLOEXEC | libc::FAN_UNLIMITED_QUEUE | libc::FAN_REPORT_TID;
        let files = (libc::O_RDONLY | libc::O_CLOEXEC | libc::O_LARGEFILE).unsigned_abs();
        // SAFETY: the call takes numbers only.
        let fd = unsafe { libc::fanotify_init(flags, files) };
        if fd < 0 {
            return Err(super::last_error());
        }
        // SAFETY: the kernel just returned this descriptor, and nobody else knows it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Watches the whole file system that `path` is on.
    ///
    /// # Errors
    /// It cannot be watched.
    pub(crate) fn file_system_of(&self, path: &Path) -> Result<(), Errno> {
        let path = CString::new(path.as_os_str().as_bytes()).map_err(|_nul| Errno::INVAL)?;
        let flags = libc::FAN_MARK_ADD | libc::FAN_MARK_FILESYSTEM;
        // SAFETY: the path is NUL-terminated and lives through the call.
        let outcome = unsafe {
            libc::fanotify_mark(
                self.0.as_raw_fd(),
                flags,
                libc::FAN_OPEN_EXEC_PERM,
                libc::AT_FDCWD,
                path.as_ptr(),
            )
        };
        if outcome == 0 { Ok(()) } else { Err(super::last_error()) }
    }

    /// Waits for questions.
    ///
    /// # Errors
    /// The kernel asks no more, or what it asked cannot be understood.
    pub(crate) fn questions(&self) -> Result<Vec<Question>, Errno> {
        let mut buffer = [0; EVENT * AT_ONCE];
        let length = match rustix::io::read(&self.0, &mut buffer) {
            Ok(length) => length,
            // The kernel could not open the file for us, and has said no by itself.
            Err(Errno::INTR | Errno::MFILE | Errno::NFILE | Errno::NOMEM) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut rest = buffer.get(..length).unwrap_or_default();
        let mut questions = Vec::new();
        while !rest.is_empty() {
            let (event, after) = event(rest).ok_or(Errno::PROTO)?;
            questions.push(event);
            rest = after;
        }
        Ok(questions)
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

/// Takes an event apart: length, version, length of the part, mask, descriptor, thread.
fn event(bytes: &[u8]) -> Option<(Question, &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?);
    let version = *bytes.get(4)?;
    let fd = i32::from_ne_bytes(*bytes.get(16..20)?.first_chunk()?);
    let thread = i32::from_ne_bytes(*bytes.get(20..24)?.first_chunk()?);
    let after = bytes.get(usize::try_from(length).ok().filter(|length| *length >= EVENT)?..)?;
    // Without a descriptor it is no question.
    if version != libc::FANOTIFY_METADATA_VERSION || fd < 0 {
        return None;
    }
    // SAFETY: the kernel made this descriptor for the reader of the event, who alone knows it.
    let file = unsafe { OwnedFd::from_raw_fd(fd) };
    // A thread outside the reader's namespace has no number; it is answered all the same.
    Some((Question { file, thread: Pid::from_raw(thread).unwrap_or(Pid::INIT) }, after))
}
