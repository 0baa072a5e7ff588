//! The proxy's surroundings: the real binary, with this file in the place of manager, guest and audit writer.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use hickory_proto::op::{Message, Query as DnsQuery, ResponseCode};
use hickory_proto::rr::{Name, RData, RecordType};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;
use wire::credential::Credential;
use wire::flow::{Flow, FlowKey, SealedFlow};
use wire::frame;
use wire::id::{FlowId, PolicyVersion, RequestId, SandboxId};
use wire::inbound::{Inbound, Opening};
use wire::name::{Query, Reply};
use wire::proposal::Standing;
use wire::proxy::{self, ProxyCommand, ProxyConfig, ProxyEvent, Upstream};
use wire::spawn::Fd;
use wire::subject::{Program, Subject};

/// Longer than anything in a test should take, shorter than a patient human.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Most bytes of an answer that are read at once.
const PIECE: usize = 4096;

/// What a test decides about the proxy.
pub(crate) struct Setting {
    pub(crate) policy: String,
    pub(crate) upstream: Upstream,
    pub(crate) router: Option<PathBuf>,
    pub(crate) inbound: Option<Doors>,
    pub(crate) credentials: Vec<Credential>,
    /// Whether records have digests of bodies.
    pub(crate) digests: bool,
    /// The socket of an audit writer. `None`: this file is the writer.
    pub(crate) writer: Option<UnixStream>,
}

/// Open ports, and the folder of the guest's socket.
pub(crate) struct Doors {
    pub(crate) folder: PathBuf,
    pub(crate) openings: Vec<(Opening, TcpListener)>,
}

/// A running proxy.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) authority_pem: String,
    pub(crate) child: Child,
    pub(crate) key: FlowKey,
    pub(crate) audit: Audit,
    names: Mutex<UnixStream>,
    next_flow: AtomicU64,
    manager: Mutex<Manager>,
}

/// The manager's two ends.
struct Manager {
    commands: UnixStream,
    status: UnixStream,
    version: PolicyVersion,
    /// What came unasked, while an answer was waited for.
    unasked: Vec<ProxyEvent>,
}

/// What the audit writer was told.
#[derive(Clone, Default)]
pub(crate) struct Audit {
    events: Arc<(Mutex<Vec<Value>>, Condvar)>,
    refuses: Arc<AtomicBool>,
    /// Milliseconds that each record takes.
    delay: Arc<AtomicU64>,
}

impl Setting {
    pub(crate) fn new(policy: impl Into<String>) -> Self {
        let upstream = Upstream { allow_addresses: vec!["127.0.0.1/32".to_owned()], ..Upstream::default() };
        Self {
            policy: policy.into(),
            upstream,
            router: None,
            inbound: None,
            credentials: Vec::new(),
            digests: true,
            writer: None,
        }
    }

    /// `name` leads to this machine.
    pub(crate) fn host(self, name: &str) -> Self {
        self.host_at(name, Ipv4Addr::LOCALHOST.into())
    }

    pub(crate) fn host_at(mut self, name: &str, address: IpAddr) -> Self {
        self.upstream.hosts.insert(name.to_owned(), address);
        self
    }

    pub(crate) fn trusting(mut self, pem: &str) -> Self {
        self.upstream.extra_roots_pem.push_str(pem);
        self
    }

    pub(crate) fn with(mut self, credential: Credential) -> Self {
        self.credentials.push(credential);
        self
    }

    pub(crate) fn start(self) -> Bench {
        Bench::start(self)
    }
}

impl Doors {
    /// The config, its folder and the listeners, which are numbered from 10.
    fn into_parts(self) -> (Option<(PathBuf, Inbound)>, Vec<TcpListener>) {
        let (mut openings, listeners): (Vec<Opening>, Vec<TcpListener>) = self.openings.into_iter().unzip();
        openings.iter_mut().zip(10..).for_each(|(opening, number)| opening.listener = Fd(number));
        (Some((self.folder, Inbound { openings, guest: "guest.sock".to_owned() })), listeners)
    }
}

/// Starts the proxy with these descriptors; our side of them is closed.
fn spawn(mappings: Vec<FdMapping>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-proxy"));
    command.fd_mappings(mappings).unwrap();
    command.spawn().unwrap()
}

