//! The log of one sandbox on the disk: the directory, its segments, its checkpoints, the signer's key. The writer and the
//! signer get descriptors from here and open nothing by themselves.

mod exported;
mod key;
mod recovery;
mod retention;
mod signer;
mod steady;

use std::fs::{self, DirBuilder, File};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use audit::log::{Stored, packed, segments, stored};
use audit::verify;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use wire::audit::AuditEvent;
use wire::id::SandboxId;

use crate::audit_settings::{AuditSettings, SigningSettings};
use crate::failure::Failure;
use crate::layout::Layout;
use crate::record::Recorder;
use crate::rundir;
use crate::unit::Mebibytes;
use crate::watching::{self, Noticed};

pub use exported::DIRECTORY as EXPORTS;
pub use key::{known_keys, public_key};
pub use recovery::{Recovery, Unsigned, recover};
use steady::Clock;

/// Name of the file of signed notes in a log's directory.
pub const CHECKPOINTS: &str = "checkpoints";

/// What the name of a copy of them has behind the sandbox's id.
pub const COPY: &str = ".checkpoints";

/// The log of a sandbox that runs, or is about to.
#[derive(Debug)]
pub(crate) struct AuditLog {
    directory: PathBuf,
    settings: AuditSettings,
    layout: Layout,
    /// Number of the segment that was made last.
    last: u64,
    /// Where segments are handed over.
    writer: Option<UnixStream>,
    /// Threads that pack closed segments.
    packing: Vec<JoinHandle<()>>,
}

impl AuditLog {
    /// A new log: a sandbox's id is its own, so that there is none of it yet.
    pub(crate) fn create(
        layout: &Layout,
        id: &SandboxId,
        settings: AuditSettings,
    ) -> Result<(Self, File), Failure> {
        let directory = layout.audit().join(id.as_str());
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(layout.audit())
            .and_then(|()| DirBuilder::new().mode(0o700).create(&directory))
            .and_then(|()| new_segment(&directory, 1));
        let first = made.map_err(|error| cannot_write(&directory, &error))?;
        Ok((
            Self { directory, settings, layout: layout.clone(), last: 1, writer: None, packing: Vec::new() },
            first,
        ))
    }

    pub(crate) fn settings(&self) -> &AuditSettings {
        &self.settings
    }

    /// The manager's end of the writer's socket, and of what is kept beside its records.
    pub(crate) fn recorder(&self, writer: UnixStream) -> io::Result<Recorder> {
        Recorder::new(writer, self.directory.clone(), self.settings.log.on_full)
    }

    /// Looks at what is written from now on; `noticed` is told.
    pub(crate) fn watch(&self, noticed: impl Fn(Noticed) + Send + 'static) {
        watching::watch(self.directory.clone(), self.settings.detections.clone(), noticed);
    }

    /// The socket on which the writer gets its next segments.
    pub(crate) fn segments(&mut self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        self.writer = Some(ours);
        Ok(theirs)
    }

    /// The files that checkpoints go to: the log's own, and a copy in every directory that the operator names.
    fn checkpoint_files(&self) -> impl Iterator<Item = PathBuf> {
        let copies = copies(&self.directory, &self.settings.signing);
        std::iter::once(self.directory.join(CHECKPOINTS)).chain(copies)
    }

    /// The same, open for appending.
    fn checkpoints(&self) -> Result<Vec<File>, Failure> {
        self.checkpoint_files()
            .map(|path| {
                let file = File::options().append(true).create(true).mode(0o600).open(&path);
                file.map_err(|error| match path.parent() {
                    Some(parent) if error.kind() == io::ErrorKind::NotFound => no_directory(parent),
                    _other => cannot_write(&path, &error),
                })
            })
            .collect()
    }

    /// The signer has this key: it is added to those that have signed logs here.
    pub(crate) fn signed_by(&self, key: &str) -> Result<(), Failure> {
        key::remember(self.directory.parent().expect("a log lies among logs"), key)
    }

