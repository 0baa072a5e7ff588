//! Digests of bodies: of what the agent sent and got, and only of what went on to its end.

use std::io::{Read, Write};
use std::sync::Arc;

use serde_json::Value;
use wire::credential::{Binding, Credential, Form};
use wire::secret::Secret;

use crate::bench::{Answer, Bench, Setting};
use crate::forwarding::{NAME, policy, site};
use crate::upstream::{Root, Upstream, last, ok, raw};

/// As short as a body with a digest can be.
pub(crate) const BODY: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF";

/// What `sha256sum` says of these bytes.
pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> Value {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes.as_ref());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    hex.into()
}

/// What became of the only request.
fn outcome(bench: &Bench) -> Value {
    bench.audit.wait_for(|event| event["action"] == "network-outcome")["object"].clone()
}

/// A request with [`BODY`].
fn post_body(port: u16) -> String {
    post(port, "Content-Length: 64\r\n", BODY)
}

fn post(port: u16, fields: &str, body: &str) -> String {
    format!("POST /v1/items HTTP/1.1\r\nHost: {NAME}:{port}\r\n{fields}\r\n{body}")
}

fn plain(upstream: &Upstream) -> Setting {
    Setting::new(policy(upstream.port)).host(NAME)
}

#[test]
fn a_file_that_is_uploaded_and_one_that_comes_back_are_known_by_their_digests() {
    let upstream = Upstream::start(None, Arc::new(|_| ok(BODY)));
    let bench = plain(&upstream).start();
    let file = "line\n".repeat(100_000);
    let request = post(upstream.port, &format!("Content-Length: {}\r\n", file.len()), &file);
    assert_eq!(bench.http(NAME, upstream.port, request).status(), 200);
    let object = outcome(&bench);
    assert_eq!((&object["sent_sha256"], &object["received_sha256"]), (&sha256(&file), &sha256(BODY)));
}

#[test]
fn the_framing_of_a_body_is_no_part_of_it() {
    let upstream = Upstream::start(
        None,
        Arc::new(|_| {
            let (begin, rest) = BODY.split_at(16);
            let body = format!("10\r\n{begin}\r\n30\r\n{rest}\r\n0\r\n\r\n");
            raw(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}"))
        }),
    );
    let bench = plain(&upstream).start();
    let (begin, rest) = BODY.split_at(1);
    let body = format!("1\r\n{begin}\r\n3f\r\n{rest}\r\n0\r\n\r\n");
    let request = post(upstream.port, "Transfer-Encoding: chunked\r\n", &body);
    assert_eq!(bench.http(NAME, upstream.port, request).status(), 200);
    let object = outcome(&bench);
    assert_eq!((&object["sent_sha256"], &object["received_sha256"]), (&sha256(BODY), &sha256(BODY)));
}

#[test]
fn an_empty_body_has_none() {
    let upstream = Upstream::saying("HTTP/1.1 204 No Content\r\n\r\n");
    let bench = plain(&upstream).start();
    assert_eq!(
        bench.http(NAME, upstream.port, post(upstream.port, "Content-Length: 0\r\n", "")).status(),
        204
    );
    let object = outcome(&bench);
    assert_eq!(
        (&object["sent_sha256"], &object["received_sha256"]),
        (&Value::Null, &Value::Null),
        "{object}"
    );
}

/// Whoever reads the log could try every code, and compare.
#[test]
fn a_body_that_can_be_guessed_has_none() {
    let (bench, upstream) = site();
    let body = "user=alice&one_time_code=042137";
    let request = post(upstream.port, &format!("Content-Length: {}\r\n", body.len()), body);
    assert_eq!(bench.https(NAME, upstream.port, request).status(), 200);
    let object = outcome(&bench);
    assert_eq!((&object["sent_sha256"], &object["received_sha256"]), (&Value::Null, &Value::Null));
    assert_eq!((&object["bytes_sent"], &object["bytes_received"]), (&31.into(), &5.into()));
}

