//! The import against a model of OpenShell's engine: on generated policies and requests, nothing may be
//! allowed here that the model refuses.
//!
//! The model is written from that engine's own policy (`sandbox-policy.rego`) and reference, apart from the
//! import: it decides requests and knows nothing of our language. A policy binds a program also by its
//! ancestor there, and only by itself here. What the reference says of overlapping endpoints is in it too:
//! one without inspection adds nothing beside one with it, and of several the one with the most specific
//! path decides.

#![expect(clippy::unwrap_used, reason = "a generator that is wrong is a failed test")]

use policies::import::openshell::import;
use policies::{Decision, Destination, NoHeaders, Policy, Request, Timestamp};
use wire::subject::{Program, Subject};

const POLICIES: usize = 2_000;
const REQUESTS: usize = 100;

const HOSTS: [&str; 6] = [
    "a.example.com",
    "b.example.com",
    "*.example.com",
    "**.example.com",
    "x.b.example.com",
    "a-*.example.com",
];
const ASKED_HOSTS: [&str; 5] =
    ["a.example.com", "b.example.com", "x.b.example.com", "a-b.example.com", "example.com"];
const PORTS: [u16; 2] = [443, 8443];
const PATHS: [&str; 14] = [
    "**", "/**", "/a", "/a/*", "/a/**", "/a/*/c", "/a/**/c", "**/c", "/b*", "/b*/**", "/a/b", "/?",
    "/[ab]/c", "/",
];
const SELECTORS: [&str; 6] = ["", "/**", "/a/**", "/a", "/a/b/**", "/b"];
const ASKED_PATHS: [&str; 14] = [
    "/", "/a", "/a/", "/a/b", "/a/c", "/a/b/c", "/a/b/d/c", "/b", "/b/c", "/bc", "/bc/d", "/c", "/x/c",
    "/a/b/",
];
const METHODS: [&str; 5] = ["GET", "post", "DELETE", "*", "HEAD"];
const ASKED_METHODS: [&str; 5] = ["GET", "HEAD", "POST", "DELETE", "OPTIONS"];
const BINARIES: [&str; 5] = ["/usr/bin/a", "/usr/bin/*", "/opt/**", "**", "a"];
const ASKED_BINARIES: [&str; 4] = ["/usr/bin/a", "/usr/bin/b", "/opt/x/a", "/usr/bin/x/a"];
const ANCESTORS: [&str; 4] = ["/sbin/init", "/sbin/init", "/usr/bin/a", "/opt/y"];
const PROTOCOLS: [&str; 4] = ["rest", "rest", "", "graphql"];
const PRESETS: [&str; 3] = ["read-only", "read-write", "full"];

#[derive(Debug, Default)]
struct Endpoint {
    host: &'static str,
    port: u16,
    path: &'static str,
    protocol: &'static str,
    access: Option<&'static str>,
    rules: Vec<(&'static str, &'static str)>,
    deny_rules: Vec<(&'static str, &'static str)>,
}

struct Question {
    binary: &'static str,
    /// The program that started it; OpenShell counts it too.
    ancestor: &'static str,
    host: &'static str,
    port: u16,
    method: &'static str,
    path: &'static str,
}

