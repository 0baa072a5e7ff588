//! Ctrl-C while `vm run` makes the image that it needs: nothing of the build is left, and the next run can build.
//!
//! The build is the real one: mmdebstrap and apt, which asks a proxy that never answers and so stays where it is.

use std::fs;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use scenarios::residue::Residue;
use scenarios::{Outcome, Session, Started, cache};
use tempfile::TempDir;

/// How long apt may take to ask for its first file.
const PATIENCE: Duration = Duration::from_secs(120);

/// A proxy that takes connections and says nothing, and an image cache without images.
struct Stall {
    proxy: TcpListener,
    folder: TempDir,
}

impl Stall {
    fn new() -> Self {
        Self::made().expect("a test can listen and make files")
    }

    fn made() -> io::Result<Self> {
        let proxy = TcpListener::bind("127.0.0.1:0")?;
        proxy.set_nonblocking(true)?;
        let address = proxy.local_addr()?;
        let folder = tempfile::tempdir()?;
        let option = |scheme| format!("Acquire::{scheme}::Proxy \"http://{address}\";\n");
        fs::write(folder.path().join("apt.conf"), option("http") + &option("https"))?;
        fs::create_dir(folder.path().join("openshell"))?;
        symlink(cache().join("kernel"), folder.path().join("openshell/kernel"))?;
        Ok(Self { proxy, folder })
    }

    fn start(&self) -> Started {
        let cache = self.folder.path();
        Session::new("tiny").path("XDG_CACHE_HOME", cache).path("APT_CONFIG", cache.join("apt.conf")).start()
    }

    /// Waits until apt has come for its first file.
    fn reached(&self) -> TcpStream {
        let until = Instant::now() + PATIENCE;
        loop {
            match self.proxy.accept() {
                Ok((connection, _apt)) => return connection,
                Err(_nobody) if Instant::now() < until => std::thread::sleep(Duration::from_millis(50)),
                Err(error) => panic!("apt did not come: {error}"),
            }
        }
    }

    /// Files of the store that are not its locks.
    fn stored(&self) -> Vec<String> {
        let images = self.folder.path().join("openshell/images");
        ["work", "blobs", "names", "stamps"].iter().flat_map(|part| names(&images.join(part))).collect()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.path().display().to_string()).collect()
}

/// Processes that were started with this path in their arguments or environment.
fn processes_of(path: &Path) -> Vec<String> {
    let path = path.display().to_string();
    let mentions = |file: String| {
        fs::read(file).is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(path.as_str()))
    };
    let numbers =
        names(Path::new("/proc")).into_iter().filter(|entry| entry.ends_with(|c: char| c.is_ascii_digit()));
    numbers
        .filter(|entry| mentions(format!("{entry}/cmdline")) || mentions(format!("{entry}/environ")))
        .collect()
}

fn interrupted(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(130), "{outcome}");
    assert!(outcome.stderr.contains("openshell: interrupted\n  remedy: "), "{outcome}");
    assert_eq!(outcome.leftovers, Vec::<String>::new(), "{outcome}");
}

#[test]
fn a_signal_ends_the_build_and_the_next_run_builds_again() {
    let (before, stall) = (Residue::now(), Stall::new());
    for signal in [Signal::INT, Signal::TERM] {
        let started = stall.start();
        let _waiting = stall.reached();
        assert!(!processes_of(stall.folder.path()).is_empty(), "the build can be seen");
        let asked = Instant::now();
        started.signal(signal);
        interrupted(&started.outcome());
        assert!(asked.elapsed() < Duration::from_secs(15), "{:?} after {signal:?}", asked.elapsed());
        assert_eq!(processes_of(stall.folder.path()), Vec::<String>::new(), "after {signal:?}");
        assert_eq!(stall.stored(), Vec::<String>::new(), "after {signal:?}");
        assert_eq!(Residue::now(), before, "after {signal:?}");
    }
}

#[test]
fn a_run_that_waits_for_another_ones_build_can_be_interrupted_too() {
    let stall = Stall::new();
    let builder = stall.start();
    let _waiting = stall.reached();
    let waiter = stall.start();
    std::thread::sleep(Duration::from_secs(3));
    waiter.signal(Signal::INT);
    interrupted(&waiter.outcome());
    assert!(!processes_of(stall.folder.path()).is_empty(), "the build goes on");
    builder.signal(Signal::INT);
    interrupted(&builder.outcome());
    assert_eq!(processes_of(stall.folder.path()), Vec::<String>::new());
}
