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
    let expected =
        stream.trim_start_matches('\u{feff}').replace("data:\n", "data: \n").replace(": hello", ":");
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

#[test]
fn no_line_ends_where_only_some_clients_end_one() {
    let ask = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"roots/list\"}";
    for end in ["\u{85}", "\u{2028}", "\u{2029}"] {
        let hidden = format!("{end}{ask}{end}{end}");
        assert_eq!(read(&format!(": hello{hidden}\n\n"), 3), (":\n\n".to_owned(), false));
        let text = ask.replace('"', "\\\"");
        let stream = format!(
            "data: {{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{{\"x\":\"{end}{text}{end}{end}\"}}}}\n\n"
        );
        let (out, cut) = read(&stream, 3);
        let escape = format!("\\u{:04x}", u32::from(end.chars().next().unwrap()));
        assert_eq!((out, cut), (stream.replace(end, &escape), false));
    }
    for end in ["\u{85}", "\u{2028}", "\u{2029}", "\u{b}", "\u{c}", "\u{1c}", "\u{1d}", "\u{1e}", "\0"] {
        for name in ["event", "id", "retry"] {
            let (out, cut) = read(&format!("{name}: 1{end}{ask}{end}{end}\n\n"), 3);
            assert!(cut && out.is_empty(), "{name} {end:?}: {out}");
        }
    }
    let mut events = Events::new(rules());
    assert!(events.piece(b"id: 1\x85data: x\n\n").is_empty() && events.cut().is_some());
}

#[test]
fn all_of_an_event_counts_for_its_length() {
    let mut events = Events::new(rules());
    let line = [b"event: ", &vec![b'a'; LONGEST - 100][..], b"\n"].concat();
    assert!(events.piece(&line).is_empty() && events.cut().is_none());
    assert!(events.piece(&[b'a'; 200]).is_empty() && events.cut().is_some());
}
