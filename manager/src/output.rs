//! What an agent writes, kept on the host: for whoever was not there, and after the sandbox's end.
//!
//! ```text
//! <state>/output/<id>/<n>    0600; frames of a stream's name and bytes; the last two, each up to 8 MiB
//! ```
//! The newest file is locked by its writer: a lock that can be had tells that the sandbox has ended, however it did.
//! Writing waits for nobody who reads. What cannot be written is not kept, and the agent goes on.

mod reader;

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use wire::frame;
use wire::id::SandboxId;

use crate::failure::Failure;
use crate::layout::Layout;

pub use reader::{Next, Piece, Reader};
pub use wire::control::Stream;

/// Longest file, in bytes.
const FULL: u64 = 8 * 1024 * 1024;

/// What a file is called until it has its number.
const UNNUMBERED: &str = "next";

/// Files of one sandbox.
const FILES: u64 = 2;

/// Ended sandboxes whose output is kept.
const ENDED: usize = 32;

/// The output of one sandbox, as it is written.
#[derive(Clone, Debug)]
pub(crate) struct Kept(Arc<Mutex<Writer>>);

/// A place that is written to, and kept.
#[derive(Debug)]
pub(crate) struct Beside<W> {
    kept: Kept,
    stream: Stream,
    sink: W,
}

#[derive(Debug)]
struct Writer {
    directory: PathBuf,
    number: u64,
    written: u64,
    /// `None`: nothing can be kept any more.
    file: Option<File>,
}

impl Kept {
    /// Begins to keep the output of `sandbox`, and forgets that of sandboxes that ended long ago.
    ///
    /// # Errors
    /// The state directory cannot be written.
    pub(crate) fn begin(layout: &Layout, sandbox: &SandboxId) -> Result<Self, Failure> {
        let all = directory(layout);
        forget(&all);
        let directory = all.join(sandbox.as_str());
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        let file = made.and_then(|()| new_file(&directory, 1)).map_err(|error| {
            Failure::new(
                format_args!("cannot keep the agent's output in {}: {error}", directory.display()),
                "make the directory writable and free some space",
            )
        })?;
        let writer = Writer { directory, number: 1, written: 0, file: Some(file) };
        Ok(Self(Arc::new(Mutex::new(writer))))
    }

    /// What goes to `sink` is kept as what `stream` was given.
    pub(crate) fn beside<W: Write>(&self, stream: Stream, sink: W) -> Beside<W> {
        Beside { kept: self.clone(), stream, sink }
    }
}

impl<W: Write> Write for Beside<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.kept.0.lock().unwrap_or_else(PoisonError::into_inner).keep(self.stream, bytes);
        self.sink.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

impl Writer {
    fn keep(&mut self, stream: Stream, bytes: &[u8]) {
        if let Err(error) = self.try_keep(stream, bytes) {
            // Half a frame would hide what a reader could still have.
            let _kept_as_it_is = self.file.take().map(|file| file.set_len(self.written));
            warn(&self.directory, &error);
        }
    }

    fn try_keep(&mut self, stream: Stream, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let frame = frame::encode(&Piece { stream, bytes: bytes.to_vec() }).map_err(io::Error::other)?;
        let length = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        if self.written + length > FULL {
            // The next one is there before this one is let go: a reader sees one of them locked.
            *file = new_file(&self.directory, self.number + 1)?;
            self.number += 1;
            self.written = 0;
            if let Some(old) = self.number.checked_sub(FILES) {
                let _never_was = fs::remove_file(self.directory.join(old.to_string()));
            }
        }
        file.write_all(&frame)?;
        self.written += length;
        Ok(())
    }
}

/// Where the outputs of all sandboxes are.
fn directory(layout: &Layout) -> PathBuf {
    layout.state.join("output")
}

fn new_file(directory: &Path, number: u64) -> io::Result<File> {
    // It has its number once it is locked: no reader may take it for one that was let go.
    let unnumbered = directory.join(UNNUMBERED);
    let file = File::options().write(true).create_new(true).mode(0o600).open(&unnumbered)?;
    file.try_lock()?;
    fs::rename(unnumbered, directory.join(number.to_string()))?;
    Ok(file)
}

/// The numbers of the files in `directory`, in their order.
fn numbers(directory: &Path) -> io::Result<Vec<u64>> {
    let entries = fs::read_dir(directory)?.filter_map(Result::ok);
    let mut numbers: Vec<u64> =
        entries.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok())).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// Whether somebody still writes into `directory`.
fn is_written(directory: &Path) -> bool {
    let newest = numbers(directory).ok().and_then(|numbers| numbers.last().copied());
    let file = newest.and_then(|newest| File::open(directory.join(newest.to_string())).ok());
    file.is_some_and(|file| file.try_lock_shared().is_err())
}

/// The sandboxes whose output is there, the one that was written to last first.
fn sandboxes(all: &Path) -> Vec<SandboxId> {
    let written = |directory: &Path| {
        let newest = numbers(directory).ok()?.last()?.to_string();
        fs::metadata(directory.join(newest)).and_then(|file| file.modified()).ok()
    };
    let entries = fs::read_dir(all).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<(SystemTime, SandboxId)> = entries
        .filter_map(|entry| {
            let id = SandboxId::try_from(entry.file_name().to_str()?.to_owned()).ok()?;
            Some((written(&entry.path()).unwrap_or(SystemTime::UNIX_EPOCH), id))
        })
        .collect();
    found.sort_unstable();
    found.into_iter().rev().map(|(_written, id)| id).collect()
}

/// Removes the output of ended sandboxes beyond the last [`ENDED`].
fn forget(all: &Path) {
    let ended = sandboxes(all).into_iter().map(|id| all.join(id.as_str())).filter(|path| !is_written(path));
    for old in ended.skip(ENDED) {
        // What cannot be removed now is tried again by the next start.
        let _stays = fs::remove_dir_all(old);
    }
}

#[expect(clippy::print_stderr, reason = "it concerns the run, and only the terminal is sure to be there")]
fn warn(directory: &Path, error: &io::Error) {
    eprintln!("openshell: the agent's output is not kept any more in {}: {error}", directory.display());
}

#[cfg(test)]
mod tests;
