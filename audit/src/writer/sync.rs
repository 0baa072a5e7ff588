//! Brings the log to the disk, at most a set interval after it was written, on a thread of its own: a
//! slow disk delays nobody's receipt, and a failing one ends the writer.

use std::fs::File;
use std::io::{self, PipeReader, Write as _};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// The thread, and how it is told that the log grew.
#[derive(Debug)]
pub(crate) struct Syncer {
    grown: SyncSender<()>,
    shared: Arc<Shared>,
    thread: JoinHandle<io::Result<()>>,
    /// Readable when the thread ended, which it does by itself only after a failure.
    pub(crate) ended: PipeReader,
}

/// Shared with the thread.
#[derive(Debug)]
struct Shared {
    /// What is to be brought to the disk; another file after a rotation.
    log: Mutex<Arc<File>>,
    /// A sync that covers the growth is due already.
    due: AtomicBool,
    /// Number of the last record that was written, and of the last one that is on the disk.
    written: AtomicU64,
    synced: AtomicU64,
    /// Readable after a sync, until somebody heard of it.
    done: OwnedFd,
}

impl Syncer {
    /// `records` of the log are on the disk.
    pub(crate) fn start(log: Arc<File>, interval: Duration, records: u64) -> io::Result<Self> {
        let (ended, mut ending) = io::pipe()?;
        let (grown, growth) = mpsc::sync_channel(1);
        let shared = Arc::new(Shared {
            log: Mutex::new(log),
            due: AtomicBool::new(false),
            written: AtomicU64::new(records),
            synced: AtomicU64::new(records),
            done: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        });
        let of_thread = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("sync".to_owned()).spawn(move || {
            let result = sync_while_growing(&of_thread, &growth, interval);
            // The other end is closed only when nobody waits any more.
            let _nobody = ending.write_all(b"!");
            result
        })?;
        Ok(Self { grown, shared, thread, ended })
    }

    /// The log grew to `records`: they will be on the disk after the interval.
    pub(crate) fn note_growth(&self, records: u64) {
        self.shared.written.store(records, Ordering::Release);
        if !self.shared.due.swap(true, Ordering::AcqRel) {
            // A thread that is gone says so through `ended`.
            let _gone = self.grown.try_send(());
        }
    }

    /// The log grew to `records`, and was brought to the disk by whoever wrote them.
    pub(crate) fn note_synced(&self, records: u64) {
        self.shared.written.store(records, Ordering::Release);
        self.shared.synced.fetch_max(records, Ordering::AcqRel);
    }

    /// Readable after a sync, until [`Self::heard`].
    pub(crate) fn done(&self) -> &OwnedFd {
        &self.shared.done
    }

    /// Nobody needs to be woken any more for the syncs so far.
    pub(crate) fn heard(&self) -> io::Result<()> {
        match rustix::io::read(&self.shared.done, &mut [0; 8]) {
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Number of the last record that is on the disk.
    pub(crate) fn synced(&self) -> u64 {
        self.shared.synced.load(Ordering::Acquire)
    }

    /// The log goes on in another file; the one before is brought to the disk here and now, once for each segment.
    pub(crate) fn go_on_with(&self, log: Arc<File>) -> io::Result<()> {
        let mut present = self.shared.present();
        present.sync_data()?;
        *present = log;
        self.shared.synced.fetch_max(self.shared.written.load(Ordering::Acquire), Ordering::AcqRel);
        Ok(())
    }

    /// Waits for the last sync and tells how the thread ended.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.grown);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

impl Shared {
    fn present(&self) -> MutexGuard<'_, Arc<File>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings to the disk what is written now.
    fn sync(&self) -> io::Result<()> {
        // Before the sync: what grows from here on needs the next one. A swap, as nobody announces growth that found this set: it
        // must be seen below.
        self.due.swap(false, Ordering::AcqRel);
        // Before the file is asked for: if it is another one by then, the one that these records are in was synced when it was
        // left.
        let covered = self.written.load(Ordering::Acquire);
        // The lock is not held while the disk works: a rotation would wait for it, and all receipts with it.
        let present = Arc::clone(&self.present());
        present.sync_data()?;
        self.synced.fetch_max(covered, Ordering::AcqRel);
        rustix::io::write(&self.done, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

fn sync_while_growing(shared: &Shared, growth: &Receiver<()>, interval: Duration) -> io::Result<()> {
    while growth.recv().is_ok() {
        // More growth is covered by the same sync and is not announced; the end is not delayed.
        let ending = growth.recv_timeout(interval) == Err(RecvTimeoutError::Disconnected);
        shared.sync()?;
        if ending {
            break;
        }
    }
    Ok(())
}
