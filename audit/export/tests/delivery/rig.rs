//! Logs, a receiver, and the state of one export between them.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use audit_export::cursor::{Cursor, CursorError};
use audit_export::secret::SecretReader;
use audit_export::service::{Export, Notice, Service, ServiceError};
use audit_export::sink::{HttpTarget, Sink, Target, TlsFiles, Webhook};
use audit_export::{Format, Only, Pace};
use tokio::sync::Notify;

use crate::logs::TestLog;

pub(crate) const SANDBOX: &str = "test-0a1b2c3d";

/// Held while a program is started: until it runs, it has what the tests beside it have open, locks of exports included.
pub(crate) static STARTING: Mutex<()> = Mutex::new(());

/// The directories of one export.
pub(crate) struct Rig {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) only: Only,
    notices: Arc<Mutex<Vec<Notice>>>,
    told: Arc<Notify>,
    _patience: Patience,
}

/// Ends the whole program when a test hangs, so that who runs it learns which one: a receiver of somebody else may wait for ever, and
/// the clock of a test's own runtime may stand still.
struct Patience {
    _ends: mpsc::Sender<()>,
}

/// What the slowest of them takes many times over, on a machine with much to do.
const LONGEST: Duration = Duration::from_secs(600);

impl Patience {
    fn begin() -> Self {
        let (ends, ended) = mpsc::channel();
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        std::thread::spawn(move || {
            if ended.recv_timeout(LONGEST) == Err(mpsc::RecvTimeoutError::Timeout) {
                let told = format!("{test} hangs: it has not ended in {} s\n", LONGEST.as_secs());
                let _nobody = io::stderr().write_all(told.as_bytes());
                std::process::abort();
            }
        });
        Self { _ends: ends }
    }
}

/// A service that tells the rig what happens.
type Told = Service<Box<dyn Fn(Notice)>>;

impl Rig {
    /// With a log of `records`.
    pub(crate) fn with(records: u64) -> (Self, TestLog) {
        let folder = tempfile::tempdir().unwrap();
        let mut log = TestLog::new(&folder.path().join("audit"), SANDBOX);
        log.append(records);
        let (notices, told) = (Arc::default(), Arc::default());
        (Self { folder, only: Only::default(), notices, told, _patience: Patience::begin() }, log)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    pub(crate) fn cursor_file(&self) -> PathBuf {
        self.folder.path().join("state").join(format!("{SANDBOX}.json"))
    }

    pub(crate) fn cursor(&self) -> Cursor {
        Cursor::load(&self.cursor_file()).unwrap()
    }

    /// The export, as a process that begins has it.
    pub(crate) fn service(&self, target: Target, format: Format) -> Result<Told, ServiceError> {
        let export = Export {
            name: "test".to_owned(),
            format,
            sink: Sink::open(target, format).unwrap(),
            only: self.only.clone(),
            logs: self.root(),
            state: self.folder.path().join("state"),
            pace: Pace { first: Duration::from_millis(1), longest: Duration::from_millis(4) },
        };
        let (notices, told) = (Arc::clone(&self.notices), Arc::clone(&self.told));
        let report = move |notice| {
            notices.lock().unwrap().push(notice);
            told.notify_one();
        };
        let _no_program_starts = STARTING.lock().unwrap();
        Service::new(export, Arc::new(AtomicU64::new(0)), Box::new(report))
    }

    /// A service, once its state is free. A program that another test started may hold what this process had open a moment longer:
    /// the kernel lets whoever starts it go on before it closes that.
    fn free(&self, target: Target, format: Format) -> Told {
        let no_program_starts = STARTING.lock().unwrap();
        let state = self.folder.path().join("state");
        std::fs::create_dir_all(&state).unwrap();
        let lock = std::fs::File::create(state.join("lock")).unwrap();
        rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
        drop((lock, no_program_starts));
        self.service(target, format).unwrap()
    }

    /// Delivers all that is there, and returns what was told meanwhile.
    pub(crate) async fn drain(&self, target: Target, format: Format) -> Vec<Notice> {
        self.free(target, format).drain().await.unwrap();
        std::mem::take(&mut *self.notices.lock().unwrap())
    }

    /// Delivers what is there and what comes, until something is told that was waited for; returns all that was told.
    pub(crate) async fn run_until(
        &self,
        target: Target,
        mut seen: impl FnMut(&Notice) -> bool,
    ) -> Vec<Notice> {
        let mut service = self.free(target, Format::Json);
        let told = async {
            let mut all = Vec::new();
            loop {
                let new = std::mem::take(&mut *self.notices.lock().unwrap());
                let is_last = new.iter().any(&mut seen);
                all.extend(new);
                if is_last {
                    return all;
                }
                self.told.notified().await;
            }
        };
        tokio::select! {
            done = service.run() => panic!("it ended: {done:?}"),
            notices = told => notices,
        }
    }

    /// As [`Self::drain`], until the first notice: there it is stopped, as by a signal.
    pub(crate) async fn until_notice(&self, target: Target, format: Format) -> Notice {
        self.until_notices(target, format, 1).await.remove(0)
    }

    /// The same, until there are so many notices.
    pub(crate) async fn until_notices(&self, target: Target, format: Format, count: usize) -> Vec<Notice> {
        let mut service = self.free(target, format);
        let told = async {
            loop {
                if let Some(notices) = self.taken(count) {
                    return notices;
                }
                // Also of one that a drain has taken.
                self.told.notified().await;
            }
        };
        tokio::select! {
            done = service.drain() => panic!("it ended without a notice: {done:?}"),
            notices = told => notices,
        }
    }

    /// The notices, once there are so many.
    fn taken(&self, count: usize) -> Option<Vec<Notice>> {
        let mut notices = self.notices.lock().unwrap();
        (notices.len() >= count).then(|| std::mem::take(&mut *notices))
    }

    /// Why nothing can be delivered.
    pub(crate) async fn refused(&self, target: Target) -> CursorError {
        match self.free(target, Format::Json).drain().await {
            Err(ServiceError::Cursor(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

/// A receiver of HTTP without a secret.
pub(crate) fn http(url: &str) -> HttpTarget {
    HttpTarget {
        url: url.to_owned(),
        tls: TlsFiles::default(),
        headers: Vec::new(),
        patience: HttpTarget::PATIENCE,
    }
}

pub(crate) fn webhook(url: &str) -> Target {
    Target::Webhook(Webhook { http: http(url), secret: None })
}

pub(crate) fn secret(text: &'static str) -> SecretReader {
    SecretReader::new(move || Ok(wire::secret::Secret::new(text.to_owned())))
}

/// Everything from 1 to `last`, in order.
pub(crate) fn all(last: u64) -> Vec<u64> {
    (1..=last).collect()
}