/// Policies: endpoints and binaries.
type Policies = Vec<(Vec<Endpoint>, Vec<&'static str>)>;

struct Random(u64);

#[test]
fn nothing_is_allowed_that_the_engine_refuses() {
    let mut random = Random(0x0b5e_55ed_cafe_f00d);
    let (mut here, mut there) = (0, 0);
    for _round in 0..POLICIES {
        let policies = generate(&mut random);
        let text = written(&policies);
        let imported = import(&text, "generated").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let policy = Policy::compile(&imported.document).unwrap();
        for _request in 0..REQUESTS {
            let question = Question {
                binary: random.one(&ASKED_BINARIES),
                ancestor: random.one(&ANCESTORS),
                host: random.one(&ASKED_HOSTS),
                port: random.one(&PORTS),
                method: random.one(&ASKED_METHODS),
                path: random.one(&ASKED_PATHS),
            };
            let allowed_there = question.model(&policies);
            let allowed_here = question.ask(&policy);
            there += usize::from(allowed_there);
            here += usize::from(allowed_here);
            let Question { binary, ancestor, host, port, method, path } = question;
            assert!(
                allowed_there || !allowed_here,
                "{binary} of {ancestor} {method} {host}:{port}{path} is allowed here and not there:\n{text}\n{}",
                imported.to_yaml().unwrap()
            );
        }
    }
    println!("allowed there {there}, here {here} of {}", POLICIES * REQUESTS);
    // An import that leaves everything out would pass the above.
    assert!(there > POLICIES * REQUESTS / 50, "{there} allowed there");
    assert!(here * 4 > there, "only {here} of {there} are left");
}

impl Question {
    fn ask(&self, policy: &Policy) -> bool {
        let program = Program {
            path: self.binary.to_owned(),
            sha256: None,
            script: None,
            pid: 7,
            uid: 1000,
            parents: Vec::new(),
        };
        let subject = Subject::Owners(vec![program]);
        let destination = Destination { host: self.host, port: self.port };
        let request = Request {
            subject: &subject,
            destination,
            method: self.method,
            path: self.path,
            query: "",
            headers: &NoHeaders,
            message: None,
            now: Timestamp(0),
        };
        matches!(policy.decide(&request), Decision::Allow(_))
    }

    fn model(&self, policies: &Policies) -> bool {
        let matching: Vec<&Endpoint> = policies
            .iter()
            .filter(|(_endpoints, binaries)| binaries.iter().any(|binary| self.is_by(binary)))
            .flat_map(|(endpoints, _binaries)| endpoints)
            .filter(|endpoint| self.is_for(endpoint))
            .collect();
        let inspected: Vec<&&Endpoint> =
            matching.iter().filter(|endpoint| !endpoint.protocol.is_empty()).collect();
        if inspected.is_empty() {
            return !matching.is_empty();
        }
        let selecting: Vec<&&Endpoint> =
            inspected.into_iter().filter(|endpoint| selects(endpoint.path, self.path)).collect();
        let weight = |endpoint: &Endpoint| match endpoint.path {
            "" | "/**" => 0,
            path => 1 + path.chars().filter(|c| *c != '*').count(),
        };
        let most = selecting.iter().map(|endpoint| weight(endpoint)).max().unwrap_or(0);
        let deciding: Vec<&&Endpoint> =
            selecting.iter().copied().filter(|endpoint| weight(endpoint) == most).collect();
        // What a GraphQL request carries is not in the question: such an endpoint may refuse anything.
        if deciding.iter().any(|endpoint| endpoint.protocol == "graphql") {
            return false;
        }
        let denied = selecting.iter().any(|endpoint| self.matches_any(&endpoint.deny_rules));
        !denied && deciding.iter().any(|endpoint| self.is_allowed_by(endpoint))
    }

    fn is_by(&self, binary: &str) -> bool {
        [self.binary, self.ancestor]
            .into_iter()
            .any(|program| if binary.contains('*') { glob(binary, '/', program) } else { binary == program })
    }

    fn is_for(&self, endpoint: &Endpoint) -> bool {
        let host = if endpoint.host.contains('*') {
            glob(endpoint.host, '.', self.host)
        } else {
            endpoint.host == self.host
        };
        host && endpoint.port == self.port
    }

    fn is_allowed_by(&self, endpoint: &Endpoint) -> bool {
        let preset: &[&str] = match endpoint.access {
            Some("read-only") => &["GET", "HEAD", "OPTIONS"],
            Some("read-write") => &["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"],
            Some(_full) => return true,
            None => &[],
        };
        preset.contains(&self.method) || self.matches_any(&endpoint.rules)
    }

    fn matches_any(&self, rules: &[(&str, &str)]) -> bool {
        rules.iter().any(|(method, path)| {
            let upper = method.to_ascii_uppercase();
            let by_method =
                *method == "*" || upper == self.method || (upper == "GET" && self.method == "HEAD");
            by_method && (*path == "**" || glob(path, '/', self.path))
        })
    }
}

/// Endpoint paths: their own kind of pattern.
fn selects(selector: &str, path: &str) -> bool {
    match selector.strip_suffix("/**") {
        _ if selector.is_empty() => true,
        Some(folder) => {
            path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        None => path == selector,
    }
}

/// `globset` with a literal separator, as far as these patterns go, over whole segments.
fn glob(pattern: &str, separator: char, text: &str) -> bool {
    let pattern: Vec<&str> = pattern.split(separator).collect();
    let text: Vec<&str> = text.split(separator).collect();
    segments(&pattern, &text, separator == '.')
}

fn segments(pattern: &[&str], text: &[&str], labels: bool) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (["**"], rest) => !rest.is_empty(),
        // Before a name a `**` is at least one label; in a path it may be nothing.
        (["**", rest @ ..], text) => {
            let first = usize::from(labels);
            (first..=text.len()).any(|taken| segments(rest, &text[taken..], labels))
        }
        ([segment, rest @ ..], [first, after @ ..]) => {
            characters(segment, first) && segments(rest, after, labels)
        }
        _ => false,
    }
}

