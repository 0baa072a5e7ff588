use super::*;
use crate::{Decision, Destination, Document, Headers, NoHeaders, Policy, Request, Timestamp};

fn seen(binary: &str, method: &str, url: &str) -> Seen {
    let (host, rest) = url.split_once('/').unwrap();
    let (host, port) = host.split_once(':').unwrap_or((host, "443"));
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    Seen {
        binaries: binary.split('+').map(str::to_owned).collect(),
        host: host.to_owned(),
        port: port.parse().unwrap(),
        method: method.to_owned(),
        path: format!("/{path}"),
        query_keys: query.split('&').filter(|key| !key.is_empty()).map(str::to_owned).collect(),
        time: "2026-11-21T00:00:00.000000Z".to_owned(),
        allowed: true,
    }
}

fn policy(learned: &Learned) -> Policy {
    let document = Document::parse(&learned.text, "learned.yaml")
        .unwrap_or_else(|errors| panic!("{errors}\n{}", learned.text));
    Policy::compile(&document).unwrap_or_else(|errors| panic!("{errors}\n{}", learned.text))
}

fn allows(policy: &Policy, seen: &Seen) -> bool {
    let owners = seen.binaries.iter().map(|binary| crate::witness::program(binary)).collect();
    let subject = wire::subject::Subject::Owners(owners);
    let query = seen.query_keys.iter().map(|key| format!("{key}=x")).collect::<Vec<_>>().join("&");
    let headers: &dyn Headers = &NoHeaders;
    let destination = Destination { host: &seen.host, port: seen.port };
    let (method, path, now) = (seen.method.as_str(), seen.path.as_str(), Timestamp(0));
    let request =
        Request { subject: &subject, destination, method, path, query: &query, headers, message: None, now };
    matches!(policy.decide(&request), Decision::Allow(_))
}

#[test]
fn what_was_seen_is_covered_and_nothing_crosswise() {
    let log = [
        seen("/usr/bin/curl", "GET", "a.example.com/x"),
        seen("/usr/bin/curl", "POST", "a.example.com/y"),
        seen("/usr/bin/git", "GET", "a.example.com/x"),
        seen("/usr/bin/curl", "GET", "b.example.com:8080/x?page&size"),
        seen("/usr/bin/curl+/usr/bin/bash", "GET", "c.example.com/"),
    ];
    let learned = learn(log.clone(), "audit.jsonl");
    let policy = policy(&learned);
    for one in &log {
        assert!(allows(&policy, one), "{one:?}\n{}", learned.text);
    }
    for stranger in [
        seen("/usr/bin/curl", "POST", "a.example.com/x"),
        seen("/usr/bin/git", "POST", "a.example.com/y"),
        seen("/usr/bin/curl", "GET", "a.example.com/y"),
        seen("/usr/bin/curl", "GET", "a.example.com/x?secret"),
        seen("/usr/bin/curl", "GET", "b.example.com/x"),
        seen("/usr/bin/curl", "GET", "b.example.com:8080/x?other"),
        seen("/usr/bin/wget", "GET", "a.example.com/x"),
        seen("/tmp/curl", "GET", "a.example.com/x"),
    ] {
        assert!(!allows(&policy, &stranger), "{stranger:?}\n{}", learned.text);
    }
    assert_eq!(learned.rules, 4, "{}", learned.text);
}

#[test]
fn ids_become_one_wildcard_and_words_stay() {
    let table = [
        ("/users/42/posts", "/users/*/posts"),
        ("/o/123e4567-e89b-12d3-a456-426614174000", "/o/*"),
        ("/blob/9f86d081884c7d65", "/blob/*"),
        ("/deadbeef", "/deadbeef"),
        ("/v1/a1b2", "/v1/a1b2"),
        ("/2026/11/x", "/*/*/x"),
        ("/feedback", "/feedback"),
        ("/", "/"),
        ("/a/", "/a/"),
    ];
    for (path, expected) in table {
        assert_eq!(without_ids(path), expected);
    }
    let log = ["1", "2", "3"].map(|id| seen("/usr/bin/curl", "GET", &format!("a.example.com/users/{id}")));
    let learned = learn(log, "l");
    assert_eq!(learned.rules, 1);
    assert!(learned.text.contains("path: {allow: [\"/users/*\"]}"), "{}", learned.text);
    assert!(
        learned.text.contains("# review: 3 requests (3 allowed, 0 denied), first 2026"),
        "{}",
        learned.text
    );
}

