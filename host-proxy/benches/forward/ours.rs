//! The product: the real proxy, jailed, under a policy of many rules, and the real audit writer behind it.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicU64;

use command_fds::{CommandFdExt as _, FdMapping};
use wire::audit::{AuditClient, AuditConfig, AuditEvent, AuditSync, Limits, OnFull};
use wire::spawn::{CONFIG_FD, FIRST_RESOURCE_FD, Fd, STATUS_FD};

use crate::NAME;
use crate::certificates;
use crate::client::{Client, Entry, Flows};
use crate::harness::{Bench, Setting, curl};
use crate::process::{Process, measured};

/// Rules beside the one that allows what is asked for.
const OTHER_RULES: usize = 100;

/// A sandbox's proxy and its audit writer.
pub(crate) struct Ours {
    pub(crate) proxy: Bench,
    pub(crate) writer: Process,
    pub(crate) client: Client,
    _log: tempfile::TempDir,
}

/// What the policy lets through of the origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// What is asked for.
    All,
    /// Something else.
    Other,
}

/// Whether records have digests of bodies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Digests {
    On,
    Off,
}

impl Ours {
    pub(crate) fn start(writer: &Path, digests: Digests, port: u16, root_pem: &str) -> Self {
        let log = tempfile::tempdir().unwrap();
        let (writer, socket) = start_writer(writer, &log.path().join("log.jsonl"));
        let setting = Setting::new(policy(port, Allowed::All));
        let setting = Setting { writer: Some(socket), digests: digests == Digests::On, ..setting };
        let proxy = measured(|| setting.host(NAME).trusting(root_pem).start());
        let flows = Flows {
            socket: proxy.folder.path().join("2.sock"),
            key: proxy.key.clone(),
            destination: (proxy.resolve(NAME), port).into(),
            subject: curl(),
            next: AtomicU64::new(1),
        };
        let client =
            Client { entry: Entry::Flow(flows), tls: certificates::client(&proxy.authority_pem), port };
        Self { proxy, writer, client, _log: log }
    }
}

/// One rule for the origin behind many others.
pub(crate) fn policy(port: u16, allowed: Allowed) -> String {
    let mut policy = "version: 1\nnetwork:\n".to_owned();
    let path = if allowed == Allowed::All { "/v1/**" } else { "/v2/**" };
    let others = (0..OTHER_RULES).map(|number| (format!("other-{number}.bench.example:443"), "/v1/**"));
    for (number, (destination, path)) in others.chain([(format!("{NAME}:{port}"), path)]).enumerate() {
        writeln!(
            policy,
            "  - name: rule-{number}
    binary: {{allow: [curl, python3]}}
    destination: {{allow: ['{destination}']}}
    method: {{allow: [GET, HEAD, POST]}}
    path: {{allow: ['{path}'], deny: ['/v1/admin/*']}}"
        )
        .expect("a String takes it");
    }
    policy
}

/// A ready audit writer, as the manager starts it, and the proxy's end of its socket.
fn start_writer(program: &Path, log: &Path) -> (Process, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let file = OpenOptions::new().read(true).append(true).create(true).open(log).unwrap();
    let socket = Fd(FIRST_RESOURCE_FD.0 + 1);
    let config = AuditConfig {
        version: wire::VERSION,
        sandbox: "bench-0a1b2c3d".to_owned().try_into().unwrap(),
        tenant: wire::id::TenantId::default(),
        agent: "bench".to_owned(),
        log: FIRST_RESOURCE_FD,
        resumed: None,
        segments: None,
        segment_bytes: u64::MAX,
        sync: AuditSync::Interval(50),
        on_full: OnFull::Deny,
        limits: Limits::NONE,
        signer: None,
        signed_within_ms: None,
        clients: vec![AuditClient { name: "proxy".to_owned(), socket }],
        user: None,
    };
    let (config_read, mut config_write) = std::io::pipe().unwrap();
    config_write.write_all(&serde_json::to_vec(&config).unwrap()).unwrap();
    drop(config_write);
    let (status_read, status_write) = std::io::pipe().unwrap();
    let fds: [(Fd, OwnedFd); 4] = [
        (CONFIG_FD, config_read.into()),
        (STATUS_FD, status_write.into()),
        (FIRST_RESOURCE_FD, file.into()),
        (socket, theirs.into()),
    ];
    let mappings = fds.map(|(number, parent_fd)| FdMapping { parent_fd, child_fd: number.0 }).into();
    let mut command = Command::new(program);
    command.fd_mappings(mappings).unwrap();
    let writer = Process::start(&mut command);
    // The command holds the writer's ends as well: a dead writer must end what is read here.
    drop(command);
    let mut line = String::new();
    BufReader::new(File::from(OwnedFd::from(status_read))).read_line(&mut line).unwrap();
    let event: AuditEvent = serde_json::from_str(&line).unwrap();
    assert!(matches!(event, AuditEvent::Ready { .. }), "{event:?}");
    (writer, ours)
}
