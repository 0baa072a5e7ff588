//! `openshell audit export --follow`, the real program, killed while a receiver holds its answer.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A log of one record of every kind.
const LOG: &str = include_str!("../../audit/export/tests/golden/records.jsonl");

/// A request that is not answered yet, and the numbers of the records in it.
struct Held {
    stream: TcpStream,
    sequences: Vec<u64>,
}

impl Held {
    fn next(receiver: &TcpListener) -> Self {
        Self::on(receiver.accept().unwrap().0)
    }

    /// The next request of a connection.
    fn on(stream: TcpStream) -> Self {
        let mut reader = BufReader::new(&stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            match line.trim_end().split_once(": ") {
                Some(("content-length", digits)) => length = digits.parse().unwrap(),
                None if line == "\r\n" => break,
                _other => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let records: Vec<Value> = serde_json::from_slice(&body).unwrap();
        let sequences = records.iter().map(|record| record["sequence"].as_u64().unwrap()).collect();
        Self { stream, sequences }
    }

    /// Takes it; the connection stays.
    fn take(mut self) -> TcpStream {
        self.stream.write_all(b"HTTP/1.1 204 taken\r\n\r\n").unwrap();
        self.stream
    }
}

fn openshell(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell"));
    command.args(["audit", "export"]).args(arguments).stdin(Stdio::null());
    command.env("XDG_STATE_HOME", folder).env("XDG_CONFIG_HOME", folder);
    command
}

fn follow(folder: &Path) -> Child {
    openshell(folder, &["--follow"]).spawn().unwrap()
}

/// Killed by the kernel: nothing is tidied up.
fn kill(mut child: Child) {
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
}

#[test]
fn killed_before_its_cursor_moved_it_sends_again_and_loses_nothing() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().join("openshell");
    let log = folder.join("audit/test-0a1b2c3d");
    fs::create_dir_all(&log).unwrap();
    let at = LOG.match_indices('\n').nth(9).unwrap().0 + 1;
    fs::write(log.join("000001.jsonl"), &LOG[..at]).unwrap();
    let receiver = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = receiver.local_addr().unwrap().port();
    let settings =
        format!("exports: {{hook: {{to: {{webhook: {{http: {{url: 'http://127.0.0.1:{port}'}}}}}}}}}}\n");
    fs::write(folder.join("audit.yaml"), settings).unwrap();
    let home = folder.parent().unwrap();
    let (first, rest) =
        ((1..=10).collect::<Vec<u64>>(), (11..=LOG.lines().count() as u64).collect::<Vec<_>>());

    for _time in 0..3 {
        let child = follow(home);
        let held = Held::next(&receiver);
        assert_eq!(held.sequences, first);
        kill(child);
    }
    // Answered, it goes on with what is new.
    let child = follow(home);
    let held = Held::next(&receiver);
    assert_eq!(held.sequences, first);
    let connection = held.take();
    fs::write(log.join("000002.jsonl"), &LOG[at..]).unwrap();
    let held = Held::on(connection);
    assert_eq!(held.sequences, rest);
    kill(child);
    // What was answered does not come again; what was held does.
    let child = follow(home);
    let held = Held::next(&receiver);
    assert_eq!(held.sequences, rest);
    kill(child);
}

/// An export is for the sandboxes that audit.yaml names, and a list that cannot be one is refused.
#[test]
fn an_export_names_whose_records_it_is_for() {
    let state = TempDir::new().unwrap();
    let folder = state.path().join("openshell");
    let log = folder.join("audit/test-0a1b2c3d");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("000001.jsonl"), LOG).unwrap();
    let waiting = |lists: &str| {
        let settings = format!("exports: {{a: {{{lists}to: {{file: /tmp/never-written}}}}}}\n");
        fs::write(folder.join("audit.yaml"), settings).unwrap();
        let output = openshell(state.path(), &["--status", "--json"]).output().unwrap();
        let told = serde_json::from_slice::<Vec<Value>>(&output.stdout);
        (output.status.code(), told.ok().map(|of| of.len()))
    };
    assert_eq!(waiting(""), (Some(0), Some(1)));
    assert_eq!(waiting("sandboxes: ['test-*'], tenants: [local], "), (Some(0), Some(1)));
    assert_eq!(waiting("sandboxes: [other-0a1b2c3d], "), (Some(0), Some(0)));
    assert_eq!(waiting("sandboxes: [], "), (Some(0), Some(0)));
    assert_eq!(waiting("sandboxes: {a: b}, "), (Some(2), None));
}
