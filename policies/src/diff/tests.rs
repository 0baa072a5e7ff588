use super::*;
use crate::pattern::Side as List;
use crate::pattern::binary::BinaryPattern;
use crate::pattern::host::DestinationPattern;
use crate::pattern::method::MethodPattern;
use crate::pattern::oracle::Random;
use crate::pattern::path::{Kind, PathPattern};
use crate::{Headers, NoHeaders};

fn document(rules: &str) -> Document {
    Document::parse(&format!("version: 1\nnetwork:\n{rules}"), "p")
        .unwrap_or_else(|errors| panic!("{errors}\n{rules}"))
}

fn rule(name: &str, levels: [&str; 4], more: &str) -> String {
    let [binary, destination, method, path] = levels;
    format!(
        "  - name: {name}\n    binary: {binary}\n    destination: {destination}\n    method: {method}\n    path: {path}\n{more}"
    )
}

const PLAIN: [&str; 4] = ["{allow: [curl]}", "{allow: [a.example.com]}", "{allow: [GET]}", "{allow: [/a]}"];

fn lines(before: &str, after: &str) -> Vec<String> {
    let found = diff(&document(before), &document(after), Timestamp(0)).unwrap();
    assert!(found.complete);
    let list = |patterns: &[Pattern]| patterns.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let line = |group: &Group| {
        let (binaries, hosts) = (list(&group.binaries), list(&group.destinations));
        let with = group.with.as_deref().unwrap_or_default();
        format!(
            "{:?} {} | {binaries} | {hosts} | {} | {} | {with}",
            group.becomes,
            group.rule,
            list(&group.methods),
            list(&group.paths)
        )
    };
    found.groups.iter().map(line).collect()
}

#[test]
fn a_module_shows_by_example_and_never_as_complete() {
    let plain = document(&rule("r", PLAIN, ""));
    let mut narrowed = plain.clone();
    let module = "version: 1\nrego: {name: m, mode: narrow, text: 'allow { input.binary == \"git\" }'}\n";
    narrowed.rego = Document::parse(module, "m").unwrap().rego;
    let found = diff(&plain, &narrowed, Timestamp(0)).unwrap();
    assert_eq!(found.groups.len(), 1);
    assert_eq!(found.groups[0].becomes, Becomes::Denied);
    assert!(!found.complete);
}

#[test]
fn the_same_decisions_in_other_words_are_no_difference() {
    let one = rule(
        "r",
        [
            "{allow: [curl, git]}",
            "{allow: [a.example.com, b.example.com]}",
            "{allow: [GET, HEAD]}",
            "{allow: [/a, \"/b/**\"]}",
        ],
        "",
    );
    let split = rule(
        "s",
        [
            "{allow: [git, curl]}",
            "{allow: [b.example.com]}",
            "{allow: [HEAD, GET]}",
            "{allow: [\"/b/**\", /a, /b/c]}",
        ],
        "",
    ) + &rule(
        "t",
        [
            "{allow: [git, curl]}",
            "{allow: [\"a.example.com:443\"]}",
            "{allow: [HEAD, GET]}",
            "{allow: [\"/b/**\", /a]}",
        ],
        "",
    );
    assert_eq!(lines(&one, &split), [""; 0]);
}

#[test]
fn each_level_is_told_in_the_words_of_the_policies() {
    let before = rule("r", PLAIN, "");
    let level = |at: usize, text: &'static str| {
        let mut levels = PLAIN;
        levels[at] = text;
        lines(&before, &rule("r", levels, ""))
    };
    assert_eq!(level(0, "{allow: [curl, git]}"), ["Allowed r | git | a.example.com | GET | /a | "]);
    assert_eq!(
        level(1, "{allow: [a.example.com, \"*.b.example.com:8000-8010\"]}"),
        ["Allowed r | curl | *.b.example.com:8000-8010 | GET | /a | "]
    );
    assert_eq!(level(2, "{allow: [\"*\"]}"), ["Allowed r | curl | a.example.com | * (but not GET) | /a | "]);
    assert_eq!(
        level(3, "{allow: [\"/a/**\"]}"),
        [
            "Allowed r | curl | a.example.com | GET | /a/** | ",
            "Denied r | curl | a.example.com | GET | /a | "
        ]
    );
    assert_eq!(
        level(3, "{allow: [\"/*\"], deny: [/b]}"),
        ["Allowed r | curl | a.example.com | GET | /* (but not /a, /b (as denied)) | "]
    );
}

