//! The process and its surroundings.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use serde_json::{Value, json};

/// Longer than anything here takes; what is waited for longer does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The log's word that an event is in it.
pub(crate) const RECEIPT: [u8; 40] = [1; 40];

pub(crate) struct Router {
    pub(crate) child: Child,
    status: BufReader<UnixStream>,
    pub(crate) directory: tempfile::TempDir,
    auditor: UnixStream,
}

pub(crate) fn start(config: &Value) -> Router {
    start_with(config, None)
}

/// `beside` is one descriptor more, number 7.
pub(crate) fn start_with(config: &Value, beside: Option<OwnedFd>) -> Router {
    let directory = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(directory.path().join("router.sock")).unwrap();
    let (auditor, audit) = UnixStream::pair().unwrap();
    let (status, ours) = UnixStream::pair().unwrap();
    let (read, mut write) = std::io::pipe().unwrap();
    write.write_all(config.to_string().as_bytes()).unwrap();
    drop(write);
    let resources: [OwnedFd; 4] = [read.into(), ours.into(), listener.into(), audit.into()];
    let resources = resources.into_iter().chain(beside);
    let mapping = |(parent_fd, child_fd)| FdMapping { parent_fd, child_fd };
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-router"));
    command.stdin(Stdio::null()).env_clear();
    command.fd_mappings(resources.zip(3..).map(mapping).collect()).unwrap();
    let child = command.spawn().unwrap();
    drop(command);
    Router { child, status: BufReader::new(status), directory, auditor }
}

impl Router {
    /// Asks for an answer of the model.
    pub(crate) fn call(&self) -> UnixStream {
        let mut client = UnixStream::connect(self.directory.path().join("router.sock")).unwrap();
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
        client.write_all(request(body).as_bytes()).unwrap();
        client
    }

    /// The next event for the log, which gets `reply`.
    pub(crate) fn record(&mut self, reply: &[u8]) -> Value {
        self.auditor.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut prefix = [0; 4];
        self.auditor.read_exact(&mut prefix).unwrap();
        let mut event = vec![0; usize::try_from(u32::from_le_bytes(prefix)).unwrap()];
        self.auditor.read_exact(&mut event).unwrap();
        let length = u32::try_from(reply.len()).unwrap().to_le_bytes();
        self.auditor.write_all(&[&length[..], reply].concat()).unwrap();
        serde_json::from_slice(&event).unwrap()
    }

    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    pub(crate) fn event(&mut self) -> Value {
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

pub(crate) fn config() -> Value {
    json!({
        "version": wire::VERSION, "listener": 5, "audit": 6,
        "directive": {"sensitive": "block", "rules": {"personal": "redact", "personal/email-address": "pass"}, "after_local": "local"},
        "local": null, "cloud": {"url": "http://127.0.0.1:9/v1", "api": "openai", "api_key": null, "model": "m", "models": {}},
        "rules": {}, "limits": {}, "documents": [], "fallback": {}, "providers": {}, "extra_roots_pem": "", "hosts": {}, "user": null,
    })
}

/// A call as the proxy hands it on.
pub(crate) fn request(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: inference.local\r\nconnection: close\r\nx-openshell-sandbox: box\r\n\
         x-openshell-request: r-1\r\nx-openshell-flow: 1\r\nx-openshell-policy: 1\r\nx-openshell-subject: {{\"unknown\":\"x\"}}\r\n\
         x-openshell-conditions: sensitive=pass providers=local,cloud\r\n\
         content-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}