fn characters(pattern: &str, text: &str) -> bool {
    let Some(first) = pattern.chars().next() else { return text.is_empty() };
    let rest = &pattern[first.len_utf8()..];
    match first {
        '*' => (0..=text.len()).any(|taken| characters(rest, &text[taken..])),
        '?' => !text.is_empty() && characters(rest, &text[1..]),
        '[' => {
            let (class, rest) = rest.split_once(']').unwrap();
            text.chars().next().is_some_and(|c| class.contains(c)) && characters(rest, &text[1..])
        }
        _ => text.strip_prefix(first).is_some_and(|text| characters(rest, text)),
    }
}

fn generate(random: &mut Random) -> Policies {
    let policy = |random: &mut Random| {
        let endpoints = (0..=random.below(2)).map(|_| endpoint(random)).collect();
        let binaries = (0..random.below(3)).map(|_| random.one(&BINARIES)).collect();
        (endpoints, binaries)
    };
    (0..=random.below(3)).map(|_| policy(random)).collect()
}

fn endpoint(random: &mut Random) -> Endpoint {
    let rule = |random: &mut Random| (random.one(&METHODS), random.one(&PATHS));
    let mut endpoint = Endpoint {
        host: random.one(&HOSTS),
        port: random.one(&PORTS),
        protocol: random.one(&PROTOCOLS),
        ..Endpoint::default()
    };
    if endpoint.protocol != "rest" {
        return endpoint;
    }
    if random.below(2) == 0 {
        endpoint.path = random.one(&SELECTORS);
    }
    if random.below(2) == 0 {
        endpoint.access = Some(random.one(&PRESETS));
    } else {
        endpoint.rules = (0..=random.below(3)).map(|_| rule(random)).collect();
    }
    if random.below(3) == 0 {
        endpoint.deny_rules = (0..=random.below(2)).map(|_| rule(random)).collect();
    }
    endpoint
}

fn written(policies: &Policies) -> String {
    let rule = |(method, path): &(&str, &str)| format!("{{method: \"{method}\", path: \"{path}\"}}");
    let mut text = "version: 1\nnetwork_policies:\n".to_owned();
    for (index, (endpoints, binaries)) in policies.iter().enumerate() {
        text.push_str(&format!("  p{index}:\n    endpoints:\n"));
        for Endpoint { host, port, path, protocol, access, rules, deny_rules } in endpoints {
            text.push_str(&format!("      - {{host: \"{host}\", port: {port}, enforcement: enforce"));
            if !protocol.is_empty() {
                text.push_str(&format!(", protocol: {protocol}, path: \"{path}\""));
            }
            if let Some(access) = access {
                text.push_str(&format!(", access: {access}"));
            }
            let rules: Vec<String> = rules.iter().map(|pair| format!("{{allow: {}}}", rule(pair))).collect();
            let deny_rules: Vec<String> = deny_rules.iter().map(rule).collect();
            text.push_str(&format!(
                ", rules: [{}], deny_rules: [{}]}}\n",
                rules.join(", "),
                deny_rules.join(", ")
            ));
        }
        let binaries: Vec<String> = binaries.iter().map(|path| format!("{{path: \"{path}\"}}")).collect();
        text.push_str(&format!("    binaries: [{}]\n", binaries.join(", ")));
    }
    text
}

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}
