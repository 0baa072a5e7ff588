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
    /// What changed and was not handed out yet.
    changed: BTreeSet<String>,
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
        Ok(Self {
            root: root.to_owned(),
            linger,
            events,
            watched: BTreeMap::new(),
            known: BTreeMap::new(),
            changed: BTreeSet::new(),
        })
    }

    /// The logs that are new or changed, and those of which more is `left`; waits, if there are none. At first all are new. It
    /// can be dropped at any await.
    pub(crate) async fn next(&mut self, left: BTreeSet<String>) -> io::Result<Vec<Log>> {
        self.changed.extend(left);
        loop {
            self.find_new()?;
            // Whoever has more left does not keep the others from being seen.
            let also = self.read()?;
            self.changed.extend(also);
            if !self.changed.is_empty() {
                let changed = std::mem::take(&mut self.changed);
                return Ok(changed.iter().filter_map(|sandbox| self.known.get(sandbox).cloned()).collect());
            }
            self.wait().await?;
            tokio::time::sleep(self.linger).await;
        }
    }

    fn find_new(&mut self) -> io::Result<()> {
        for log in list(&self.root)? {
            if self.known.insert(log.sandbox.clone(), log.clone()).is_none() {
                self.watch(&log)?;
                self.changed.insert(log.sandbox);
            }
        }
        Ok(())
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

    /// Waits until something may have changed.
    async fn wait(&self) -> io::Result<()> {
        let mut ready = self.events.readable().await?;
        ready.clear_ready();
        Ok(())
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
