//! The local server is one that another process manages: as long as that one says nothing good, there is no local server,
//! and nothing that must stay goes anywhere.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::rig::{PATIENCE, RECEIPT, Router, config, request, start_with};

/// A card number: it must stay.
const SENSITIVE: &str = r#"{"model":"m","messages":[{"role":"user","content":"4111111111111111"}]}"#;

const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";

/// A router, a cloud that must hear nothing, and the place where the other process would be.
struct Scene {
    router: Router,
    cloud: TcpListener,
    serving: TempDir,
}

/// Stands for the other process.
struct Gate(UnixListener);

impl Scene {
    fn new() -> Self {
        let (serving, cloud) = (TempDir::new().unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let mut config = config();
        config["directive"] = json!({"sensitive": "local", "rules": {}, "after_local": "judge"});
        config["cloud"]["url"] = format!("http://{}/v1", cloud.local_addr().unwrap()).into();
        config["local"] =
            json!({"managed": {"directory": 7, "server": "nemotron", "sandbox": "box-1", "region": null}});
        // As root's manager does it: the router becomes somebody who owns nothing of it.
        if rustix::process::geteuid().is_root() {
            config["user"] = json!({"uid": 65_534, "gid": 65_534});
            fs::set_permissions(serving.path(), Permissions::from_mode(0o711)).unwrap();
        }
        let mut router = start_with(&config, Some(directory(serving.path())));
        assert_eq!(router.event(), json!({"event": "ready"}));
        Self { router, cloud, serving }
    }

    fn gate(&self) -> Gate {
        let path = self.serving.path().join("serving.sock");
        let gate = Gate(UnixListener::bind(&path).unwrap());
        fs::set_permissions(path, Permissions::from_mode(0o666)).unwrap();
        gate
    }

    fn call(&self) -> UnixStream {
        let mut client = UnixStream::connect(self.router.directory.path().join("router.sock")).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.write_all(request(SENSITIVE).as_bytes()).unwrap();
        client
    }

    /// Calls, and says by what rule that was decided.
    fn decided(&mut self) -> (UnixStream, Value) {
        let client = self.call();
        let rule = self.router.record(&RECEIPT)["rule"].clone();
        (client, rule)
    }

    /// Calls until that is decided as it should be: the router hears of a change a moment after it.
    fn until_decided(&mut self, rule: &str) -> UnixStream {
        loop {
            let (client, decided) = self.decided();
            if decided == rule {
                return client;
            }
            // It goes nowhere: what became of it is on the record too, if it was to go somewhere.
            if decided == "sensitive-to-local" {
                self.router.record(&RECEIPT);
            }
        }
    }

    fn cloud_heard_nothing(&self) {
        self.cloud.set_nonblocking(true).unwrap();
        assert_eq!(self.cloud.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

fn directory(path: &Path) -> OwnedFd {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).unwrap()
}

fn text(mut client: UnixStream) -> String {
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    answer
}

impl Gate {
    /// The next question, and who asks.
    fn asked(&self) -> (UnixStream, Value) {
        let (stream, _router) = self.0.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&stream).read_line(&mut line).unwrap();
        (stream, serde_json::from_str(&line).unwrap())
    }

    /// Takes the question how the server stands, and answers it.
    fn stands(&self, available: bool) -> UnixStream {
        let (stream, question) = self.asked();
        assert_eq!(question, json!({"version": wire::VERSION, "ask": {"watch": {"server": "nemotron"}}}));
        say(&stream, &json!({"standing": {"available": available, "model": "served"}}));
        stream
    }

    fn asked_for_turn(&self) -> UnixStream {
        let (stream, question) = self.asked();
        assert_eq!(question["ask"], json!({"turn": {"server": "nemotron", "sandbox": "box-1"}}));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

fn say(mut stream: &UnixStream, told: &Value) {
    stream.write_all(format!("{told}\n").as_bytes()).unwrap();
}

/// Gives a turn; the model's end of the connection.
fn give(stream: &UnixStream) -> TcpStream {
    let model = TcpListener::bind("127.0.0.1:0").unwrap();
    let connection = TcpStream::connect(model.local_addr().unwrap()).unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    let descriptors = [connection.as_fd()];
    beside.push(SendAncillaryMessage::ScmRights(&descriptors));
    let line = [IoSlice::new(b"{\"turn\":{}}\n")];
    rustix::net::sendmsg(stream, &line, &mut beside, SendFlags::empty()).unwrap();
    let (model, _router) = model.accept().unwrap();
    model.set_read_timeout(Some(PATIENCE)).unwrap();
    model
}

fn heard(model: &mut TcpStream) -> String {
    let mut piece = [0; 4096];
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"}") {
        let count = model.read(&mut piece).unwrap();
        assert_ne!(count, 0);
        bytes.extend_from_slice(&piece[..count]);
    }
    String::from_utf8(bytes).unwrap()
}

fn is_gone(mut stream: &UnixStream) -> bool {
    stream.read(&mut [0]).unwrap() == 0
}

#[test]
fn without_the_process_that_serves_what_must_stay_is_refused() {
    let mut scene = Scene::new();
    let (client, rule) = scene.decided();
    assert_eq!(rule, "sensitive-without-local");
    assert!(text(client).starts_with("HTTP/1.1 403"));
    scene.cloud_heard_nothing();
}

#[test]
fn a_turn_is_asked_for_and_the_call_goes_to_the_model_by_a_connection_of_its_own() {
    let mut scene = Scene::new();
    let gate = scene.gate();
    let _watch = gate.stands(true);
    // Whatever is decided before the router has heard of it asks for no turn.
    let client = scene.until_decided("sensitive-to-local");
    let held = gate.asked_for_turn();
    let mut model = give(&held);
    let request = heard(&mut model);
    assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("4111111111111111") && request.contains(r#""model":"served""#), "{request}");
    model.write_all(ANSWER.as_bytes()).unwrap();
    let record = scene.router.record(&RECEIPT);
    assert_eq!(record["action"], "inference-outcome", "{record}");
    assert!(text(client).ends_with("{}"));
    // With the answer the turn has ended, and the next call needs one of its own.
    assert!(is_gone(&held));
    scene.cloud_heard_nothing();
}

#[test]
fn a_server_that_is_not_ready_is_none_and_neither_is_one_of_which_nobody_tells_any_more() {
    let mut scene = Scene::new();
    let gate = scene.gate();
    let watch = gate.stands(false);
    assert_eq!(scene.decided().1, "sensitive-without-local");
    say(&watch, &json!({"standing": {"available": true, "model": "served"}}));
    let _client = scene.until_decided("sensitive-to-local");
    say(&gate.asked_for_turn(), &json!({"refused": {"cause": "the model server 'nemotron' is failing"}}));
    scene.router.record(&RECEIPT);
    // The process dies.
    watch.shutdown(Shutdown::Both).unwrap();
    drop(gate);
    drop(watch);
    scene.until_decided("sensitive-without-local");
    scene.cloud_heard_nothing();
}

#[test]
fn a_turn_that_is_refused_breaks_off_or_comes_without_a_connection_is_an_error_and_nothing_else() {
    let mut scene = Scene::new();
    let gate = scene.gate();
    let _watch = gate.stands(true);
    for told in ["", "{\"refused\":{\"cause\":\"no\"}}\n", "{\"turn\":{}}\n", "nonsense\n"] {
        let client = scene.until_decided("sensitive-to-local");
        (&gate.asked_for_turn()).write_all(told.as_bytes()).unwrap();
        let record = scene.router.record(&RECEIPT);
        assert_eq!(record["action"], "inference-outcome", "{record}");
        let answer = text(client);
        assert!(answer.starts_with("HTTP/1.1 502"), "{told}: {answer}");
    }
    scene.cloud_heard_nothing();
}

#[test]
fn who_leaves_does_not_wait_for_a_turn_any_more() {
    let mut scene = Scene::new();
    let gate = scene.gate();
    let _watch = gate.stands(true);
    let client = scene.until_decided("sensitive-to-local");
    let held = gate.asked_for_turn();
    drop(client);
    assert!(is_gone(&held));
    assert_eq!(scene.router.record(&RECEIPT)["reason"], "cancelled");
    // And who has one gives it back, and the model sees that nobody reads on.
    let client = scene.until_decided("sensitive-to-local");
    let held = gate.asked_for_turn();
    let mut model = give(&held);
    heard(&mut model);
    drop(client);
    assert!(is_gone(&held));
    assert_eq!(model.read(&mut [0]).unwrap_or(0), 0);
}
