//! Starts both processes on a log as the manager does, also on one that others left.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, IoSlice, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use audit::checkpoint::{VerifyingKey, new_pem, public, read_pem};
use audit::client::Blocking;
use audit::log::{packed, segments};
use audit::verify::{CHECKPOINTS, Interrupted};
use audit::{Action, Decision, Event, Object, Receipt};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use wire::audit::{
    AuditClient, AuditConfig, AuditEvent, AuditSync, Limits, OnFull, SignEvent, SignResumed, SigningKey,
};
use wire::secret::Secret;

use crate::start::{Resources, SANDBOX, Signing, Started, start};

/// How much of a log is put off.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) segment_bytes: u64,
    pub(crate) sync_ms: u32,
    pub(crate) sign_ms: u32,
}

/// A log, and who signs it.
pub(crate) struct Rig {
    pace: Pace,
    directory: tempfile::TempDir,
    pub(crate) log: PathBuf,
    pem: String,
}

/// Both processes, and the clients' sockets.
pub(crate) struct Running {
    pub(crate) writer: Child,
    pub(crate) signer: Child,
    pub(crate) clients: Vec<UnixStream>,
    /// Hands over segments until the writer is gone.
    pub(crate) feeding: JoinHandle<()>,
}

impl Rig {
    pub(crate) fn new(pace: Pace) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // As the command has it, so that this recovers it.
        let home = directory.path().join("openshell");
        let log = home.join("audit").join(SANDBOX);
        fs::create_dir_all(&log).unwrap();
        fs::create_dir(directory.path().join("run")).unwrap();
        let pem = new_pem().unwrap().to_string();
        let key = home.join("key.pem");
        fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&key)
            .unwrap()
            .write_all(pem.as_bytes())
            .unwrap();
        let settings = format!("signing: {{name: test, key: {{file: {}}}}}\n", key.display());
        fs::write(home.join("audit.yaml"), settings).unwrap();
        Self { pace, directory, log, pem }
    }

    /// The command that closes the log.
    pub(crate) fn recover(&self) -> Command {
        let mut command = Command::new(beside("openshell", "cli"));
        for home in ["XDG_STATE_HOME", "XDG_CONFIG_HOME"] {
            command.env(home, self.directory.path());
        }
        command.env("XDG_RUNTIME_DIR", self.directory.path().join("run"));
        let [key] = self.keys();
        command.args(["audit", "recover", SANDBOX, "--key", &key.to_string()]).stdin(Stdio::null());
        command
    }

    /// Waits until no process has the log any more that somebody started who was killed since.
    pub(crate) fn until_nobody_writes(&self) {
        for number in segments::list(&self.log).unwrap() {
            match File::open(self.log.join(segments::name(number))) {
                Ok(segment) => segment.lock().unwrap(),
                Err(packed) => assert_eq!(packed.kind(), std::io::ErrorKind::NotFound),
            }
        }
    }

    pub(crate) fn keys(&self) -> [VerifyingKey; 1] {
        [VerifyingKey::new("test", public(&read_pem(&self.pem).unwrap())).unwrap()]
    }

    /// Starts both on the log as it is. They are ready.
    pub(crate) fn go_on<const N: usize>(&self, clients: [&str; N]) -> Running {
        if segments::list(&self.log).unwrap().is_empty() {
            return self.run(clients, (new_segment(&self.log, 1), 1), None);
        }
        let left = Interrupted::read(&self.log, &[], &self.keys()).unwrap();
        let segment = left.settle(&[]).unwrap();
        self.run(clients, (segment, left.segment), Some(&left))
    }

    fn run<const N: usize>(
        &self,
        clients: [&str; N],
        (segment, number): (File, u64),
        left: Option<&Interrupted>,
    ) -> Running {
        let (mut to_signer, leaves) = UnixStream::pair().unwrap();
        let mut signer = self.sign(leaves, left.map(|left| left.signer.clone()));
        let event: SignEvent = signer.event();
        assert!(matches!(event, SignEvent::Ready { .. }), "{event:?}");
        for leaf in left.iter().flat_map(|left| &left.leaves) {
            to_signer.write_all(leaf.as_bytes()).unwrap();
        }
        let (ours, theirs): (Vec<_>, Vec<_>) =
            clients.iter().map(|_client| UnixStream::pair().unwrap()).unzip();
        let mut resources = Resources::default();
        let (manager, segments) = UnixStream::pair().unwrap();
        let config = AuditConfig {
            version: wire::VERSION,
            tenant: wire::id::TenantId::default(),
            agent: "test".to_owned(),
            sandbox: SANDBOX.to_owned().try_into().unwrap(),
            log: resources.add(segment),
            resumed: left.map(|left| left.writer.clone()),
            segments: Some(resources.add(segments)),
            segment_bytes: self.pace.segment_bytes,
            sync: AuditSync::Interval(self.pace.sync_ms),
            on_full: OnFull::Deny,
            limits: Limits::NONE,
            signer: Some(resources.add(to_signer)),
            signed_within_ms: None,
            clients: clients
                .into_iter()
                .zip(theirs)
                .map(|(name, socket)| AuditClient { name: name.to_owned(), socket: resources.add(socket) })
                .collect(),
            user: None,
        };
        let mut writer = start(Command::new(beside("openshell-audit", "audit")), &config, resources);
        let event: AuditEvent = writer.event();
        assert!(matches!(event, AuditEvent::Ready { .. }), "{event:?}");
        let (log, events) = (self.log.clone(), writer.events);
        let feeding = std::thread::spawn(move || feed(&log, number, (events, &manager)));
        Running { writer: writer.child, signer: signer.child, clients: ours, feeding }
    }

    fn sign(&self, leaves: UnixStream, resumed: Option<SignResumed>) -> Started {
        let key = SigningKey::Pem(Secret::new(self.pem.clone()));
        Signing { key, interval_ms: self.pace.sign_ms, resumed }.start(
            leaves,
            &[self.log.join(CHECKPOINTS)],
            |_command| {},
        )
    }

    /// Why a signer does not go on from this.
    pub(crate) fn refused(&self, from: SignResumed) -> String {
        let (_writer, leaves) = UnixStream::pair().unwrap();
        let mut signer = self.sign(leaves, Some(from));
        let event: SignEvent = signer.event();
        signer.child.wait().unwrap();
        let SignEvent::Failed { cause, .. } = event else { panic!("{event:?}") };
        cause
    }
}