#[test]
fn what_was_not_recorded_becomes_a_wildcard() {
    for (path, expected) in [
        ("/users/<personal/email-address>/keys", "/users/*/keys"),
        ("/bot<credential/telegram-bot-token>/send", "/bot*/send"),
        ("/<a/b><c/d>", "/*"),
        ("/plain", "/plain"),
    ] {
        assert_eq!(without_marks(path), expected);
    }
    let marked = seen("/usr/bin/curl", "GET", "a.example.com/bot<credential/telegram-bot-token>/send");
    let learned = learn([marked], "l");
    assert!(learned.text.contains("path: {allow: [\"/bot*/send\"]}"), "{}", learned.text);
    let twice = learn([seen("/usr/bin/curl", "GET", "a.example.com/<a/b><c/d>")], "l");
    assert_eq!(twice.rules, 1, "{}", twice.text);
    assert!(!twice.text.contains("/**"), "{}", twice.text);
}

#[test]
fn what_no_rule_can_say_is_left_out_and_named() {
    let odd = [
        seen("", "GET", "a.example.com/x"),
        seen("curl", "GET", "a.example.com/x"),
        seen("/usr/bin/curl (deleted)", "GET", "a.example.com/x"),
        seen("/usr/bin/*", "GET", "a.example.com/x"),
        seen("/usr/bin/curl", "*", "a.example.com/x"),
        seen("/usr/bin/curl", "BREW", "a.example.com/x"),
        seen("/usr/bin/curl", "GET", "*.example.com/x"),
        seen("/usr/bin/curl", "GET", "A.example.com/x"),
        seen("/usr/bin/curl", "GET", "a.example.com/x*"),
        seen("/usr/bin/curl", "GET", "a.example.com/x\nnetwork:\n- evil"),
        Seen { binaries: Vec::new(), ..seen("/usr/bin/curl", "GET", "a.example.com/y") },
    ];
    let learned = learn(odd.clone(), "log\nversion: 2");
    assert_eq!(learned.rules, 0, "{}", learned.text);
    assert_eq!(learned.left_out.len(), odd.len() - 3, "the first four are told alike\n{}", learned.text);
    assert!(learned.text.ends_with("version: 1\nnetwork: []\n"), "{}", learned.text);
    assert_eq!(policy(&learned).rule_count(), 0);
    assert!(learned.text.lines().rev().skip(2).all(|line| line.starts_with('#')), "{}", learned.text);
}

#[test]
fn keys_that_no_condition_names_leave_the_query_open_and_say_so() {
    let log = [seen("/usr/bin/curl", "GET", "a.example.com/x?a*b")];
    let learned = learn(log.clone(), "l");
    assert!(
        learned.text.contains("any query is allowed") && !learned.text.contains("    query:"),
        "{}",
        learned.text
    );
    assert!(allows(&policy(&learned), &log[0]));
}

#[test]
fn what_is_learned_has_no_warning_but_of_the_host_itself() {
    let log = [
        seen("/usr/bin/curl", "POST", "a.example.com/users/1"),
        seen("/usr/bin/curl", "GET", "a.example.com/collect?k"),
    ];
    let learned = learn(log, "l");
    let document = Document::parse(&learned.text, "l").unwrap();
    let found = crate::lint::lint(&document, &policy(&learned), Timestamp(0));
    assert_eq!(found, [], "{}", learned.text);
}
