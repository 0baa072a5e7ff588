//! Brings the log to the disk, at most a set interval after it was written, on a thread of its own: a
//! slow disk delays nobody's receipt, and a failing one ends the writer.

use std::fs::File;
use std::io::{self, PipeReader, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// The thread, and how it is told that the log grew.
#[derive(Debug)]
pub(crate) struct Syncer {
    grown: SyncSender<()>,
    /// What is to be brought to the disk; another file after a rotation.
    log: Arc<Mutex<Arc<File>>>,
    /// Shared with the thread: a sync that covers the growth is due already.
    due: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
    /// Readable when the thread ended, which it does by itself only after a failure.
    pub(crate) ended: PipeReader,
}

impl Syncer {
    pub(crate) fn start(log: Arc<File>, interval: Duration) -> io::Result<Self> {
        let (ended, mut ending) = io::pipe()?;
        let (grown, growth) = mpsc::sync_channel(1);
        let due = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&due);
        let log = Arc::new(Mutex::new(log));
        let present = Arc::clone(&log);
        let thread = std::thread::Builder::new().name("sync".to_owned()).spawn(move || {
            let result = sync_while_growing(&present, &growth, (&seen, interval));
            // The other end is closed only when nobody waits any more.
            let _nobody = ending.write_all(b"!");
            result
        })?;
        Ok(Self { grown, log, due, thread, ended })
    }

    /// The log grew: it will be on the disk after the interval.
    pub(crate) fn note_growth(&self) {
        if !self.due.swap(true, Ordering::AcqRel) {
            // A thread that is gone says so through `ended`.
            let _gone = self.grown.try_send(());
        }
    }

    /// The log goes on in another file; the one before is brought to the disk here and now, once for each segment.
    pub(crate) fn go_on_with(&self, log: Arc<File>) -> io::Result<()> {
        let mut present = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        present.sync_data()?;
        *present = log;
        Ok(())
    }

    /// Waits for the last sync and tells how the thread ended.
    pub(crate) fn finish(self) -> io::Result<()> {
        drop(self.grown);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn sync_while_growing(
    log: &Mutex<Arc<File>>,
    growth: &Receiver<()>,
    (due, interval): (&AtomicBool, Duration),
) -> io::Result<()> {
    while growth.recv().is_ok() {
        // More growth is covered by the same sync and is not announced; the end is not delayed.
        let ending = growth.recv_timeout(interval) == Err(RecvTimeoutError::Disconnected);
        // Before the sync: what grows from here on needs the next one.
        due.store(false, Ordering::Release);
        // The lock is not held while the disk works: a rotation would wait for it, and all receipts with it.
        let present = Arc::clone(&log.lock().unwrap_or_else(PoisonError::into_inner));
        present.sync_data()?;
        if ending {
            break;
        }
    }
    Ok(())
}
