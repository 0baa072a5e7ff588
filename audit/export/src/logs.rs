//! Word of which logs of a user's sandboxes changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use audit::log::sandbox;
pub use audit::log::{Stored as Log, stored as list};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

/// Tells which logs changed.
#[derive(Debug)]
pub(crate) struct Changes {
    root: PathBuf,
    /// How long more changes are waited for after the first.
    linger: Duration,
    events: AsyncFd<OwnedFd>,
    /// What is watched, by the kernel's number of it.
    watched: BTreeMap<i32, String>,
    known: BTreeMap<String, Log>,
}

impl Changes {
    /// # Errors
    /// The kernel cannot watch the directory.
    pub(crate) fn new(root: &Path, linger: Duration) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY;
        inotify::add_watch(&events, root, what)?;
        #[expect(deprecated, reason = "it is unsound for what changes its descriptor; an OwnedFd never does")]
        let events = AsyncFd::new(events)?;
        Ok(Self { root: root.to_owned(), linger, events, watched: BTreeMap::new(), known: BTreeMap::new() })
    }

    /// The logs that are new or changed, and those of which more is `left`; waits, if there are none. At first all are new.
    pub(crate) async fn next(&mut self, mut left: BTreeSet<String>) -> io::Result<Vec<Log>> {
        loop {
            for log in list(&self.root)? {
                if self.known.insert(log.sandbox.clone(), log.clone()).is_none() {
                    self.watch(&log)?;
                    left.insert(log.sandbox);
                }
            }
            if !left.is_empty() {
                return Ok(left.iter().filter_map(|sandbox| self.known.get(sandbox).cloned()).collect());
            }
            left = self.wait().await?;
            tokio::time::sleep(self.linger).await;
        }
    }

    /// Watches a log. One that is a file is watched with the root.
    fn watch(&mut self, log: &Log) -> io::Result<()> {
        if !log.path.is_dir() {
            return Ok(());
        }
        let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY;
        match inotify::add_watch(self.events.get_ref(), &log.path, what) {
            Ok(number) => drop(self.watched.insert(number, log.sandbox.clone())),
            // It was removed meanwhile.
            Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// Waits until something changed; returns the sandboxes whose logs did.
    async fn wait(&mut self) -> io::Result<BTreeSet<String>> {
        loop {
            let mut ready = self.events.readable().await?;
            ready.clear_ready();
            drop(ready);
            let changed = self.read()?;
            if !changed.is_empty() {
                return Ok(changed);
            }
        }
    }

    /// What changed until now.
    fn read(&self) -> io::Result<BTreeSet<String>> {
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut events = inotify::Reader::new(self.events.get_ref(), &mut buffer);
        let mut changed = BTreeSet::new();
        loop {
            match events.next() {
                Ok(event) if event.events().contains(ReadFlags::QUEUE_OVERFLOW) => {
                    changed.extend(list(&self.root)?.into_iter().map(|log| log.sandbox));
                }
                Ok(event) => {
                    let in_root = event
                        .file_name()
                        .and_then(|name| sandbox(OsStr::new(name.to_str().ok()?)).map(str::to_owned));
                    changed.extend(self.watched.get(&event.wd()).cloned().or(in_root));
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(changed),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