/// The beginning of a file is another file: somebody who looks for that must not find this.
#[test]
fn what_breaks_off_has_none() {
    // The server ends in the middle of its answer.
    let cut = |_: &[u8]| last(&format!("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{BODY}"));
    let upstream = Upstream::start(None, Arc::new(cut));
    let bench = plain(&upstream).start();
    bench.http(NAME, upstream.port, post_body(upstream.port));
    let object = outcome(&bench);
    assert_eq!((&object["sent_sha256"], &object["received_sha256"]), (&sha256(BODY), &Value::Null));
    assert_eq!(object["bytes_received"], 64);
    // The client ends in the middle of its body, chunked and not.
    for (fields, body) in [
        ("Content-Length: 100\r\n", BODY.to_owned()),
        ("Transfer-Encoding: chunked\r\n", format!("40\r\n{BODY}\r\n")),
    ] {
        let upstream = Upstream::plain();
        let bench = plain(&upstream).start();
        let mut stream = bench.connect(NAME, upstream.port);
        stream.write_all(post(upstream.port, fields, &body).as_bytes()).unwrap();
        bench.audit.wait_for(|event| event["decision"] == "allow" && event["action"] == "network-request");
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        Answer::read(&mut stream);
        assert_eq!(outcome(&bench)["sent_sha256"], Value::Null, "{fields}");
    }
}

/// A server that answers before it has all: what it has is the beginning of something.
#[test]
fn a_body_that_the_server_does_not_wait_for_has_none() {
    let early = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = early.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (mut stream, _) = early.accept().unwrap();
        let mut begun = [0; 16];
        stream.read_exact(&mut begun).unwrap();
        let head = "HTTP/1.1 413 Too Large\r\nContent-Length: 64\r\nConnection: close\r\n\r\n";
        stream.write_all(format!("{head}{BODY}").as_bytes()).unwrap();
        // What is unread when it closes would take the answer with it.
        let _end = stream.read_to_end(&mut Vec::new());
    });
    let bench = Setting::new(policy(port)).host(NAME).start();
    let mut stream = bench.connect(NAME, port);
    stream.write_all(post(port, "Content-Length: 100\r\n", BODY).as_bytes()).unwrap();
    assert_eq!(Answer::read(&mut stream).status(), 413);
    let object = outcome(&bench);
    assert_eq!((&object["sent_sha256"], &object["received_sha256"]), (&Value::Null, &sha256(BODY)));
}

/// Of an answer with a secret in it the digest would let everybody who reads the log test guesses of the secret.
#[test]
fn a_digest_tells_nothing_of_a_credential() {
    const SECRET: &str = "hunter2-hunter2";
    let root = Root::new();
    let answer = Arc::new(|_: &[u8]| ok(&format!("{BODY} you are {SECRET}")));
    let upstream = Upstream::start(Some(root.server_config(&[NAME], |_| {})), answer);
    let form = Form::Header { name: "Authorization".to_owned(), format: "Bearer {}".to_owned() };
    let credential = Credential {
        name: "TOKEN".to_owned(),
        placeholder: "openshell-TOKEN-0011223344556677".to_owned(),
        secret: Secret::new(SECRET.to_owned()),
        bindings: vec![Binding { hosts: vec![format!("{NAME}:{}", upstream.port)], paths: Vec::new(), form }],
    };
    let bench = plain(&upstream).trusting(&root.pem()).with(credential).start();
    let answer = bench.https(NAME, upstream.port, post_body(upstream.port));
    assert!(upstream.received().contains(SECRET) && !answer.body().contains(SECRET), "{answer:?}");
    let object = outcome(&bench);
    assert_ne!(object["received_sha256"], sha256(format!("{BODY} you are {SECRET}")));
    assert_eq!(
        (&object["sent_sha256"], &object["received_sha256"]),
        (&sha256(BODY), &sha256(answer.body())),
        "what the agent sent, and what it got"
    );
}

#[test]
fn digests_can_be_off() {
    let upstream = Upstream::start(None, Arc::new(|_| ok(BODY)));
    let bench = Setting { digests: false, ..plain(&upstream) }.start();
    assert_eq!(bench.http(NAME, upstream.port, post_body(upstream.port)).status(), 200);
    let object = outcome(&bench);
    assert_eq!((&object["sent_sha256"], &object["received_sha256"]), (&Value::Null, &Value::Null));
    assert_eq!((&object["bytes_sent"], &object["bytes_received"]), (&64.into(), &64.into()));
}
