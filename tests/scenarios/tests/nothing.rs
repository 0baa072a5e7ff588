//! A guest reaches nothing that its policy does not name, by any way there is: once without a policy at
//! all, once with a policy that allows something else.
//!
//! The witness is the host: a server there that would answer, and counts who asks. A server in the guest
//! is the control: the same clients reach it, so a `closed` is not a client that failed to run.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scenarios::{Outcome, Session};

/// A policy that allows something that no attempt below asks for.
const ELSEWHERE: &str = "policy:
  network:
    - name: elsewhere
      binary: {allow: [curl]}
      destination: {allow: [allowed.example.test]}
      method: {allow: [GET]}
      path: {allow: [/]}
egress: {hosts: {allowed.example.test: 127.0.0.1}}";

/// Attempts that must fail, and three that show that the clients work.
const ATTEMPTS: &str = r#"
    try() { name=$1; shift; if timeout 5 "$@" >/dev/null 2>&1; then echo "$name OPEN"; else echo "$name closed"; fi; }
    (while true; do echo answer | nc -l -p 8098 >/dev/null; done) 2>/dev/null &
    sleep 1
    try control-tcp sh -c 'nc -w 2 127.0.0.1 8098 </dev/null | grep answer'
    try control-http sh -c 'wget -q -O- http://127.0.0.1:8098/ 2>&1 | grep -v refused'
    try control-icmp ping -c 1 -W 1 127.0.0.1
    kill $!
    try ip4 nc -w 2 192.0.2.1 8099 </dev/null
    try host sh -c 'nc -w 2 198.18.0.1 8099 </dev/null | grep .'
    try metadata sh -c 'wget -q -O- http://169.254.169.254/ | grep -v denied'
    try ip6 sh -c 'nc -w 2 2001:db8::1 8099 </dev/null | grep .'
    try name wget -q -O- http://example.com/
    try label nslookup c2VjcmV0LWRhdGE.example.com
    try udp sh -c 'echo x | nc -u -w 1 192.0.2.1 9999 | grep .'
    try icmp ping -c 1 -W 1 192.0.2.1
"#;

/// A host server on every address that counts its callers. It lives as long as the tests.
fn witness(port: u16) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(("0.0.0.0", port)).expect("the port is free");
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    std::thread::spawn(move || {
        for _caller in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    calls
}

/// Every attempt failed, while the clients worked.
fn nothing_was_reached(outcome: &Outcome) {
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let text = outcome.text();
    for name in ["ip4", "host", "metadata", "ip6", "name", "label", "udp", "icmp"] {
        assert!(text.contains(&format!("{name} closed\n")), "{name}: {outcome}");
    }
    assert!(text.contains("control-tcp OPEN\n"), "the control failed: {outcome}");
}

#[test]
fn without_a_policy() {
    let calls = witness(8097);
    let outcome = Session::new("tiny").script(&ATTEMPTS.replace("8099", "8097")).run();
    nothing_was_reached(&outcome);
    assert_eq!(calls.load(Ordering::SeqCst), 0, "the host was reached: {outcome}");
}

#[test]
fn with_a_policy_for_something_else() {
    let calls = witness(8099);
    let outcome = Session::new("tiny").yaml(ELSEWHERE).script(ATTEMPTS).run();
    // With egress a connection is taken and then refused by the host: what counts is that no byte came back.
    let script_saw = outcome.text();
    for name in ["host", "metadata", "ip6", "name", "label", "udp", "icmp"] {
        assert!(script_saw.contains(&format!("{name} closed\n")), "{name}: {outcome}");
    }
    assert_eq!(calls.load(Ordering::SeqCst), 0, "the host was reached: {outcome}");
    let denied = outcome.audit.iter().filter(|record| record["decision"] == "deny").count();
    assert!(denied >= 4, "{denied} denials were recorded: {outcome}");
}

#[test]
fn not_by_vsock_from_the_agents_user() {
    let script = r#"
import socket
for cid in (0, 1, 2, 3, 0xffffffff):
    for port in (1, 2, 3, 22, 1023, 1024, 5000):
        try:
            s = socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
            s.settimeout(1)
            s.connect((cid, port))
            print("OPEN", cid, port)
        except OSError as e:
            pass
for family in (socket.AF_PACKET, socket.AF_ALG, socket.AF_BLUETOOTH):
    try:
        socket.socket(family, socket.SOCK_RAW)
        print("OPEN family", family)
    except OSError:
        pass
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)
    print("OPEN raw")
except OSError:
    pass
print("done")
"#;
    let outcome = Session::new("base").command(["python3", "-c", script]).yaml(ELSEWHERE).run();
    assert_eq!(outcome.text(), "done\n", "{outcome}");
}

#[test]
fn a_refused_connection_fails_at_once() {
    // A client that waits for a time-out would hang an agent for minutes.
    let script = "start=$(date +%s); nc -w 20 192.0.2.1 80 </dev/null; echo x | nc -u -w 1 192.0.2.1 53; \
                  end=$(date +%s); test $((end-start)) -lt 10 && echo fast";
    let outcome = Session::new("tiny").script(script).run();
    assert!(outcome.text().contains("fast"), "{outcome}");
}
