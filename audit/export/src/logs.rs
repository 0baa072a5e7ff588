//! The logs of a user's sandboxes, and word of which of them changed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use tokio::io::unix::AsyncFd;

/// One log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log {
    /// The sandbox's id.
    pub sandbox: String,
    /// A directory of segments, or one file.
    pub path: PathBuf,
}

/// Every log in `root`, by name; none, if there is no such directory.
///
/// # Errors
/// The directory cannot be read.
pub fn list(root: &Path) -> io::Result<Vec<Log>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut logs = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let Some(sandbox) = sandbox(&entry.file_name()) else { continue };
        let is_directory = entry.file_type()?.is_dir();
        // A log that was one file before it became a directory is read to its end under its old name.
        if is_directory || !logs.contains_key(&sandbox) {
            logs.insert(sandbox, entry.path());
        }
    }
    Ok(logs.into_iter().map(|(sandbox, path)| Log { sandbox, path }).collect())
}

/// `ID` of a directory and `ID.jsonl` of a file. Nothing else becomes part of a path of ours.
fn sandbox(name: &OsStr) -> Option<String> {
    let name = name.to_str()?;
    let id = name.strip_suffix(".jsonl").unwrap_or(name);
    wire::id::is_label(id).then(|| id.to_owned())
}

/// Tells which logs changed.
#[derive(Debug)]
pub(crate) struct Changes {
    root: PathBuf,
    events: AsyncFd<OwnedFd>,
    /// What is watched, by the kernel's number of it.
    watched: BTreeMap<i32, String>,
}

impl Changes {
    /// # Errors
    /// The kernel cannot watch the directory.
    pub(crate) fn new(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let events = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY;
        inotify::add_watch(&events, root, what)?;
        #[expect(deprecated, reason = "it is unsound for what changes its descriptor; an OwnedFd never does")]
        let events = AsyncFd::new(events)?;
        Ok(Self { root: root.to_owned(), events, watched: BTreeMap::new() })
    }

    /// Watches each log of now. Watching one twice is watching it once.
    pub(crate) fn watch(&mut self, logs: &[Log]) -> io::Result<()> {
        for log in logs.iter().filter(|log| log.path.is_dir()) {
            let what = WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::MODIFY;
            match inotify::add_watch(self.events.get_ref(), &log.path, what) {
                Ok(number) => drop(self.watched.insert(number, log.sandbox.clone())),
                // It was removed meanwhile.
                Err(rustix::io::Errno::NOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until something changed; returns the sandboxes whose logs did.
    pub(crate) async fn wait(&mut self) -> io::Result<BTreeSet<String>> {
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
                    let in_root = event.file_name().and_then(|name| sandbox(OsStr::new(name.to_str().ok()?)));
                    changed.extend(self.watched.get(&event.wd()).cloned().or(in_root));
                }
                Err(rustix::io::Errno::AGAIN) => return Ok(changed),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
