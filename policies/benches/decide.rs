//! What a decision costs: the compiled matcher, the same rules in Rego, and Rego that goes over all rules.
//!
//! `cargo xtask bench policy` runs it. Every figure is of single decisions, less what reading the clock takes.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails or prints nothing is none"
)]

use std::hint::black_box;
use std::time::Instant;

use policies::translate::Translation;
use policies::{Decision, Destination, Document, NoHeaders, Policy, Request, Timestamp};
use regorus::{Engine, Value};
use wire::subject::{Program, Subject};

/// Hosts that are asked for in turn, so that no decision is the one before it.
const HOSTS: usize = 64;
/// Linear Rego, as others write it: every rule is looked at until one fits.
const LINEAR: &str = "package linear
import rego.v1
default allow := false
allow if {
    some rule in data.rules
    some endpoint in rule.endpoints
    endpoint.host == input.host
    endpoint.port == input.port
    some binary in rule.binaries
    endswith(input.binary, binary)
    some route in rule.routes
    route.method == input.method
    glob.match(route.path, [\"/\"], input.path)
}";
const LINEAR_RULES: usize = 500;

fn main() {
    println!("| rules | request | reader | p50 | p99 |\n|---|---|---|---|---|");
    let clock = clock();
    compiled(clock);
    for rules in [10, 1000] {
        let (interpreter, mut machine) = Translation::of(&document(rules)).unwrap().readers().unwrap();
        for kind in ["name", "miss"] {
            let allowed = policies::translate::Verdict::is_allowed;
            let times =
                measure(2000, rules, kind, &mut |request| allowed(&interpreter.decide(request).unwrap()));
            row(rules, kind, "indexed Rego, interpreter", times, clock);
            let times = measure(2000, rules, kind, &mut |request| allowed(&machine.decide(request).unwrap()));
            row(rules, kind, "indexed Rego, virtual machine", times, clock);
        }
    }
    let engine = linear(LINEAR_RULES);
    let times = measure(60, LINEAR_RULES, "name", &mut |request| ask_linear(&engine, request));
    row(LINEAR_RULES, "name", "linear Rego, interpreter", times, clock);
    narrowed(clock);
}

/// A decision must not grow with the policy. The bound is wide, because a busy machine runs this too.
fn compiled(clock: u128) {
    let policies = [10, 100, 1000, 10_000].map(|rules| (rules, Policy::compile(&document(rules)).unwrap()));
    for kind in ["name", "wildcard", "miss"] {
        let mut medians = Vec::new();
        for (rules, policy) in &policies {
            let times = measure(200_000, *rules, kind, &mut |request| {
                matches!(policy.decide(request), Decision::Allow(_))
            });
            medians.push(times[times.len() / 2]);
            row(*rules, kind, "compiled", times, clock);
        }
        assert!(medians[3] < medians[0] * 5 + 1000, "{kind}: {medians:?} ns");
    }
}

/// What a user's module adds to a decision.
fn narrowed(clock: u128) {
    let text = format!(
        "version: 1\nrego:\n  name: hours\n  mode: narrow\n  text: 'allow {{ input.method == \"GET\"; startswith(input.path, \"/v1/\") }}'\nnetwork:\n{}",
        rules(1000)
    );
    let policy = Policy::compile(&Document::parse(&text, "bench").unwrap()).unwrap();
    let times =
        measure(5000, 1000, "name", &mut |request| matches!(policy.decide(request), Decision::Allow(_)));
    row(1000, "name", "compiled, and a narrowing module", times, clock);
}

fn rules(count: usize) -> String {
    let rule = |number: usize| {
        format!(
            "- name: rule-{number}\n  binary: {{allow: [curl, tool{number}x]}}\n  \
             destination: {{allow: [api{number}.example.com, \"*.t{number}.example.net\"]}}\n  \
             method: {{allow: [GET, POST]}}\n  path: {{allow: [\"/v1/*/items/**\", /health], deny: [\"/v1/admin/*\"]}}\n"
        )
    };
    (0..count).map(rule).collect()
}

fn document(count: usize) -> Document {
    Document::parse(&rules(count), "bench").unwrap()
}

/// Times of single decisions, in nanoseconds, in order.
fn measure(
    rounds: usize,
    rules: usize,
    kind: &str,
    decide: &mut dyn FnMut(&Request<'_>) -> bool,
) -> Vec<u128> {
    let path = "/usr/bin/curl".to_owned();
    let program = Program { path, sha256: None, script: None, pid: 1, uid: 1000, parents: Vec::new() };
    let subject = Subject::Owners(vec![program]);
    let hosts: Vec<String> = (0..HOSTS)
        .map(|nth| match kind {
            "name" => format!("api{}.example.com", nth * 31 % rules),
            "wildcard" => format!("x.t{}.example.net", nth * 31 % rules),
            _ => format!("api{nth}.example.org"),
        })
        .collect();
    let mut times = Vec::with_capacity(rounds);
    for round in 0..rounds + HOSTS {
        let request = Request {
            subject: &subject,
            destination: Destination { host: &hosts[round % HOSTS], port: 443 },
            method: "GET",
            path: "/v1/7/items/8",
            query: "",
            headers: &NoHeaders,
            message: None,
            now: Timestamp(1_800_000_000),
        };
        let started = Instant::now();
        let allowed = black_box(decide(black_box(&request)));
        let time = started.elapsed().as_nanos();
        assert_eq!(allowed, kind != "miss");
        // The first of each host fills caches.
        if round >= HOSTS {
            times.push(time);
        }
    }
    times.sort_unstable();
    times
}

/// What reading the clock twice takes.
fn clock() -> u128 {
    let mut times: Vec<u128> = (0..100_000).map(|_round| Instant::now().elapsed().as_nanos()).collect();
    times.sort_unstable();
    times[times.len() / 2]
}

fn row(rules: usize, kind: &str, reader: &str, times: Vec<u128>, clock: u128) {
    let at = |part: usize| shown(times[times.len() * part / 100].saturating_sub(clock));
    println!("| {rules} | {kind} | {reader} | {} | {} |", at(50), at(99));
}

fn shown(nanoseconds: u128) -> String {
    match nanoseconds {
        0..10_000 => format!("{nanoseconds} ns"),
        10_000..10_000_000 => format!("{} µs", nanoseconds / 1000),
        _ => format!("{} ms", nanoseconds / 1_000_000),
    }
}

fn linear(rules: usize) -> Engine {
    let rules: Vec<serde_json::Value> = (0..rules)
        .map(|number| {
            serde_json::json!({
                "endpoints": [
                    {"host": format!("api{number}.example.com"), "port": 443},
                    {"host": format!("x.t{number}.example.net"), "port": 443}
                ],
                "binaries": [format!("/tool{number}x"), "/curl"],
                "routes": [
                    {"method": "GET", "path": "/health"},
                    {"method": "GET", "path": "/v1/*/items/**"},
                    {"method": "POST", "path": "/v1/*/items/**"}
                ]
            })
        })
        .collect();
    let mut engine = Engine::new();
    engine.add_policy("linear.rego".to_owned(), LINEAR.to_owned()).unwrap();
    engine.add_data(Value::from_json_str(&serde_json::json!({"rules": rules}).to_string()).unwrap()).unwrap();
    engine
}

fn ask_linear(engine: &Engine, request: &Request<'_>) -> bool {
    let mut engine = engine.clone();
    let input = serde_json::json!({
        "host": request.destination.host, "port": request.destination.port, "binary": "/usr/bin/curl",
        "method": request.method, "path": request.path
    });
    engine.set_input(Value::from_json_str(&input.to_string()).unwrap());
    engine.eval_rule("data.linear.allow".to_owned()).unwrap() == Value::Bool(true)
}
