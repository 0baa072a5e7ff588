//! `openshell audit timestamp`, the real program, with a real authority (`openssl ts`) behind HTTP.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "../../audit/stamp/tests/openssl/authority.rs"]
#[expect(dead_code, reason = "the stamps' own tests need more of it")]
mod authority;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use authority::{Authority, Certificate};
use tempfile::TempDir;

/// A log of one record of every kind.
const LOG: &str = include_str!("../../audit/export/tests/golden/records.jsonl");

struct Host(TempDir);

impl Host {
    /// With a signed log, and an authority at this port.
    fn new(authority: &Authority, port: u16) -> Self {
        let host = Self(TempDir::new().unwrap());
        fs::create_dir_all(host.log()).unwrap();
        fs::create_dir(host.path("run")).unwrap();
        fs::write(host.path("root.pem"), authority.root()).unwrap();
        let ca = host.path("root.pem").display().to_string();
        let settings =
            format!("signing: {{timestamp: {{http: {{url: 'http://127.0.0.1:{port}/ts'}}, ca: '{ca}'}}}}\n");
        fs::write(host.path("openshell/audit.yaml"), settings).unwrap();
        fs::write(host.segment(), LOG).unwrap();
        host.grow();
        host
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn log(&self) -> PathBuf {
        self.path("openshell/audit/test-0a1b2c3d")
    }

    fn segment(&self) -> PathBuf {
        self.log().join("000001.jsonl")
    }

    /// Adds a record and a checkpoint.
    fn grow(&self) {
        fs::File::options().append(true).open(self.segment()).unwrap().write_all(b"{\"half").unwrap();
        assert!(self.audit(&["recover"]).0 == Some(0));
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell"));
        command.env("XDG_STATE_HOME", self.0.path()).env("XDG_CONFIG_HOME", self.0.path());
        command.env("XDG_RUNTIME_DIR", self.path("run")).stdin(Stdio::null());
        command.arg("audit").args(arguments);
        command
    }

    fn audit(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let output = self.command(arguments).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// Whether the answer of a command has this code and these words.
    fn says(&self, arguments: &[&str], code: i32, words: &str) {
        let (status, said) = self.audit(arguments);
        assert!(status == Some(code) && said.contains(words), "{arguments:?}: {status:?} {said}");
    }
}

/// Answers one request, or closes the connection instead.
fn serve(listener: &TcpListener, authority: Option<&Authority>) {
    let (mut stream, _client) = listener.accept().unwrap();
    let Some(authority) = authority else { return };
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end().split_once(": ") {
            Some(("content-length", digits)) => length = digits.parse().unwrap(),
            Some(("content-type", kind)) => assert_eq!(kind, "application/timestamp-query"),
            None if line == "\r\n" => break,
            _other => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let answer = authority.answer(&body);
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/timestamp-reply\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(&[head.as_bytes(), &answer].concat()).unwrap();
}

fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn change(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let last = bytes.len() - 5;
    bytes[last] ^= 1;
    fs::write(file, bytes).unwrap();
}

#[test]
fn a_checkpoint_is_stamped_and_verify_tells_when() {
    let authority = Authority::new(&Certificate::good());
    let (listener, port) = listener();
    let host = Host::new(&authority, port);
    let size = LOG.lines().count() + 1;
    std::thread::scope(|scope| {
        scope.spawn(|| serve(&listener, Some(&authority)));
        host.says(&["timestamp"], 0, &format!("stamped: {size} records at 20"));
    });
    host.says(&["verify"], 0, &format!("1 time stamps; the newest: {size} records at 20"));
    host.says(&["timestamp", "--status"], 0, &format!("1 stamps, up to record {size} of {size}"));
    // Another authority's certificate, a changed stamp, a stamp of another checkpoint.
    let other = Authority::new(&Certificate::good());
    fs::write(host.path("other.pem"), other.root()).unwrap();
    let ca = host.path("other.pem").display().to_string();
    host.says(&["verify", "--timestamp-ca", &ca], 1, "not of an authority that is named here");
    let stamp = host.log().join(format!("timestamps/{size}.tsr"));
    let good = fs::read(&stamp).unwrap();
    change(&stamp);
    host.says(&["verify"], 1, "time stamps: NOT right");
    fs::write(&stamp, &good).unwrap();
    host.grow();
    for end in ["tsq", "tsr"] {
        let [from, to] = [size, size + 1].map(|size| host.log().join(format!("timestamps/{size}.{end}")));
        fs::copy(from, to).unwrap();
    }
    host.says(&["verify"], 1, "is not there, or is another one");
}

#[test]
fn by_hand_only_the_answer_to_what_was_asked_counts() {
    let authority = Authority::new(&Certificate::good());
    let host = Host::new(&authority, 1);
    let [query, answer] = ["query", "answer"].map(|name| host.path(name).display().to_string());
    host.says(&["timestamp", "--answer", &query], 2, "cannot read");
    host.says(&["timestamp", "--query", &query], 0, "asked about");
    fs::write(&answer, authority.answer(&fs::read(&query).unwrap())).unwrap();
    // The log grows, and is asked about again: the older answer is none.
    host.grow();
    host.says(&["timestamp", "--query", &query], 0, "asked about");
    host.says(&["timestamp", "--answer", &answer], 2, "it is not about what was asked");
    fs::write(&answer, authority.answer(&fs::read(&query).unwrap())).unwrap();
    host.says(&["timestamp", "--answer", &answer], 0, "stamped");
    host.says(&["timestamp", "--answer", &answer], 2, "nothing was asked");
    host.says(&["verify"], 0, "1 time stamps; the newest");
    // Whose authority nobody names, is not said to be right.
    fs::write(host.path("openshell/audit.yaml"), "").unwrap();
    host.says(&["verify"], 0, "NOT checked");
}

#[test]
fn an_authority_that_does_not_answer_is_told_of_and_asked_again() {
    let authority = Authority::new(&Certificate::good());
    let (listener, port) = listener();
    let host = Host::new(&authority, port);
    drop(listener);
    host.says(&["timestamp"], 2, "does not answer");
    host.says(&["timestamp", "--status"], 1, "NO ANSWER about");
    host.says(&["verify"], 0, "no answer yet");
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let mut service = host.command(&["timestamp", "--follow"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(service.stderr.take().unwrap()).lines();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            serve(&listener, None);
            // A broken connection may have been tried again at once.
            serve(&listener, Some(&authority));
        });
        let mut line = || told.next().unwrap().unwrap();
        let first = line();
        let second = if first.contains("does not answer") { line() } else { first };
        assert!(second.contains("records stamped at 20"), "{second}");
    });
    service.kill().unwrap();
    service.wait().unwrap();
    host.says(&["verify"], 0, "1 time stamps; the newest");
    host.says(&["timestamp", "--status"], 0, "1 stamps");
}
