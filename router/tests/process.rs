//! The process as the manager starts it: descriptors, jail, status, SIGTERM.

#![expect(clippy::unwrap_used, reason = "a step that fails ends the test")]

#[path = "process/managed.rs"]
mod managed;
#[path = "process/rig.rs"]
mod rig;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use rig::{PATIENCE, RECEIPT, config, request, start};
use serde_json::{Value, json};

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
            change(
                "cloud",
                json!({"url": "nonsense", "api": "openai", "api_key": null, "model": null, "models": {}}),
            ),
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
