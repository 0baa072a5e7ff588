//! `openshell policy set` on a running sandbox: the agent's next request, and the response that it is reading.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{ChildStdout, Output};
use std::time::Duration;

use scenarios::{Session, openshell};

/// A rule for the agent's one program at `host`.
fn rule(host: &str) -> String {
    format!(
        "network:
    - name: files
      binary: {{allow: [busybox]}}
      destination: {{allow: ['{host}']}}
      method: {{allow: [GET]}}
      path: {{allow: ['/**']}}
"
    )
}

/// `/` is answered at once; `/endless` never ends.
fn upstream() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().filter_map(Result::ok) {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
        head.push(byte[0]);
    }
    let endless = head.starts_with(b"GET /endless ");
    let length = if endless { 1_000_000_000 } else { 6 };
    let mut alive = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\nhello\n");
    while endless && alive.is_ok() {
        std::thread::sleep(Duration::from_millis(20));
        alive = stream.write_all(b"more\n");
    }
}

fn set(home: &Path, policy: &str) -> Output {
    let file = home.join("new.yaml");
    std::fs::write(&file, policy).expect("the session's directory is writable");
    let mut command = openshell(home);
    command.args(["policy", "set", "scenario"]).arg(file).output().expect("openshell is built")
}

/// Waits until the agent says `word`.
fn hear(agent: &mut BufReader<ChildStdout>, word: &str) {
    let mut heard = String::new();
    while agent.read_line(&mut heard).expect("the agent's output can be read") > 0 {
        if heard.ends_with(&format!("{word}\n")) {
            return;
        }
    }
    panic!("'{word}' was never said: {heard}");
}

fn word(value: &serde_json::Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[test]
fn a_running_agent_is_cut_off_and_let_in_again() {
    let port = upstream();
    let host = format!("files.example.test:{port}");
    let script = format!(
        "url=http://{host}; \
         wget -q -O- $url/endless >/dev/null 2>&1 & reader=$!; \
         until wget -q -O- $url/ 2>/dev/null | grep -q hello; do sleep 0.2; done; echo open; \
         while wget -q -O- $url/ 2>/dev/null | grep -q hello; do sleep 0.1; done; echo shut; \
         wait $reader; echo broken; \
         until wget -q -O- $url/ 2>/dev/null | grep -q hello; do sleep 0.2; done; echo again"
    );
    let egress = "egress: {hosts: {files.example.test: 127.0.0.1}, allow_addresses: [127.0.0.1/32]}";
    let mut session = Session::new("tiny")
        .script(&script)
        .yaml(&format!("policy:\n  filesystem: {{read: [/opt]}}\n  {}", rule(&host)))
        .yaml(egress)
        .start();
    let mut agent = BufReader::new(session.child.stdout.take().expect("it is piped"));
    hear(&mut agent, "open");
    let home = session.dir().to_path_buf();

    // What is no policy, or would change what holds to the end, changes nothing.
    for (wrong, words) in [
        ("version: 1\nnetwerk: []\n", "netwerk"),
        ("version: 1\nfilesystem: {read: [/]}\nnetwork: []\n", "filesystem.read"),
    ] {
        let refused = set(&home, wrong);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(
            said.contains(words) && said.contains("in force stays") || said.contains("stays in force"),
            "{said}"
        );
        assert!(said.contains("remedy: "), "{said}");
    }

    let closed = set(&home, "version: 1\nnetwork: []\n");
    let said = String::from_utf8_lossy(&closed.stdout).into_owned();
    assert!(closed.status.success() && said.contains("policy 2 is in force"), "{said} {closed:?}");
    hear(&mut agent, "shut");
    hear(&mut agent, "broken");
    let opened = set(&home, &format!("version: 1\n{}", rule(&host)));
    assert!(opened.status.success(), "{opened:?}");
    hear(&mut agent, "again");

    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let changes: Vec<(&str, &str)> = outcome
        .audit
        .iter()
        .filter(|record| record["action"] == "policy-change")
        .map(|record| (word(&record["decision"]), word(&record["policy_change"]["source"])))
        .collect();
    // The first mistake was found before the sandbox was asked.
    assert_eq!(changes, [("deny", "new.yaml"), ("allow", "new.yaml"), ("allow", "new.yaml")], "{outcome}");
    let broken = outcome.audit.iter().any(|record| {
        record["action"] == "network-outcome"
            && record["decision"] == "deny"
            && record["object"]["path"] == "/endless"
            && record["policy"] == 2
    });
    assert!(broken, "the endless response was not broken off: {outcome}");
}