#[test]
fn owners_together_conditions_and_times_are_seen() {
    let split = rule("c", PLAIN, "") + &rule("g", ["{allow: [git]}", PLAIN[1], PLAIN[2], PLAIN[3]], "");
    let joined = rule("r", ["{allow: [curl, git]}", PLAIN[1], PLAIN[2], PLAIN[3]], "");
    let found = lines(&split, &joined);
    assert!(
        found.iter().any(|line| line.starts_with("Allowed r | curl, git |")) && found.len() == 1,
        "{found:?}"
    );
    let plain = rule("r", PLAIN, "");
    let short = rule("r", PLAIN, "    query: {max_length: 4}\n");
    assert!(
        lines(&plain, &short)[0].contains("Denied r | curl | a.example.com | GET | /a | with the query"),
        "{:?}",
        lines(&plain, &short)
    );
    let field = rule("r", PLAIN, "    headers: {deny: [\"prefer: *async*\"]}\n");
    assert!(lines(&plain, &field)[0].contains("with 'prefer: "), "{:?}", lines(&plain, &field));
    let late = rule("r", PLAIN, "    until: 2026-01-01T00:00:00Z\n");
    assert_eq!(
        lines(&plain, &late),
        ["Denied r | curl | a.example.com | GET | /a | at 2026-01-01T00:00:00Z"]
    );
}

const BINARIES: &[&str] = &["curl", "python3", "git", "/usr/bin/*", "/opt/**", "/usr/bin/curl"];
const DESTINATIONS: &[&str] =
    &["x.com", "*.x.com", "**.x.com", "b.a.x.com", "x.com:80", "x.com:80-90", "10.0.0.1"];
const METHODS: &[&str] = &["GET", "POST", "DELETE", "*"];
const PATHS: &[&str] =
    &["/", "/a", "/a/*", "/a/**", "/**", "/*/b", "/a/*/c", "/**/c", "/a*", "/*b", "/a/b.*", "/a/", "/a:x"];
const ASKED: [&[&str]; 5] = [
    &[
        "/usr/bin/curl",
        "/tmp/curl",
        "/usr/bin/python3.11",
        "/opt/x/y",
        "/opt/curl",
        "/usr/lib/git-core/git-remote-http",
        "/usr/bin/wget",
    ],
    &["x.com", "a.x.com", "b.a.x.com", "c.b.a.x.com", "10.0.0.1"],
    &["443", "80", "85", "8080"],
    &["GET", "POST", "DELETE", "PUT"],
    &[
        "/", "/a", "/A", "/a/", "/a/b", "/a/b/c", "/x/b", "/c", "/a/b.x", "/a/b.x/c", "/ab", "/a%3Ax",
        "/a/x/c/", "/axb",
    ],
];

