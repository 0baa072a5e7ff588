//! `inference.local`: the one host that is a process of ours.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};

use wire::proxy::ProxyEvent;

use crate::bench::{Answer, Bench, Setting};

fn policy() -> &'static str {
    "version: 1
network:
  - name: models
    binary: {allow: [curl]}
    destination: {allow: [inference.local, 'api.models.example', 'api.models.example:80']}
    method: {allow: [POST]}
    path: {allow: [/v1/chat/completions]}
"
}

/// A proxy, and what its router was sent.
fn with_router() -> (Bench, Arc<Mutex<String>>, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("router.sock")).unwrap();
    let received = Arc::new(Mutex::new(String::new()));
    let shared = Arc::clone(&received);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut piece) = (stream.unwrap(), [0; 8192]);
            while let Ok(count @ 1..) = stream.read(&mut piece) {
                let mut seen = shared.lock().unwrap();
                seen.push_str(&String::from_utf8_lossy(&piece[..count]));
                if seen.ends_with("hi\"}") {
                    let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
                    let event = format!("data: hello {}\n\n", "x".repeat(64));
                    let body = format!("{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
                    stream.write_all(format!("{answer}{body}").as_bytes()).unwrap();
                }
            }
        }
    });
    let mut setting = Setting::new(policy());
    setting.router = Some(folder.path().to_owned());
    (setting.start(), received, folder)
}

