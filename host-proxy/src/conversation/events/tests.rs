use policies::{Decision, Destination, Document, Message, Policy, Request, Timestamp};
use wire::subject::{Program, Subject};

use super::*;

/// The rules of a server that may ask for nothing.
fn rules() -> AnswerRules {
    let text = "- name: r\n  binary: {allow: [curl]}\n  destination: {allow: [a.test]}\n  method: {allow: [POST]}\n  path: {allow: [/mcp]}\n  mcp: {server: s, tools: {allow: [get]}}\n";
    let policy = Policy::compile(&Document::parse(text, "p").unwrap()).unwrap();
    let program = Program {
        path: "/usr/bin/curl".to_owned(),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1,
        parents: vec![],
    };
    let message = Message::new(Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#));
    let decision = policy.decide(&Request {
        subject: &Subject::Owners(vec![program]),
        destination: Destination { host: "a.test", port: 443 },
        method: "POST",
        path: "/mcp",
        query: "",
        headers: &[("content-type", "application/json")].as_slice(),
        message: Some(&message),
        now: Timestamp(0),
    });
    let Decision::Allow(permit) = decision else { panic!("{decision:?}") };
    permit.answers().unwrap().clone()
}

/// What goes on of a stream in pieces of one size, until it is cut.
fn read(stream: &str, size: usize) -> (String, bool) {
    let (mut events, mut out) = (Events::new(rules()), String::new());
    for piece in stream.as_bytes().chunks(size) {
        out.push_str(std::str::from_utf8(&events.piece(piece)).unwrap());
        if events.cut().is_some() {
            return (out, true);
        }
    }
    (out, false)
}

#[test]
fn events_are_the_same_however_they_are_cut_and_end_their_lines() {
    let stream = "\u{feff}: hello\nevent: message\nid: 1\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":1,\"result\":{}}\n\nid: 2\ndata:\n\n";
    let expected = stream.trim_start_matches('\u{feff}').replace("data:\n", "data: \n");
    for ends in ["\n", "\r\n", "\r"] {
        let stream = stream.replace('\n', ends);
        for size in 1..=stream.len() {
            assert_eq!(read(&stream, size), (expected.clone(), false), "{ends:?}, pieces of {size}");
        }
    }
}

#[test]
fn a_request_of_the_servers_is_cut_wherever_its_event_is_split() {
    let fine = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\n\n";
    for event in [
        "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"sampling/createMessage\"}\n\n",
        "data:{\"jsonrpc\":\"2.0\",\ndata:\"id\":1,\ndata:\"method\":\"roots/list\"}\n\n",
        "event: endpoint\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}\n\n",
        "event: other\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"elicitation/create\"}\n\n",
        "data: [{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}},{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}]\n\n",
        "data: \u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}\n\n",
        "data: hello\n\n",
    ] {
        let stream = format!("{fine}{event}");
        for size in 1..=stream.len() {
            let (out, cut) = read(&stream, size);
            assert!(cut && fine.starts_with(&out), "{event}, pieces of {size}: {out}");
        }
    }
}

#[test]
fn a_list_of_tools_is_shortened_and_fields_that_nobody_reads_are_left_out() {
    let stream = "x: y\nid: 7\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"get\"},{\"name\":\"put\"}]}}\n\nevent: endpoint\ndata: /messages?session=1\n\n";
    let expected = "id: 7\ndata: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[{\"name\":\"get\"}]}}\n\nevent: endpoint\ndata: /messages?session=1\n\n";
    assert_eq!(read(stream, 5), (expected.to_owned(), false));
}
