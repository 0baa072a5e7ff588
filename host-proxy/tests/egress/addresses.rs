//! Where names lead: no address of the machine or its networks is dialled, whatever the policy allows.

use std::net::IpAddr;

use crate::bench::{Answer, Setting, curl};
use crate::forwarding::{NAME, policy};
use crate::upstream::Upstream;

/// A name that leads to `address` is refused for its class, although the policy allows the name.
fn refused(address: &str, class: &str) {
    let address: IpAddr = address.parse().unwrap();
    let bench = Setting::new(policy(8080)).host_at(NAME, address).start();
    let answer = bench.http(NAME, 8080, format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:8080\r\n\r\n"));
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"destination".into()), "{}", answer.text);
    assert!(
        answer.json()["error"].as_str().unwrap().contains(&format!("a {class} address")),
        "{}",
        answer.text
    );
    let outcome = bench.audit.wait_for(|event| event["action"] == "network-outcome");
    assert_eq!(
        (&outcome["decision"], &outcome["level"]),
        (&"deny".into(), &"destination".into()),
        "{outcome}"
    );
}

macro_rules! refused {
    ($($name:ident: $address:literal $class:literal;)+) => {
        $(#[test]
        fn $name() {
            refused($address, $class);
        })+
    };
}

refused! {
    loopback: "127.0.0.2" "loopback";
    loopback_v6: "::1" "loopback";
    private_10: "10.0.0.1" "private";
    private_172: "172.16.0.1" "private";
    private_192: "192.168.0.1" "private";
    unique_local: "fc00::1" "private";
    link_local: "169.254.1.1" "link-local";
    link_local_v6: "fe80::1" "link-local";
    metadata: "169.254.169.254" "metadata-service";
    metadata_v6: "fd00:ec2::254" "metadata-service";
    metadata_elsewhere: "100.100.100.200" "metadata-service";
    shared: "100.64.0.1" "carrier-grade NAT";
    multicast: "224.0.0.1" "multicast";
    multicast_v6: "ff02::1" "multicast";
    broadcast: "255.255.255.255" "reserved";
    this_network: "0.0.0.0" "reserved";
    unspecified_v6: "::" "reserved";
    class_e: "240.0.0.1" "reserved";
    documentation: "203.0.113.1" "reserved";
    synthetic: "198.18.1.0" "reserved";
    mapped: "::ffff:127.0.0.1" "translated";
    compatible: "::127.0.0.1" "translated";
    nat64: "64:ff9b::7f00:1" "translated";
    six_to_four: "2002:7f00:1::1" "translated";
    teredo: "2001:0:1::1" "translated";
}

#[test]
fn an_address_that_the_policy_names_is_still_of_its_class() {
    let policy = policy(8080).replace(NAME, "169.254.169.254");
    let bench = Setting::new(policy).start();
    let mut stream = bench.flow("169.254.169.254:8080".parse().unwrap(), curl());
    let answer = Answer::of(&mut stream, b"GET /v1/meta-data HTTP/1.1\r\nHost: 169.254.169.254:8080\r\n\r\n");
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"destination".into()), "{}", answer.text);
    assert!(answer.json()["error"].as_str().unwrap().contains("metadata-service"), "{}", answer.text);
}

#[test]
fn only_what_the_operator_opened_is_dialled() {
    let upstream = Upstream::plain();
    let mut setting = Setting::new(policy(upstream.port)).host(NAME);
    setting.upstream.allow_addresses.clear();
    let bench = setting.start();
    let request = format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{}\r\n\r\n", upstream.port);
    let answer = bench.http(NAME, upstream.port, &request);
    assert_eq!((answer.status(), &answer.json()["level"]), (403, &"destination".into()), "{}", answer.text);
    upstream.saw_nothing();
    let bench = Setting::new(policy(upstream.port)).host(NAME).start();
    assert_eq!(bench.http(NAME, upstream.port, &request).status(), 200);
}

#[test]
fn a_name_that_leads_nowhere_is_told() {
    let mut setting = Setting::new(policy(8080).replace(NAME, "nowhere.invalid"));
    setting.upstream.hosts.clear();
    let bench = setting.start();
    let answer =
        bench.http("nowhere.invalid", 8080, "GET /v1/a HTTP/1.1\r\nHost: nowhere.invalid:8080\r\n\r\n");
    assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{}", answer.text);
    assert!(answer.json()["error"].as_str().unwrap().contains("nowhere.invalid"), "{}", answer.text);
}

#[test]
fn an_upstream_that_does_not_listen_is_told() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bench = Setting::new(policy(closed)).host(NAME).start();
    let answer = bench.http(NAME, closed, format!("GET /v1/a HTTP/1.1\r\nHost: {NAME}:{closed}\r\n\r\n"));
    assert_eq!((answer.status(), &answer.json()["level"]), (502, &"upstream".into()), "{}", answer.text);
    assert!(answer.json()["error"].as_str().unwrap().contains("refused"), "{}", answer.text);
}