    /// Does what the writer reports, other than its beginning and its end.
    pub(crate) fn attend(&mut self, event: &AuditEvent, recorder: &mut Recorder) -> Result<(), Failure> {
        match event {
            AuditEvent::SegmentFull => self.next_segment(),
            AuditEvent::SegmentClosed => self.segment_closed(recorder),
            AuditEvent::Degraded { cause } => {
                warn(format_args!(
                    "the audit log cannot be written ({cause}): actions go on without a record (on_full: degrade)"
                ));
                Ok(())
            }
            AuditEvent::Restored { lost } => {
                warn(format_args!(
                    "the audit log can be written again; {lost} events have no record (action log-gap)"
                ));
                Ok(())
            }
            AuditEvent::Ready { .. } | AuditEvent::Failed { .. } => Ok(()),
        }
    }

    /// The writer wants to go on in another segment. If there is no room for one it goes on in the present one, as long as
    /// that can be written, and asks again.
    fn next_segment(&mut self) -> Result<(), Failure> {
        let Some(writer) = &self.writer else { return Ok(()) };
        let others =
            taken(&self.directory, self.last).map_err(|error| cannot_write(&self.directory, &error))?;
        let file = match new_segment(&self.directory, self.last + 1) {
            Ok(file) => Some(file),
            Err(error) if audit::writer::is_full(&error) => None,
            Err(error) => return Err(cannot_write(&self.directory, &error)),
        };
        self.last += u64::from(file.is_some());
        let files: Vec<BorrowedFd<'_>> = file.iter().map(File::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        if !files.is_empty() {
            let has_room = ancillary.push(SendAncillaryMessage::ScmRights(&files));
            assert!(has_room, "there is room for one descriptor");
        }
        // A writer that is gone reports so itself.
        let _gone =
            sendmsg(writer, &[IoSlice::new(&others.to_le_bytes())], &mut ancillary, SendFlags::NOSIGNAL);
        Ok(())
    }

    /// The writer went on to the last segment: the one before is packed, on a thread of its own, and what is too old goes.
    fn segment_closed(&mut self, recorder: &mut Recorder) -> Result<(), Failure> {
        let (directory, closed) = (self.directory.clone(), self.last - 1);
        if let Some(days) = self.days()? {
            retention::remove_segments(&directory, (days, self.delivered(&directory)), recorder)?;
        }
        self.packing.retain(|packing| !packing.is_finished());
        self.packing.push(std::thread::spawn(move || {
            // A segment that stays as it is is as good, and larger.
            let _stays = packed::pack(&directory, closed);
        }));
        Ok(())
    }

    /// Packs what is left plain, the last segment too, once writer and signer are gone. As long as the sandbox has its run
    /// directory nobody else goes on with the log, closes it or removes it.
    pub(crate) fn ended(&mut self) {
        for packing in self.packing.drain(..) {
            let _stays = packing.join();
        }
        pack_all(&self.directory);
    }

    /// Removes the logs of ended sandboxes that are too old or too many, and records each here before.
    pub(crate) fn remove_others(&self, recorder: &mut Recorder) -> Result<(), Failure> {
        let running = rundir::running(&self.layout);
        let is_free = |log: &Path| {
            let sandbox = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            (!running.iter().any(|id| id.as_str() == sandbox)).then(|| self.delivered(log))
        };
        let kept =
            retention::Kept { days: self.days()?, bytes: self.settings.log.keep.map(Mebibytes::bytes) };
        retention::remove_logs(&self.directory, kept, (is_free, recorder))
    }

    /// Days that records are kept; `None`: for ever, or as long as the host's clock does not show their age.
    fn days(&self) -> Result<Option<u32>, Failure> {
        let Some(days) = self.settings.log.keep_days else { return Ok(None) };
        let logs = self.layout.audit();
        match steady::look(&logs).map_err(|error| cannot_write(&logs, &error))? {
            Clock::Steady => Ok(Some(days)),
            Clock::Unproven => Ok(None),
            Clock::Jumped => {
                warn(format_args!(
                    "the host's clock jumped: nothing is removed from audit logs for its age until it has gone on steadily for a day"
                ));
                Ok(None)
            }
        }
    }

    /// Number of the last record of a log that nobody waits for any more.
    fn delivered(&self, log: &Path) -> u64 {
        let sandbox = log.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        exported::delivered(&self.layout.state, &self.settings.exports, sandbox)
    }
}

