//! The process as the manager starts it: descriptors, jail, status, SIGTERM.

#![expect(clippy::unwrap_used, reason = "a step that fails ends the test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use serde_json::{Value, json};

/// Longer than anything here takes; what is waited for longer does not come.
const PATIENCE: Duration = Duration::from_secs(20);

/// The log's word that an event is in it.
const RECEIPT: [u8; 40] = [1; 40];

struct Router {
    child: Child,
    status: BufReader<UnixStream>,
    directory: tempfile::TempDir,
    auditor: UnixStream,
}

fn start(config: &Value) -> Router {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("router.sock")).unwrap();
    let (auditor, audit) = UnixStream::pair().unwrap();
    let (status, ours) = UnixStream::pair().unwrap();
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(config.to_string().as_bytes()).unwrap();
    drop(write);
    let resources: [OwnedFd; 4] = [read.into(), ours.into(), listener.into(), audit.into()];
    let mapping = |(parent_fd, child_fd)| FdMapping { parent_fd, child_fd };
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-router"));
    command.stdin(Stdio::null()).env_clear();
    command.fd_mappings(resources.into_iter().zip(3..).map(mapping).collect()).unwrap();
    let child = command.spawn().unwrap();
    drop(command);
    Router { child, status: BufReader::new(status), directory, auditor }
}

impl Router {
    /// Asks for an answer of the model.
    fn call(&self) -> UnixStream {
        let mut client = UnixStream::connect(self.directory.path().join("router.sock")).unwrap();
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
        client.write_all(request(body).as_bytes()).unwrap();
        client
    }

    /// The next event for the log, which gets `reply`.
    fn record(&mut self, reply: &[u8]) -> Value {
        self.auditor.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut prefix = [0; 4];
        self.auditor.read_exact(&mut prefix).unwrap();
        let mut event = vec![0; usize::try_from(u32::from_le_bytes(prefix)).unwrap()];
        self.auditor.read_exact(&mut event).unwrap();
        let length = u32::try_from(reply.len()).unwrap().to_le_bytes();
        self.auditor.write_all(&[&length[..], reply].concat()).unwrap();
        serde_json::from_slice(&event).unwrap()
    }

    fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    fn event(&mut self) -> Value {
        self.status.get_ref().set_read_timeout(Some(PATIENCE)).unwrap();
        let mut line = String::new();
        self.status.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or(Value::Null)
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        // Gone already in most tests; what matters is that nothing stays.
        let _gone = self.child.kill();
        self.child.wait().unwrap();
    }
}

fn config() -> Value {
    json!({
        "version": wire::VERSION, "listener": 5, "audit": 6,
        "directive": {"sensitive": "block", "rules": {"personal": "redact", "personal/email-address": "pass"}, "after_local": "local"},
        "local": null, "cloud": {"url": "http://127.0.0.1:9/v1", "api": "openai", "api_key": null, "model": "m"},
        "rules": {}, "limits": {}, "documents": [], "providers": {}, "extra_roots_pem": "", "hosts": {}, "user": null,
    })
}

#[test]
fn it_serves_from_its_jail_and_ends_on_sigterm() {
    let mut router = start(&config());
    assert_eq!(router.event(), json!({"event": "ready"}));
    let mut client = UnixStream::connect(router.directory.path().join("router.sock")).unwrap();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"4111111111111111"}]}"#;
    client.write_all(request(body).as_bytes()).unwrap();
    assert_eq!(router.record(&RECEIPT)["rule"], "sensitive-blocked");
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403"), "{answer}");
    router.terminate();
    assert!(router.child.wait().unwrap().success());
}

#[test]
fn an_outcome_that_cannot_be_recorded_ends_it() {
    let model = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut router = start(&served_at(&model));
    assert_eq!(router.event(), json!({"event": "ready"}));
    let (_answered, _waiting) = (router.call(), router.call());
    for _call in 0..2 {
        assert_eq!(router.record(&RECEIPT)["action"], "inference");
    }
    let [mut first, mut second] = [called(&model), called(&model)];
    first
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")
        .unwrap();
    assert_eq!(router.record(b"\0the disk is full")["action"], "inference-outcome");
    let event = router.event();
    assert_eq!(event["event"], "failed", "{event}");
    assert!(event["cause"].as_str().unwrap().contains("the disk is full"), "{event}");
    assert_eq!(router.child.wait().unwrap().code(), Some(wire::spawn::EXIT_FAILED));
    // The other call does not go on either.
    second.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(second.read(&mut [0]).unwrap_or(0), 0);
}

#[test]
fn on_its_end_it_tells_what_came_of_calls_that_are_under_way() {
    let model = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut router = start(&served_at(&model));
    assert_eq!(router.event(), json!({"event": "ready"}));
    let _client = router.call();
    assert_eq!(router.record(&RECEIPT)["action"], "inference");
    let _silent = called(&model);
    router.terminate();
    let outcome = router.record(&RECEIPT);
    assert_eq!((&outcome["action"], &outcome["reason"]), (&"inference-outcome".into(), &"cancelled".into()));
    assert!(router.child.wait().unwrap().success());
}

/// Takes one call and reads it to its end.
fn called(model: &TcpListener) -> TcpStream {
    let (mut stream, _router) = model.accept().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    while !bytes.ends_with(b"}") {
        let count = stream.read(&mut piece).unwrap();
        assert_ne!(count, 0);
        bytes.extend_from_slice(&piece[..count]);
    }
    stream
}

fn served_at(model: &TcpListener) -> Value {
    let mut config = config();
    config["cloud"]["url"] = format!("http://{}/v1", model.local_addr().unwrap()).into();
    config
}

/// A call as the proxy hands it on.
fn request(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: inference.local\r\nconnection: close\r\nx-openshell-sandbox: box\r\n\
         x-openshell-request: r-1\r\nx-openshell-flow: 1\r\nx-openshell-policy: 1\r\nx-openshell-subject: {{\"unknown\":\"x\"}}\r\n\
         x-openshell-conditions: sensitive=pass providers=local,cloud\r\n\
         content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn a_wrong_config_is_reported_in_one_line() {
    let change = |key: &str, value: Value| {
        let mut config = config();
        config[key] = value;
        config
    };
    for (config, part) in [
        (change("version", json!(99)), "version 99"),
        (
            change("cloud", json!({"url": "nonsense", "api": "openai", "api_key": null, "model": null})),
            "nonsense",
        ),
        (
            change("extra_roots_pem", json!("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n")),
            "root",
        ),
        (change("unknown", json!(1)), "config"),
        (
            change(
                "directive",
                json!({"sensitive": null, "rules": {"persnal": "block"}, "after_local": "local"}),
            ),
            "'persnal'",
        ),
        (change("listener", json!(77)), "descriptor 77"),
    ] {
        let mut router = start(&config);
        let event = router.event();
        assert_eq!(event["event"], "failed", "{config}");
        assert!(event["cause"].as_str().unwrap().contains(part), "{event}");
        assert_eq!(router.child.wait().unwrap().code(), Some(wire::spawn::EXIT_FAILED));
    }
}
