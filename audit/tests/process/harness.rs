//! Starts `openshell-audit` the way the manager does.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use audit::Event;
use command_fds::{CommandFdExt as _, FdMapping};
use rustix::process::{Pid, Signal, kill_process};
use wire::audit::{AuditClient, AuditConfig, AuditEvent, AuditSync, Limits, OnFull};
use wire::spawn::{CONFIG_FD, FIRST_RESOURCE_FD, Fd, STATUS_FD};

pub(crate) const SANDBOX: &str = "test-0a1b2c3d";

/// A running writer; killed when dropped.
pub(crate) struct Writer {
    child: Option<Child>,
    events: BufReader<File>,
    log: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

/// What a writer has beside its log and its clients.
struct More {
    segments: Option<UnixStream>,
    signer: Option<UnixStream>,
    signed_within_ms: Option<u64>,
    segment_bytes: u64,
    sync: AuditSync,
    on_full: OnFull,
    open: fn(&Path) -> File,
}

impl More {
    fn nothing() -> Self {
        let sync = AuditSync::Interval(50);
        let (segments, signer, signed_within_ms) = (None, None, None);
        let (segment_bytes, on_full) = (u64::MAX, OnFull::Deny);
        Self { segments, signer, signed_within_ms, segment_bytes, sync, on_full, open }
    }
}

/// The other ends of a writer's sockets.
pub(crate) struct Ends {
    pub(crate) proxy: UnixStream,
    pub(crate) segments: UnixStream,
    pub(crate) leaves: UnixStream,
}

/// A log that outlives its writer.
pub(crate) struct KeptLog {
    path: PathBuf,
    _directory: Option<tempfile::TempDir>,
}

impl Writer {
    /// A ready writer on a new log, and its clients' sockets.
    pub(crate) fn start<const N: usize>(clients: [&str; N]) -> (Self, [UnixStream; N]) {
        let directory = tempfile::tempdir().unwrap();
        let (mut writer, sockets) = Self::start_on(&directory.path().join("log.jsonl"), clients);
        writer._directory = Some(directory);
        (writer, sockets)
    }

    /// A ready writer on this log.
    pub(crate) fn start_on<const N: usize>(log: &Path, clients: [&str; N]) -> (Self, [UnixStream; N]) {
        let (writer, sockets) = Self::spawn_on(log, clients);
        (writer.ready(), sockets)
    }

    /// A ready writer whose files may not grow beyond `bytes`.
    pub(crate) fn start_limited<const N: usize>(
        log: &Path,
        bytes: u64,
        clients: [&str; N],
    ) -> (Self, [UnixStream; N]) {
        let (writer, sockets) = Self::spawn(limited(bytes), log, clients);
        (writer.ready(), sockets)
    }

    /// The same, when actions may go on without a record.
    pub(crate) fn start_degrading<const N: usize>(
        log: &Path,
        bytes: u64,
        clients: [&str; N],
    ) -> (Self, [UnixStream; N]) {
        let more = More { on_full: OnFull::Degrade, ..More::nothing() };
        let (writer, sockets) = Self::spawn_with(limited(bytes), log, clients, more);
        (writer.ready(), sockets)
    }

    /// The same, on a log that cannot be written at all.
    pub(crate) fn start_degrading_on_read_only<const N: usize>(
        log: &Path,
        clients: [&str; N],
    ) -> (Self, [UnixStream; N]) {
        let open = |log: &Path| File::open(log).unwrap();
        let more = More { on_full: OnFull::Degrade, open, ..More::nothing() };
        let command = Command::new(env!("CARGO_BIN_EXE_openshell-audit"));
        let (writer, sockets) = Self::spawn_with(command, log, clients, more);
        (writer.ready(), sockets)
    }

    /// Its files may grow as long as they like from now on.
    pub(crate) fn make_room(&self) {
        let pid = Pid::from_raw(i32::try_from(self.pid()).unwrap());
        let limit = rustix::process::Rlimit { current: None, maximum: None };
        rustix::process::prlimit(pid, rustix::process::Resource::Fsize, limit).unwrap();
    }

    /// A writer that may fail to start.
    pub(crate) fn spawn_on<const N: usize>(log: &Path, clients: [&str; N]) -> (Self, [UnixStream; N]) {
        Self::spawn(Command::new(env!("CARGO_BIN_EXE_openshell-audit")), log, clients)
    }

    /// A ready writer on the first segment of the log in `directory`, and what the manager and the signer have of it.
    pub(crate) fn start_in(directory: &Path, segment_bytes: u64, sync: AuditSync) -> (Self, Ends) {
        let command = Command::new(env!("CARGO_BIN_EXE_openshell-audit"));
        Self::spawn_in(directory, command, More { segment_bytes, sync, ..More::nothing() })
    }

    /// The same, whose signer has so many milliseconds for a record.
    pub(crate) fn start_signed_within(directory: &Path, milliseconds: u64) -> (Self, Ends) {
        let command = Command::new(env!("CARGO_BIN_EXE_openshell-audit"));
        let signed_within_ms = Some(milliseconds);
        Self::spawn_in(directory, command, More { signed_within_ms, ..More::nothing() })
    }

    /// The same, on a file that takes what is written and never says that it is on a disk.
    pub(crate) fn start_without_disk(directory: &Path, sync: AuditSync) -> (Self, Ends) {
        let open = |_log: &Path| File::options().read(true).append(true).open("/dev/null").unwrap();
        let command = Command::new(env!("CARGO_BIN_EXE_openshell-audit"));
        Self::spawn_in(directory, command, More { sync, open, ..More::nothing() })
    }