/// Packs the segments of a log that nobody writes. One that stays as it is is as good, and larger.
fn pack_all(log: &Path) {
    // What a crash left is closed first, where it stands.
    if !audit::log::last_line(log).is_ok_and(|last| last.is_some_and(|last| !last.is_unfinished)) {
        return;
    }
    for number in segments::list(log).unwrap_or_default() {
        // A writer that hangs has it locked.
        let Ok(segment) = audit::log::open_file(&log.join(segments::name(number))) else { continue };
        if segment.try_lock().is_ok() && segment.metadata().is_ok_and(|metadata| metadata.len() > 0) {
            let _stays = packed::pack(log, number);
        }
    }
}

/// The copies of a log's checkpoints: one in every directory that the operator names.
pub fn copies(log: &Path, signing: &SigningSettings) -> impl Iterator<Item = PathBuf> {
    let mut name = log.file_name().unwrap_or_default().to_owned();
    name.push(COPY);
    signing.copies.iter().map(move |copy| copy.join(&name))
}

/// For whoever looks after the sandbox: the log itself cannot say it now.
#[expect(clippy::print_stderr, reason = "it concerns the run, and only the terminal is sure to be there")]
fn warn(text: std::fmt::Arguments<'_>) {
    eprintln!("openshell: {text}");
}

fn new_segment(directory: &Path, number: u64) -> io::Result<File> {
    let path = directory.join(segments::name(number));
    let file = File::options().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
    // Whoever goes on with the log after a crash sees by it that a writer is still there, which inherits it.
    file.try_lock()?;
    // A record that is on the disk must be found there.
    if let Err(error) = File::open(directory).and_then(|directory| directory.sync_all()) {
        // It is asked for again.
        let _or_stays = fs::remove_file(&path);
        return Err(error);
    }
    Ok(file)
}

/// What the segments, checkpoints and kept policies of a log take on the disk, but for segment `present`. What others make of a log,
/// as an index, is not its own.
fn taken(log: &Path, present: u64) -> io::Result<u64> {
    let others = segments::list(log)?.into_iter().filter(|number| *number != present);
    let names = others.flat_map(|number| [segments::name(number), segments::packed_name(number)]);
    let sizes = names.chain([CHECKPOINTS.to_owned()]).map(|name| match fs::metadata(log.join(name)) {
        Ok(file) => Ok(file.len()),
        // It has the other name; nobody signs.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    });
    Ok(sizes.sum::<io::Result<u64>>()? + audit::policies::size(log)?)
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        format_args!("cannot write the audit log in {}: {error}", path.display()),
        "make the directory writable and free some space: without a log nothing runs",
    )
}

/// One that is not mounted must not be made on the disk below it.
fn no_directory(path: &Path) -> Failure {
    Failure::new(
        format_args!("there is no directory {} for checkpoints", path.display()),
        "make or mount it, or take it out of signing.copies in audit.yaml",
    )
}

/// The logs in the directory of all, with the moment of their last change, oldest first.
pub(crate) fn all(directory: &Path) -> io::Result<Vec<(std::time::SystemTime, PathBuf)>> {
    let mut logs = Vec::new();
    for Stored { path, .. } in stored(directory)? {
        if path.is_dir() && !segments::list(&path)?.is_empty() {
            logs.push((last_change(&path)?, path));
        }
    }
    logs.sort();
    Ok(logs)
}

/// Of the segments alone: an index is made anew whenever somebody asks, and keeps no log from its removal. A file's date anybody
/// sets who can write it: what the last record bears counts, where that is later.
fn last_change(log: &Path) -> io::Result<std::time::SystemTime> {
    let recorded = verify::last_moment(log).map_err(io::Error::other)?;
    let mut last = recorded.unwrap_or(std::time::SystemTime::UNIX_EPOCH);
    for number in segments::list(log)? {
        for name in [segments::name(number), segments::packed_name(number)] {
            match fs::metadata(log.join(name)) {
                Ok(segment) => last = last.max(segment.modified()?),
                // It has the other name, or both for a while.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(last)
}

#[cfg(test)]
mod tests;