fn ask(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: inference.local\r\nX-OpenShell-Sandbox: other\r\nx-openshell-subject: /bin/evil\r\n\
         X-OpenShell-Conditions: sensitive=evil\r\nX-Openshell-Anything: 1\r\nContent-Length: 15\r\n\r\n{{\"prompt\":\"hi\"}}"
    )
}

#[test]
fn a_prompt_reaches_the_router_with_our_word_and_not_the_guests() {
    let (bench, received, _folder) = with_router();
    let answer = bench.https("inference.local", 443, ask("/v1/chat/completions"));
    assert_eq!(answer.status(), 200, "{}", answer.text);
    assert!(answer.body().contains("data: hello"), "{}", answer.text);
    let received = received.lock().unwrap().clone();
    assert!(received.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{received}");
    assert!(received.contains("x-openshell-sandbox: test-00000001\r\n"), "{received}");
    let recorded = bench.audit.wait_for(|event| event["action"] == "network-request");
    let (_before, subject) = received.split_once("x-openshell-subject: ").unwrap();
    let subject: serde_json::Value = serde_json::from_str(subject.lines().next().unwrap()).unwrap();
    assert_eq!(subject, recorded["subject"]);
    assert_eq!(subject["owners"][0]["binary"], "/usr/bin/curl");
    for (name, field) in [("flow", "flow"), ("policy", "policy")] {
        assert!(received.contains(&format!("x-openshell-{name}: {}\r\n", recorded[field])), "{received}");
    }
    assert!(
        received.contains("x-openshell-conditions: sensitive=pass providers=local,cloud\r\n"),
        "{received}"
    );
    let request = bench.audit.wait_for(|event| event["action"] == "network-request")["request"].clone();
    assert!(
        received.contains(&format!("x-openshell-request: {}\r\n", request.as_str().unwrap())),
        "{received}"
    );
    assert!(
        !received.contains("evil") && !received.contains("other") && !received.contains("anything"),
        "{received}"
    );
}

#[test]
fn the_router_hears_the_conditions_of_the_policy_in_force() {
    let (bench, received, _folder) = with_router();
    let narrowed = format!("{}inference: {{sensitive: block, providers: [local]}}\n", policy());
    assert!(matches!(bench.set_policy(&narrowed), ProxyEvent::PolicyApplied { .. }));
    let answer = bench.https("inference.local", 443, ask("/v1/chat/completions"));
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let received = received.lock().unwrap().clone();
    assert!(received.contains("x-openshell-conditions: sensitive=block providers=local\r\n"), "{received}");
}

#[test]
fn a_call_under_way_ends_when_more_is_asked_of_it() {
    let (bench, received, _folder) = with_router();
    let under = |inference: &str| format!("{}inference: {inference}\n", policy());
    let closed = |policy: &str| match bench.set_policy(policy) {
        ProxyEvent::PolicyApplied { closed, .. } => closed,
        other => panic!("{other:?}"),
    };
    closed(&under("{providers: [cloud, local]}"));
    let mut stream = bench.tls(bench.connect("inference.local", 443), "inference.local");
    let request = ask("/v1/chat/completions");
    let (begun, rest) = request.split_at(request.len() - 5);
    stream.write_all(begun.as_bytes()).unwrap();
    bench.audit.wait_for(|event| event["action"] == "network-request");
    // The same in other words, and less than before, end nothing.
    assert_eq!(closed(policy()), 0);
    assert_eq!(closed(&under("{sensitive: block, providers: [local]}")), 1);
    let _too_late = stream.write_all(rest.as_bytes());
    let answer = Answer::read(&mut stream);
    assert_eq!(
        (answer.status(), answer.json()["level"].as_str()),
        (403, Some("condition")),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("asks more of model calls now"), "{}", answer.text);
    assert!(!received.lock().unwrap().ends_with("hi\"}"), "the prompt was completed");
}

/// The agent's words are those from before redaction: a digest would let whoever reads the log try what was taken out.
#[test]
fn a_model_call_has_no_digests_on_record() {
    for host in ["inference.local", "api.models.example"] {
        let (bench, _received, _folder) = with_router();
        let prompt = format!("{{\"prompt\":\"{} hi\"}}", "x".repeat(64));
        let head = ask("/v1/chat/completions").replace("inference.local", host);
        let head = head.replace("Content-Length: 15", &format!("Content-Length: {}", prompt.len()));
        let (head, _prompt) = head.split_once("\r\n\r\n").unwrap();
        assert_eq!(bench.https(host, 443, format!("{head}\r\n\r\n{prompt}")).status(), 200);
        let event = bench.audit.wait_for(|event| event["action"] == "network-outcome");
        let object = &event["object"];
        assert_eq!((&object["bytes_sent"], &object["bytes_received"]), (&80.into(), &78.into()));
        let none = serde_json::Value::Null;
        assert_eq!((&object["sent_sha256"], &object["received_sha256"]), (&none, &none), "{host}");
    }
}

/// The name resolves to nothing here: whoever dialled it would fail.
#[test]
fn a_providers_host_is_the_routers_and_keeps_its_name() {
    let (bench, received, _folder) = with_router();
    let request = ask("/v1/chat/completions").replace("inference.local", "API.models.example");
    let answer = bench.https("api.models.example", 443, &request);
    assert_eq!(answer.status(), 200, "{}", answer.text);
    let plain = bench.http("api.models.example", 80, &request);
    assert_eq!(plain.status(), 200, "{}", plain.text);
    let received = received.lock().unwrap().clone();
    assert_eq!(received.matches("\r\nhost: api.models.example\r\n").count(), 2, "{received}");
    assert_eq!(
        received.matches("x-openshell-subject: {\"owners\":[{\"binary\":\"/usr/bin/curl\"").count(),
        2,
        "{received}"
    );
    assert!(!received.contains("evil"), "{received}");
    let record = bench.audit.wait_for(|event| event["action"] == "network-request");
    assert_eq!(record["object"]["host"], "api.models.example");
}

#[test]
fn a_call_under_way_to_a_providers_host_ends_when_more_is_asked_of_it() {
    let (bench, _received, _folder) = with_router();
    let mut stream = bench.tls(bench.connect("api.models.example", 443), "api.models.example");
    let request = ask("/v1/chat/completions").replace("inference.local", "api.models.example");
    stream.write_all(&request.as_bytes()[..request.len() - 5]).unwrap();
    bench.audit.wait_for(|event| event["action"] == "network-request");
    let narrowed = format!("{}inference: {{sensitive: local}}\n", policy());
    // Recorded, and perhaps not under way yet: then it is asked again there, and nothing has to be ended.
    assert!(matches!(bench.set_policy(&narrowed), ProxyEvent::PolicyApplied { .. }));
    assert_eq!(Answer::read(&mut stream).status(), 403);
}

#[test]
fn what_the_policy_denies_does_not_reach_the_router() {
    let (bench, received, _folder) = with_router();
    let answer = bench.https("inference.local", 443, ask("/v1/files"));
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"path".into()), "{}", answer.text);
    bench.audit.denied_at("path");
    assert_eq!(*received.lock().unwrap(), "");
}

#[test]
fn without_a_router_the_cause_is_told() {
    let bench = Setting::new(policy()).start();
    let answer = bench.https("inference.local", 443, ask("/v1/chat/completions"));
    assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{}", answer.text);
    assert!(
        answer.json()["error"].as_str().unwrap().contains("inference is not available"),
        "{}",
        answer.text
    );
}