/// A program of another package, which is built beside the signer.
fn beside(program: &str, package: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_openshell-sign")).with_file_name(program);
    assert!(path.exists(), "cargo build --release --package {package} makes {}", path.display());
    path
}

/// What the manager does for a writer, until that is gone.
fn feed(log: &Path, mut last: u64, (events, writer): (BufReader<File>, &UnixStream)) {
    for line in events.lines() {
        match serde_json::from_str(&line.unwrap()).unwrap() {
            AuditEvent::SegmentFull => {
                last += 1;
                hand_over(writer, &new_segment(log, last));
            }
            AuditEvent::SegmentClosed => packed::pack(log, last - 1).unwrap(),
            // Without its signer.
            AuditEvent::Failed { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

fn new_segment(log: &Path, number: u64) -> File {
    let path = log.join(segments::name(number));
    let file = File::options().read(true).append(true).create_new(true).open(path).unwrap();
    file.try_lock().unwrap();
    file
}

fn hand_over(writer: &UnixStream, segment: &File) {
    let files = [segment.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    assert!(ancillary.push(SendAncillaryMessage::ScmRights(&files)));
    // A writer that was killed takes none.
    let _gone = sendmsg(writer, &[IoSlice::new(&[0; 8])], &mut ancillary, SendFlags::NOSIGNAL);
}

/// Appends as fast as receipts come, until the writer is gone.
pub(crate) fn append_on_a_thread((socket, client): (UnixStream, u64)) -> JoinHandle<Vec<Receipt>> {
    std::thread::spawn(move || {
        let mut client_end = Blocking::new(socket);
        let event = |number: u64| Event {
            object: Some(Object::destination("api.example.com", 443).with_request(
                "GET",
                &format!("/item/{client}/{number}"),
                None,
            )),
            decision: Some(Decision::Allow),
            ..Event::new(Action::NetworkRequest)
        };
        (1..).map_while(|number| client_end.append(&event(number)).ok()?.receipt()).collect()
    })
}