fn pick(random: &mut Random, words: &[&'static str]) -> &'static str {
    words[random.below(words.len())]
}

fn random_rule(random: &mut Random, number: usize) -> String {
    let levels = [BINARIES, DESTINATIONS, METHODS, PATHS].map(|words| {
        let mut list = |most: usize| {
            let entries: Vec<String> = (0..most).map(|_nth| format!("\"{}\"", pick(random, words))).collect();
            entries.join(", ")
        };
        let (allow, deny) = (list(3), list(1));
        if random.below(4) == 0 {
            format!("{{allow: [{allow}], deny: [{deny}]}}")
        } else {
            format!("{{allow: [{allow}]}}")
        }
    });
    rule(&format!("\"{number}\""), levels.each_ref().map(String::as_str), "")
}

/// A policy of random rules that all compile.
fn random_policy(random: &mut Random) -> (Document, Policy) {
    loop {
        let rules: String = (0..=random.below(3)).map(|number| random_rule(random, number)).collect();
        let document = document(&rules);
        if let Ok(policy) = Policy::compile(&document) {
            return (document, policy);
        }
    }
}

/// Whether what a group says of one level covers a value.
fn says(patterns: &[Pattern], matches: &dyn Fn(&str, List) -> bool) -> bool {
    patterns.iter().any(|pattern| says_one(pattern, matches))
}

fn says_one(pattern: &Pattern, matches: &dyn Fn(&str, List) -> bool) -> bool {
    let side = if pattern.as_denied { List::Deny } else { List::Allow };
    matches(&pattern.pattern, side) && !says(&pattern.except, matches)
}

fn covers(group: &Group, owners: &[&str], request: &Request<'_>) -> bool {
    let destination = |text: &str, side| {
        let pattern = DestinationPattern::parse(text, side).unwrap();
        pattern.host.matches(request.destination.host) && pattern.ports.contain(request.destination.port)
    };
    let method = |text: &str, _side| MethodPattern::parse(text).unwrap().matches(request.method);
    let path =
        |text: &str, side| PathPattern::parse(text, Kind::Request, side).unwrap().matches(request.path);
    let binary = |owner: &str, pattern: &Pattern| {
        says_one(pattern, &|text, side| BinaryPattern::parse(text, side).unwrap().matches(owner))
    };
    let held = |pattern: &Pattern| owners.iter().any(|owner| binary(owner, pattern));
    let programs =
        if group.together { group.binaries.iter().all(held) } else { group.binaries.iter().any(held) };
    programs
        && says(&group.destinations, &destination)
        && says(&group.methods, &method)
        && says(&group.paths, &path)
}

#[test]
fn every_request_that_differs_is_in_a_group() {
    let mut random = Random::new(11);
    let (mut differing, mut same) = (0, 0);
    for _policy in 0..30 {
        let ((before, one), (after, other)) = (random_policy(&mut random), random_policy(&mut random));
        let found = diff(&before, &after, Timestamp(0)).unwrap();
        assert!(found.complete);
        for _request in 0..500 {
            let owners: Vec<&str> = (0..=random.below(2)).map(|_nth| pick(&mut random, ASKED[0])).collect();
            let subject = Subject::Owners(owners.iter().map(|owner| witness::program(owner)).collect());
            let [host, port, method, path] = [1, 2, 3, 4].map(|level| pick(&mut random, ASKED[level]));
            let destination = Destination { host, port: port.parse().unwrap() };
            let headers: &dyn Headers = &NoHeaders;
            let request = Request {
                subject: &subject,
                destination,
                method,
                path,
                query: "",
                headers,
                message: None,
                now: Timestamp(0),
            };
            let becomes = match (one.decide(&request).is_allowed(), other.decide(&request).is_allowed()) {
                (false, true) => Becomes::Allowed,
                (true, false) => Becomes::Denied,
                _ => {
                    same += 1;
                    continue;
                }
            };
            differing += 1;
            let told =
                found.groups.iter().any(|group| group.becomes == becomes && covers(group, &owners, &request));
            assert!(told, "{owners:?} {request:?} {becomes:?}\n{before:?}\n{after:?}\n{:#?}", found.groups);
        }
    }
    assert!(differing > 300 && same > 300, "{differing} {same}");
}

#[test]
fn a_policy_does_not_differ_from_itself() {
    let mut random = Random::new(12);
    for _policy in 0..100 {
        let (document, _policy) = random_policy(&mut random);
        assert_eq!(diff(&document, &document, Timestamp(0)).unwrap().groups, []);
    }
}

#[test]
fn what_no_request_shows_is_said_beside() {
    let plain = rule("r", PLAIN, "");
    for (more, line) in [
        ("    enforcement: audit\n", "rule 'r' goes on trial"),
        ("    limits: {requests_per_minute: 5}\n", "rule 'r' has other limits"),
    ] {
        let other = rule("r", PLAIN, more);
        let found = diff(&document(&plain), &document(&other), Timestamp(0)).unwrap();
        assert!(found.beside.len() == 1 && found.beside[0].starts_with(line), "{found:?}");
    }
    let blocking = document(&format!("{plain}inference: {{sensitive: block}}\n"));
    let found = diff(&document(&plain), &blocking, Timestamp(0)).unwrap();
    let line = "model calls are allowed under 'sensitive=block providers=local,cloud', not ";
    assert!(found.beside.len() == 1 && found.beside[0].starts_with(line), "{found:?}");
    let same = diff(&document(&plain), &document(&plain), Timestamp(0)).unwrap();
    assert_eq!(same.beside, Vec::<String>::new());
}
