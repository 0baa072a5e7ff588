//! The compiled policy against a slow reading of the same lists, on policies and requests from a small
//! vocabulary in which most things nearly match.

use wire::subject::{Program, Subject};

use super::*;
use crate::condition::NoHeaders;
use crate::document::Document;
use crate::pattern::Side;
use crate::pattern::oracle::{self, Random};

const PROGRAMS: &[&str] = &["curl", "node", "python3", "git", "/usr/bin/*", "/opt/**", "/usr/bin/curl"];
const DESTINATIONS: &[&str] = &[
    "x.com",
    "a.x.com",
    "*.x.com",
    "**.x.com",
    "b.a.x.com",
    "*.a.x.com",
    "x.com:80",
    "a.x.com:80-90",
    "*.x.com:80",
    "yx.com",
    "10.0.0.1",
    "inference.local",
];
const METHODS: &[&str] = &["GET", "POST", "DELETE", "*"];
const PATHS: &[&str] =
    &["/", "/a", "/a/*", "/a/**", "/**", "/*/b", "/a/*/c", "/**/c", "/a*", "/a/b.*", "/a/"];

const PATHS_ASKED: &[&str] =
    &["/", "/a", "/A", "/a/", "/a/b", "/a/b/c", "/x/b", "/c", "/a/b.x", "/a/b.x/c", "/ab", "a"];
const METHODS_ASKED: &[&str] = &["GET", "POST", "DELETE", "PUT", "get"];
const HOSTS_ASKED: &[&str] = &[
    "x.com",
    "a.x.com",
    "b.a.x.com",
    "c.b.a.x.com",
    "yx.com",
    "X.com",
    "x.com.",
    ".x.com",
    "10.0.0.1",
    "inference.local",
];
const PROGRAMS_ASKED: &[&str] = &[
    "/usr/bin/curl",
    "/bin/curl",
    "/tmp/curl",
    "/usr/bin/node18",
    "/usr/bin/python3.11",
    "/opt/x/y",
    "/usr/lib/git-core/git-remote-http",
    "/usr/bin/wget",
];

/// The lists of a rule, level by level: allow, deny.
type Lists = [(Vec<&'static str>, Vec<&'static str>); 4];

fn pick(random: &mut Random, words: &'static [&'static str], most: usize) -> Vec<&'static str> {
    (0..random.below(most + 1)).map(|_nth| words[random.below(words.len())]).collect()
}

fn lists(random: &mut Random) -> Lists {
    [PROGRAMS, DESTINATIONS, METHODS, PATHS].map(|words| {
        let mut allow = pick(random, words, 6);
        if allow.is_empty() {
            allow.push(words[random.below(words.len())]);
        }
        let deny = if random.below(3) == 0 { pick(random, words, 2) } else { Vec::new() };
        (allow, deny)
    })
}

fn text_of(rules: &[Lists]) -> String {
    let quoted =
        |words: &[&str]| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let mut text = String::from("version: 1\nnetwork:\n");
    for (number, rule) in rules.iter().enumerate() {
        text.push_str(&format!("  - name: \"{number}\"\n"));
        for (key, (allow, deny)) in ["binary", "destination", "method", "path"].iter().zip(rule) {
            text.push_str(&format!("    {key}: {{allow: [{}], deny: [{}]}}\n", quoted(allow), quoted(deny)));
        }
    }
    text
}

/// What one level of a rule says, from its words alone.
fn slow_answer((allow, deny): &(Vec<&str>, Vec<&str>), matches: impl Fn(&str, Side) -> bool) -> Answer {
    if deny.iter().any(|word| matches(word, Side::Deny)) {
        Answer::Denied
    } else if allow.iter().any(|word| matches(word, Side::Allow)) {
        Answer::Allowed
    } else {
        Answer::NotAllowed
    }
}

/// The definition of `evaluate`'s module text, word by word: `Ok(rule)` or `Err((level, rule))`.
fn slow_decide(
    rules: &[Lists],
    owners: &[&str],
    destination: (&str, u16),
    request: (&str, &str),
) -> Result<usize, (Level, Option<usize>)> {
    let ((host, port), (method, path)) = (destination, request);
    if !oracle::host_is_canonical(host) {
        return Err((Level::Destination, None));
    }
    let mut allowed = None;
    let mut denied: Option<(Level, usize)> = None;
    let mut nearest: Option<(Level, usize)> = None;
    let mut passed = false;
    for (number, [binary, destinations, methods, paths]) in rules.iter().enumerate() {
        let is = |owner: &str| binary.0.iter().any(|word| oracle::binary(word, Side::Allow, owner));
        let bound = owners.iter().any(|owner| is(owner));
        let every = !owners.is_empty() && owners.iter().all(|owner| is(owner));
        let program_denied =
            owners.iter().any(|owner| binary.1.iter().any(|word| oracle::binary(word, Side::Deny, owner)));
        let covers = destinations.0.iter().any(|word| oracle::destination(word, Side::Allow, host, port));
        let refuses = destinations.1.iter().any(|word| oracle::destination(word, Side::Deny, host, port));
        let method = slow_answer(methods, |word, _side| word == "*" || word == method);
        let path = slow_answer(paths, |word, side| oracle::path(word, side, path));
        let mut deny =
            |level| denied = Some(denied.map_or((level, number), |first| first.min((level, number))));
        if refuses && bound {
            deny(Level::Destination);
            passed |= every && !program_denied;
        }
        if !covers {
            continue;
        }
        passed |= every && !program_denied;
        if program_denied {
            deny(Level::Binary);
        } else if bound && method == Answer::Denied {
            deny(Level::Method);
        } else if bound && path == Answer::Denied {
            deny(Level::Path);
        } else {
            let failed =
                [every, true, method == Answer::Allowed, path == Answer::Allowed].iter().position(|ok| !ok);
            match failed.map(|at| [Level::Binary, Level::Destination, Level::Method, Level::Path][at]) {
                None => allowed = allowed.or(Some(number)),
                Some(level) if nearest.is_none_or(|(best, _)| level > best) => {
                    nearest = Some((level, number))
                }
                Some(_) => {}
            }
        }
    }
    match (denied, allowed, nearest) {
        (Some((level, rule)), ..) if passed || level == Level::Binary => Err((level, Some(rule))),
        (_, Some(rule), _) => Ok(rule),
        (_, _, Some((level, rule))) => Err((level, Some(rule))),
        _ => {
            let named = !owners.is_empty()
                && owners.iter().all(|owner| {
                    rules
                        .iter()
                        .any(|rule| rule[0].0.iter().any(|word| oracle::binary(word, Side::Allow, owner)))
                });
            Err((if named { Level::Destination } else { Level::Binary }, None))
        }
    }
}