/// A router that stands for one provider's host too.
fn router(_folder: PathBuf) -> wire::proxy::Router {
    let hosts = ["api.models.example".to_owned()].into();
    wire::proxy::Router { socket: "router.sock".to_owned(), hosts }
}

impl Bench {
    fn start(setting: Setting) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let flows = UnixListener::bind(folder.path().join("2.sock")).unwrap();
        let names = UnixListener::bind(folder.path().join("3.sock")).unwrap();
        let (socket, audit) = setting.writer.map_or_else(Audit::here, |writer| (writer, Audit::default()));
        let (ear, commands) = UnixStream::pair().unwrap();
        let key = FlowKey([7; 32]);
        let (doors, listeners) = setting.inbound.map_or((None, Vec::new()), Doors::into_parts);
        let (folder_of_sockets, inbound) = match doors {
            Some((folder, inbound)) => (Some(folder), Some(inbound)),
            None => (setting.router.clone(), None),
        };
        let config = ProxyConfig {
            version: wire::VERSION,
            sandbox: SandboxId::try_from("test-00000001".to_owned()).unwrap(),
            flow_key: key.clone(),
            flows: Fd(5),
            names: Fd(6),
            audit: Fd(7),
            commands: Fd(8),
            sockets: folder_of_sockets.as_ref().map(|_| Fd(9)),
            router: setting.router.map(router),
            inbound,
            policy: setting.policy,
            credentials: setting.credentials,
            upstream: setting.upstream,
            digests: setting.digests,
            user: None,
        };
        let (mut config_in, config_out) = UnixStream::pair().unwrap();
        let (status_in, status_out) = UnixStream::pair().unwrap();
        let mut mappings = vec![
            FdMapping { parent_fd: config_out.into(), child_fd: 3 },
            FdMapping { parent_fd: status_out.into(), child_fd: 4 },
            FdMapping { parent_fd: flows.into(), child_fd: 5 },
            FdMapping { parent_fd: names.into(), child_fd: 6 },
            FdMapping { parent_fd: socket.into(), child_fd: 7 },
            FdMapping { parent_fd: ear.into(), child_fd: 8 },
        ];
        if let Some(directory) = folder_of_sockets {
            mappings
                .push(FdMapping { parent_fd: std::fs::File::open(directory).unwrap().into(), child_fd: 9 });
        }
        let numbered = listeners.into_iter().zip(10..);
        mappings.extend(numbered.map(|(fd, child_fd)| FdMapping { parent_fd: fd.into(), child_fd }));
        let child = spawn(mappings);
        config_in.write_all(&serde_json::to_vec(&config).unwrap()).unwrap();
        drop(config_in);
        let (authority_pem, status) = ready(status_in);
        let names = Mutex::new(UnixStream::connect(folder.path().join("3.sock")).unwrap());
        Self {
            folder,
            authority_pem,
            child,
            key,
            audit,
            names,
            next_flow: AtomicU64::new(1),
            manager: Mutex::new(Manager::new(commands, status)),
        }
    }

    /// Sends a policy as the manager does; returns what the proxy answers.
    pub(crate) fn set_policy(&self, policy: &str) -> ProxyEvent {
        self.set(policy, proxy::Doors::Open)
    }

    /// Puts the sandbox into quarantine as the manager does, and says that nothing is allowed.
    pub(crate) fn quarantine(&self) -> ProxyEvent {
        self.set("version: 1\nnetwork: []\n", proxy::Doors::Shut)
    }

    fn set(&self, policy: &str, doors: proxy::Doors) -> ProxyEvent {
        let mut manager = self.manager.lock().unwrap();
        manager.version = manager.version.next();
        let command = ProxyCommand::SetPolicy { version: manager.version, policy: policy.to_owned(), doors };
        manager.command(&command)
    }

    /// Ends the proxy as the manager does, and waits until it is gone.
    pub(crate) fn end(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }

    /// Replaces the credentials as the manager does.
    pub(crate) fn set_credentials(&self, credentials: Vec<Credential>) -> ProxyEvent {
        self.manager.lock().unwrap().command(&ProxyCommand::SetCredentials { credentials })
    }

    /// What the proxy tells the manager unasked.
    pub(crate) fn told(&self) -> ProxyEvent {
        let mut manager = self.manager.lock().unwrap();
        if manager.unasked.is_empty() { event(&mut manager.status) } else { manager.unasked.remove(0) }
    }

    /// Tells the proxy how a proposal stands, as the manager does.
    pub(crate) fn stands(&self, id: &str, standing: Standing) {
        let command = ProxyCommand::ProposalStands { id: RequestId(id.to_owned()), standing };
        let line = format!("{}\n", serde_json::to_string(&command).unwrap());
        self.manager.lock().unwrap().commands.write_all(line.as_bytes()).unwrap();
    }

    /// What the guest's resolver hears about a name.
    pub(crate) fn ask(&self, name: &str, kind: RecordType) -> Message {
        let mut message = Message::query();
        message.metadata.id = 7;
        message.add_query(DnsQuery::query(Name::from_ascii(name).unwrap(), kind));
        let reply = self.ask_raw(message.to_vec().unwrap());
        let reply = Message::from_vec(&reply).unwrap();
        assert_eq!(reply.metadata.id, 7);
        reply
    }

    pub(crate) fn ask_raw(&self, message: Vec<u8>) -> Vec<u8> {
        let mut names = self.names.lock().unwrap();
        frame::write(&mut *names, &Query { id: 3, subject: curl(), message }).unwrap();
        let reply: Reply = frame::read(&mut *names, frame::SMALL).unwrap();
        assert_eq!(reply.id, 3);
        reply.message
    }

    /// The address that stands for an allowed name.
    pub(crate) fn resolve(&self, name: &str) -> Ipv4Addr {
        let reply = self.ask(name, RecordType::A);
        assert_eq!(reply.metadata.response_code, ResponseCode::NoError, "{name} has no address in the guest");
        match reply.answers.first().map(|answer| &answer.data) {
            Some(RData::A(address)) => address.0,
            other => panic!("no address for {name}: {other:?}"),
        }
    }

    /// [`Self::resolve`], for a policy that may be away for a moment.
    pub(crate) fn resolve_once(&self, name: &str) -> Ipv4Addr {
        loop {
            let reply = self.ask(name, RecordType::A);
            if let Some(RData::A(address)) = reply.answers.first().map(|answer| &answer.data) {
                return address.0;
            }
        }
    }

    /// A flow as guest-init opens it, by `subject` to `destination`.
    pub(crate) fn flow(&self, destination: SocketAddr, subject: Subject) -> UnixStream {
        let id = FlowId(self.next_flow.fetch_add(1, Ordering::Relaxed));
        let sealed = SealedFlow::seal(&Flow { id, destination, subject }, &self.key).unwrap();
        self.sealed_flow(&sealed)
    }

    pub(crate) fn sealed_flow(&self, sealed: &SealedFlow) -> UnixStream {
        let mut stream = self.raw_flow();
        frame::write(&mut stream, sealed).unwrap();
        stream
    }

    pub(crate) fn raw_flow(&self) -> UnixStream {
        let stream = UnixStream::connect(self.folder.path().join("2.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// curl connects to a name.
    pub(crate) fn connect(&self, name: &str, port: u16) -> UnixStream {
        self.flow((self.resolve(name), port).into(), curl())
    }

    /// A door for real clients: what connects to the returned address becomes a flow of `subject` to `destination`.
    pub(crate) fn door(&self, at: SocketAddr, destination: SocketAddr, subject: Subject) -> SocketAddr {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let (socket, key) = (self.folder.path().join("2.sock"), self.key.clone());
        std::thread::spawn(move || {
            for (client, number) in listener.incoming().zip(1000..) {
                let client = client.unwrap();
                let Ok(mut flow) = UnixStream::connect(&socket) else { return };
                let head = Flow { id: FlowId(number), destination, subject: subject.clone() };
                frame::write(&mut flow, &SealedFlow::seal(&head, &key).unwrap()).unwrap();
                bridge(client, flow);
            }
        });
        address
    }

    /// TLS on a stream, by a client that trusts the sandbox's authority alone.
    pub(crate) fn tls(&self, stream: UnixStream, name: &str) -> StreamOwned<ClientConnection, UnixStream> {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let connection = ClientConnection::new(Arc::new(self.client_config()), name).unwrap();
        StreamOwned::new(connection, stream)
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority_pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth()
    }

    /// Sends raw bytes to `https://name:port` and returns everything that comes back.
    pub(crate) fn https(&self, name: &str, port: u16, bytes: impl AsRef<[u8]>) -> Answer {
        let mut stream = self.tls(self.connect(name, port), name);
        Answer::of(&mut stream, bytes.as_ref())
    }

    /// Sends raw bytes to `http://name:port` and returns everything that comes back.
    pub(crate) fn http(&self, name: &str, port: u16, bytes: impl AsRef<[u8]>) -> Answer {
        Answer::of(&mut self.connect(name, port), bytes.as_ref())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

impl Manager {
    fn new(commands: UnixStream, status: UnixStream) -> Self {
        Self { commands, status, version: PolicyVersion::FIRST, unasked: Vec::new() }
    }

    fn command(&mut self, command: &ProxyCommand) -> ProxyEvent {
        let mut line = serde_json::to_vec(command).unwrap();
        line.push(b'\n');
        self.commands.write_all(&line).unwrap();
        loop {
            match event(&mut self.status) {
                unasked @ (ProxyEvent::Proposed { .. } | ProxyEvent::RuleSpent { .. }) => {
                    self.unasked.push(unasked);
                }
                answer => return answer,
            }
        }
    }
}

impl Audit {
    /// A writer in this process, and the proxy's end of its socket.
    fn here() -> (UnixStream, Self) {
        let (audit, writer) = UnixStream::pair().unwrap();
        (audit, Self::serve(writer))
    }

    fn serve(mut stream: UnixStream) -> Self {
        let audit = Self::default();
        let shared = audit.clone();
        std::thread::spawn(move || {
            let mut length = [0; 4];
            let mut sequence = 0_u64;
            while stream.read_exact(&mut length).is_ok() {
                let mut body = vec![0; u32::from_le_bytes(length) as usize];
                stream.read_exact(&mut body).unwrap();
                if body.is_empty() {
                    // Word ahead of an event: it has no reply.
                    continue;
                }
                std::thread::sleep(Duration::from_millis(shared.delay.load(Ordering::Relaxed)));
                let reply = if shared.refuses.load(Ordering::Relaxed) {
                    b"\0the disk is full".to_vec()
                } else {
                    let (events, came) = &*shared.events;
                    events.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                    came.notify_all();
                    sequence += 1;
                    [&sequence.to_le_bytes()[..], &[0; 32]].concat()
                };
                let prefix = u32::try_from(reply.len()).unwrap().to_le_bytes();
                if stream.write_all(&[&prefix[..], &reply].concat()).is_err() {
                    return;
                }
            }
        });
        audit
    }

    /// From now on nothing is recorded.
    pub(crate) fn fail(&self) {
        self.refuses.store(true, Ordering::Relaxed);
    }

    /// From now on each record takes so long.
    pub(crate) fn delay(&self, time: Duration) {
        self.delay.store(u64::try_from(time.as_millis()).unwrap(), Ordering::Relaxed);
    }

    pub(crate) fn events(&self) -> Vec<Value> {
        self.events.0.lock().unwrap().clone()
    }

    /// The same without the names that were asked for.
    pub(crate) fn but_names(&self) -> Vec<Value> {
        self.events().into_iter().filter(|event| event["action"] != "name-query").collect()
    }

    /// The one event that `wanted` describes, once it is there.
    pub(crate) fn wait_for(&self, wanted: impl Fn(&Value) -> bool) -> Value {
        let events = self.wait_until(|events| events.iter().any(&wanted));
        let found = events.iter().find(|event| wanted(event));
        found.unwrap_or_else(|| panic!("no such event in {events:#?}")).clone()
    }

    /// The events, once they are as `wanted`, or when it is too late for that.
    pub(crate) fn wait_until(&self, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let (events, came) = &*self.events;
        let lacking = |events: &mut Vec<Value>| !wanted(events);
        let (events, _too_late) = came.wait_timeout_while(events.lock().unwrap(), PATIENCE, lacking).unwrap();
        events.clone()
    }

    /// Waits for a refusal at `level` and returns it; nothing may have been allowed but to open a connection.
    pub(crate) fn denied_at(&self, level: &str) -> Value {
        let denied = self.wait_for(|event| event["decision"] == "deny");
        assert_eq!(denied["level"], level, "{denied}");
        let allowed: Vec<Value> = self
            .events()
            .into_iter()
            .filter(|event| event["decision"] == "allow")
            .filter(|event| event["action"] != "network-flow" && event["action"] != "name-query")
            .collect();
        assert!(allowed.is_empty(), "{allowed:?}");
        denied
    }
}

/// What came back for one request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) text: String,
}

impl Answer {
    /// Sends, and reads the response that the bytes ask for: up to its length, or to the end of the stream.
    pub(crate) fn of(stream: &mut (impl Read + Write), bytes: &[u8]) -> Self {
        // The proxy may refuse and close before it read everything: that is for its answer to tell.
        let _maybe_refused = stream.write_all(bytes).and_then(|()| stream.flush());
        Self::read(stream)
    }

    pub(crate) fn read(stream: &mut impl Read) -> Self {
        let (mut seen, mut piece) = (Vec::new(), [0; PIECE]);
        loop {
            // A read of nothing waits all the same.
            let most = missing(&seen).min(PIECE);
            if most == 0 {
                break;
            }
            match stream.read(&mut piece[..most]) {
                Ok(0) | Err(_) => break,
                Ok(count) => seen.extend_from_slice(&piece[..count]),
            }
        }
        Self { text: String::from_utf8_lossy(&seen).into_owned() }
    }

    pub(crate) fn status(&self) -> u16 {
        self.text.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or("", |(_, body)| body)
    }

    pub(crate) fn head(&self) -> &str {
        self.text.split_once("\r\n\r\n").map_or(&self.text, |(head, _)| head)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(self.body()).unwrap_or_else(|error| panic!("{error} in {:?}", self.text))
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head().lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// Copies both ways, half-closes included.
fn bridge(client: TcpStream, flow: UnixStream) {
    let (mut from_client, mut to_flow) = (client.try_clone().unwrap(), flow.try_clone().unwrap());
    std::thread::spawn(move || {
        let _broken = std::io::copy(&mut from_client, &mut to_flow);
        let _gone = to_flow.shutdown(Shutdown::Write);
    });
    let (mut from_flow, mut to_client) = (flow, client);
    std::thread::spawn(move || {
        let _broken = std::io::copy(&mut from_flow, &mut to_client);
        let _gone = to_client.shutdown(Shutdown::Write);
    });
}

/// curl, as guest-init describes it.
pub(crate) fn curl() -> Subject {
    program("/usr/bin/curl")
}

pub(crate) fn program(path: &str) -> Subject {
    Subject::Owners(vec![owner(path)])
}

pub(crate) fn owner(path: &str) -> Program {
    Program {
        path: path.to_owned(),
        sha256: None,
        script: None,
        pid: 10,
        uid: 1000,
        parents: vec!["/bin/sh".to_owned()],
    }
}

fn ready(mut status: UnixStream) -> (String, UnixStream) {
    match event(&mut status) {
        ProxyEvent::Ready { authority_pem } => (authority_pem, status),
        other => panic!("the proxy did not start: {other:?}"),
    }
}

/// What the proxy says next.
fn event(status: &mut UnixStream) -> ProxyEvent {
    status.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut line = Vec::new();
    let mut byte = [0];
    while status.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        line.push(byte[0]);
    }
    serde_json::from_slice(&line)
        .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&line)))
}

/// Most bytes that may be read until `seen` holds a whole final response, without those of one behind it where its length is
/// told. One that ends with its connection is complete by that only.
fn missing(seen: &[u8]) -> usize {
    let text = String::from_utf8_lossy(seen);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return 1 };
    if head.starts_with("HTTP/1.1 100") {
        return missing(body.as_bytes());
    }
    let unless = |is_complete: bool| if is_complete { 0 } else { PIECE };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    match length {
        Some(length) => length.saturating_sub(body.len()),
        None if head.contains("transfer-encoding: chunked") => unless(body.ends_with("0\r\n\r\n")),
        None => unless(head.starts_with("http/1.1 204") || head.starts_with("http/1.1 304")),
    }
}
