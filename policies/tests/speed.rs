//! A decision must not grow with the policy. The figures are printed; the bounds are wide, because a
//! busy machine runs this too.

#![expect(clippy::unwrap_used, reason = "a broken policy is a failed test")]

use std::hint::black_box;
use std::time::Instant;

use policies::{Decision, Destination, Document, NoHeaders, Policy, Request, Timestamp};
use wire::subject::{Program, Subject};

const ROUNDS: usize = 20_000;

fn policy(rules: usize) -> Policy {
    let mut text = String::new();
    for number in 0..rules {
        text.push_str(&format!(
            "- name: rule-{number}\n  binary: {{allow: [curl, tool{number}x]}}\n  \
             destination: {{allow: [api{number}.example.com, \"*.t{number}.example.net\"]}}\n  \
             method: {{allow: [GET, POST]}}\n  path: {{allow: [\"/v1/*/items/**\", /health], deny: [\"/v1/admin/*\"]}}\n"
        ));
    }
    Policy::compile(&Document::parse(&text, "p").unwrap()).unwrap()
}

/// Median and 99th percentile of one decision, in nanoseconds.
fn measure(policy: &Policy, rules: usize, kind: &str) -> (u128, u128) {
    let program = Program {
        path: "/usr/bin/curl".to_owned(),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1000,
        parents: Vec::new(),
    };
    let subject = Subject::Owners(vec![program]);
    let hosts: Vec<String> = (0..64)
        .map(|nth| match kind {
            "exact" => format!("api{}.example.com", nth * 31 % rules),
            "wildcard" => format!("x.t{}.example.net", nth * 31 % rules),
            _ => format!("api{nth}.example.org"),
        })
        .collect();
    let mut times: Vec<u128> = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        let destination = Destination { host: &hosts[round % hosts.len()], port: 443 };
        let (method, path, query, headers) = ("GET", "/v1/7/items/8", "", &NoHeaders);
        let now = Timestamp(0);
        let request = Request { subject: &subject, destination, method, path, query, headers, now };
        let started = Instant::now();
        let decision = black_box(policy.decide(black_box(&request)));
        times.push(started.elapsed().as_nanos());
        assert_eq!(matches!(decision, Decision::Allow(_)), kind != "miss");
    }
    times.sort_unstable();
    (times[ROUNDS / 2], times[ROUNDS * 99 / 100])
}

#[test]
fn a_decision_takes_no_longer_in_a_large_policy() {
    for kind in ["exact", "wildcard", "miss"] {
        let mut medians = Vec::new();
        for rules in [10, 1000, 10_000] {
            let (median, p99) = measure(&policy(rules), rules, kind);
            println!("{kind:9} {rules:6} rules: p50 {median} ns, p99 {p99} ns (with the clock's own cost)");
            medians.push(median);
        }
        assert!(medians[2] < medians[0] * 5 + 1000, "{kind}: {medians:?}");
        assert!(medians[1] < 20_000, "{kind}: {medians:?}");
    }
}