fn subject(owners: &[&str]) -> Subject {
    let program = |path: &&str| Program {
        path: (*path).to_owned(),
        sha256: None,
        script: None,
        pid: 1,
        uid: 1000,
        parents: Vec::new(),
    };
    Subject::Owners(owners.iter().map(program).collect())
}

#[test]
fn the_compiled_policy_is_the_slow_reading() {
    let mut random = Random::new(7);
    let (mut policies, mut allows, mut denies) = (0, 0, [0; 4]);
    while policies < 3000 {
        let rules: Vec<Lists> = (0..=random.below(5)).map(|_nth| lists(&mut random)).collect();
        let text = text_of(&rules);
        let document = Document::parse(&text, "p").unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        // A rule that can never match is refused: another is drawn.
        let Ok(policy) = Policy::compile(&document) else { continue };
        policies += 1;
        for _request in 0..40 {
            let most = if random.below(4) == 0 { 2 } else { 1 };
            let owners = pick(&mut random, PROGRAMS_ASKED, most);
            let host = HOSTS_ASKED[random.below(HOSTS_ASKED.len())];
            let port = [443, 80, 85, 8080][random.below(4)];
            let method = METHODS_ASKED[random.below(METHODS_ASKED.len())];
            let path = PATHS_ASKED[random.below(PATHS_ASKED.len())];
            let expected = slow_decide(&rules, &owners, (host, port), (method, path));
            let subject = subject(&owners);
            let destination = Destination { host, port };
            let now = Timestamp(0);
            let (query, headers) = ("", &NoHeaders);
            let request =
                Request { subject: &subject, destination, method, path, query, headers, message: None, now };
            let got = match policy.decide(&request) {
                Decision::Allow(permit) => Ok(permit.rule().parse().unwrap()),
                Decision::Deny(denial) => {
                    Err((denial.level(), denial.rule().map(|rule| rule.parse().unwrap())))
                }
            };
            assert_eq!(got, expected, "{owners:?} {method} {host}:{port} {path}\n{text}");
            match got {
                Ok(_rule) => {
                    allows += 1;
                    assert!(matches!(
                        policy.decide_destination(Asked { subject: &subject, destination, now }),
                        DestinationDecision::Possible
                    ));
                    assert!(matches!(policy.decide_name(host, now), NameDecision::Possible));
                }
                Err((level, _rule)) => denies[level as usize] += 1,
            }
        }
    }
    // The vocabulary is worth something only if every verdict is common in it.
    assert!(allows > 500 && denies.iter().all(|count| *count > 500), "{allows} {denies:?}");
}

/// The rules whose limits count, as the permit for `path` names them.
fn counted(rules: &str, path: &str) -> Vec<String> {
    let document = Document::parse(&format!("version: 1\nnetwork:\n{rules}"), "p").unwrap();
    let policy = Policy::compile(&document).unwrap_or_else(|errors| panic!("{errors}"));
    let request = Request {
        subject: &subject(&["/usr/bin/curl"]),
        destination: Destination { host: "a.x.com", port: 443 },
        method: "GET",
        path,
        query: "",
        headers: &NoHeaders,
        message: None,
        now: Timestamp::default(),
    };
    match policy.decide(&request) {
        Decision::Allow(permit) => permit.limits().map(|(rule, _limits)| rule.to_owned()).collect(),
        Decision::Deny(denial) => panic!("{denial}"),
    }
}

#[test]
fn a_request_counts_for_every_rule_with_limits_that_allows_it() {
    let rule = |name: &str, path: &str, limits: &str| {
        format!(
            "  - {{name: {name}, binary: {{allow: [curl]}}, destination: {{allow: [a.x.com, \"*.x.com\"]}}, \
             method: {{allow: [GET]}}, path: {{allow: [{path}]}}{limits}}}\n"
        )
    };
    let some = ", limits: {requests_per_minute: 1}";
    let rules = rule("free", "\"/**\"", "")
        + &rule("limited", "/a", some)
        + &rule("other", "/b", some)
        + &rule("tried", "/c", &format!("{some}, enforcement: audit"))
        + &rule("parts", "\"/d/*\"", some);
    assert_eq!(counted(&rules, "/x"), [""; 0]);
    assert_eq!(counted(&rules, "/a"), ["limited"]);
    assert_eq!(counted(&rules, "/b"), ["other"]);
    assert_eq!(counted(&rules, "/d%2Fx"), ["parts"], "a path with two readings counts for the rules of both");
    let on_trial = rule("tried", "/c", &format!("{some}, enforcement: audit"));
    assert_eq!(counted(&on_trial, "/x"), ["tried"]);
}