    /// The same, whose files may not grow beyond `bytes`, and whose actions may go on without a record.
    pub(crate) fn start_degrading_in(directory: &Path, segment_bytes: u64, bytes: u64) -> (Self, Ends) {
        let more = More { segment_bytes, on_full: OnFull::Degrade, ..More::nothing() };
        Self::spawn_in(directory, limited(bytes), more)
    }

    fn spawn_in(directory: &Path, command: Command, more: More) -> (Self, Ends) {
        let (segments, to_segments) = UnixStream::pair().unwrap();
        let (leaves, to_signer) = UnixStream::pair().unwrap();
        let more = More { segments: Some(to_segments), signer: Some(to_signer), ..more };
        let first = directory.join(audit::log::segments::name(1));
        let (mut writer, [proxy]) = Self::spawn_with(command, &first, ["proxy"], more);
        directory.clone_into(&mut writer.log);
        (writer.ready(), Ends { proxy, segments, leaves })
    }

    fn spawn<const N: usize>(command: Command, log: &Path, clients: [&str; N]) -> (Self, [UnixStream; N]) {
        Self::spawn_with(command, log, clients, More::nothing())
    }

    fn spawn_with<const N: usize>(
        mut command: Command,
        log: &Path,
        clients: [&str; N],
        more: More,
    ) -> (Self, [UnixStream; N]) {
        let file = (more.open)(log);
        let pairs = clients.map(|name| (name, UnixStream::pair().unwrap()));
        let mut resources: Vec<OwnedFd> = vec![file.into()];
        let mut described = Vec::new();
        let ours = pairs.map(|(name, (ours, theirs))| {
            let number = FIRST_RESOURCE_FD.0 + i32::try_from(resources.len()).unwrap();
            described.push(AuditClient { name: name.to_owned(), socket: Fd(number) });
            resources.push(theirs.into());
            ours
        });
        let mut add = |socket: Option<UnixStream>| {
            let number = FIRST_RESOURCE_FD.0 + i32::try_from(resources.len()).unwrap();
            socket.map(|socket| {
                resources.push(socket.into());
                Fd(number)
            })
        };
        let config = AuditConfig {
            version: wire::VERSION,
            tenant: wire::id::TenantId::default(),
            agent: "test".to_owned(),
            sandbox: SANDBOX.to_owned().try_into().unwrap(),
            log: FIRST_RESOURCE_FD,
            resumed: None,
            segments: add(more.segments),
            segment_bytes: more.segment_bytes,
            sync: more.sync,
            on_full: more.on_full,
            limits: Limits::NONE,
            signer: add(more.signer),
            signed_within_ms: more.signed_within_ms,
            clients: described,
            user: None,
        };
        let (config_read, mut config_write) = std::io::pipe().unwrap();
        config_write.write_all(&serde_json::to_vec(&config).unwrap()).unwrap();
        drop(config_write);
        let (status_read, status_write) = std::io::pipe().unwrap();
        let fixed = [(CONFIG_FD, config_read.into()), (STATUS_FD, status_write.into())];
        let numbered = resources.into_iter().zip(FIRST_RESOURCE_FD.0..).map(|(fd, number)| (Fd(number), fd));
        let mappings = fixed.into_iter().chain(numbered);
        let mappings =
            mappings.map(|(number, parent_fd)| FdMapping { parent_fd, child_fd: number.0 }).collect();
        command.fd_mappings(mappings).unwrap().stdin(Stdio::null());
        let child = command.spawn().unwrap();
        let events = BufReader::new(File::from(OwnedFd::from(status_read)));
        (Self { child: Some(child), events, log: log.to_owned(), _directory: None }, ours)
    }

    fn ready(mut self) -> Self {
        let event = self.event();
        assert!(matches!(event, AuditEvent::Ready { .. }), "{event:?}");
        self
    }

    /// The next event that the writer reports.
    pub(crate) fn event(&mut self) -> AuditEvent {
        let mut line = String::new();
        self.events.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).unwrap();
        kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
    }

    /// Waits for the end of the process and returns its exit code.
    pub(crate) fn wait(mut self) -> Option<i32> {
        self.child.take().unwrap().wait().unwrap().code()
    }

    /// Waits for the end of the process, whose clients are gone, and returns its log.
    pub(crate) fn keep(mut self) -> KeptLog {
        self.child.take().unwrap().wait().unwrap();
        KeptLog { path: self.log.clone(), _directory: self._directory.take() }
    }

    pub(crate) fn kill(mut self) {
        end(self.child.take());
    }

    /// Kills the writer after a time that is measured from now.
    pub(crate) fn kill_after(mut self, delay: Duration) -> JoinHandle<()> {
        let child = self.child.take();
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            end(child);
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        end(self.child.take());
    }
}

impl KeptLog {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

fn open(log: &Path) -> File {
    File::options().read(true).append(true).create(true).open(log).unwrap()
}

/// A writer whose files may not grow beyond `bytes`, until it is given room.
fn limited(bytes: u64) -> Command {
    let mut command = Command::new("prlimit");
    command.args([&format!("--fsize={bytes}:unlimited"), "--", env!("CARGO_BIN_EXE_openshell-audit")]);
    command
}

/// The event as a frame of the protocol.
pub(crate) fn line_of(event: &Event) -> Vec<u8> {
    let body = serde_json::to_vec(event).unwrap();
    [&u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
}

/// The body of the next reply.
pub(crate) fn read_reply(socket: &mut UnixStream) -> Vec<u8> {
    let mut prefix = [0; 4];
    socket.read_exact(&mut prefix).unwrap();
    let mut body = vec![0; usize::try_from(u32::from_le_bytes(prefix)).unwrap()];
    socket.read_exact(&mut body).unwrap();
    body
}

fn end(child: Option<Child>) {
    if let Some(mut child) = child {
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
