//! Patterns and requests of any shape: what is allowed is possible at every earlier question, a denial holds
//! however the path is spelt, and one more rule that only denies never allows anything.

#![no_main]

use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::fuzz_target;
use policies::{
    Asked, Decision, Denial, Destination, DestinationDecision, Document, Level, NameDecision, NoHeaders,
    Policy, Request, Timestamp,
};
use wire::subject::{Program, Subject};

/// Patterns from which most inputs are made: others rarely load.
const BINARIES: &[&str] = &["curl", "node", "/usr/bin/*", "/opt/**", "/a/*/b*c"];
const HOSTS: &[&str] = &["x.com", "a.x.com", "*.x.com", "**.x.com", "x.com:80-90", "10.0.0.1:8080"];
const METHODS: &[&str] = &["GET", "POST", "*"];
const PATHS: &[&str] = &["/**", "/a", "/a/*", "/a/**/b", "/*/c*d*", "/a%2Bb", "/"];

fuzz_target!(|bytes: &[u8]| {
    let _too_short = run(&mut Unstructured::new(bytes));
});

fn run(input: &mut Unstructured<'_>) -> Result<()> {
    let (first, second) = (rule(input, "one", "grant")?, rule(input, "two", "grant")?);
    let denying = rule(input, "three", "deny-only")?;
    let Some(policy) = load(&[&first, &second]) else { return Ok(()) };
    let stricter = load(&[&first, &second, &denying]);
    for _request in 0..8 {
        let subject = subject(input)?;
        let (host, method, path) = (host(input)?, pick(input, METHODS)?, path(input)?);
        let port = *input.choose(&[443, 80, 85, 8080])?;
        let ask = |policy: &Policy, path: &str| verdict(policy, &subject, (&host, port), (&method, path));
        let answer = ask(&policy, &path);
        if let Some(stricter) = &stricter {
            assert!(answer.is_ok() || ask(stricter, &path).is_err(), "a deny-only rule allowed {path}");
        }
        if matches!(&answer, Err(denial) if denial.level() == Level::Path && denial.is_by_deny_list()) {
            for spelling in spellings(&path) {
                assert!(ask(&policy, &spelling).is_err(), "{path} is denied, {spelling} is not");
            }
        }
    }
    Ok(())
}

/// What the policy says, after the questions that come before a request agreed with it.
fn verdict(
    policy: &Policy,
    subject: &Subject,
    (host, port): (&str, u16),
    (method, path): (&str, &str),
) -> std::result::Result<(), Denial> {
    let (destination, now) = (Destination { host, port }, Timestamp(0));
    let request =
        Request { subject, destination, method, path, query: "", headers: &NoHeaders, message: None, now };
    let flow = policy.decide_destination(Asked { subject, destination, now });
    match policy.decide(&request) {
        Decision::Allow(_permit) => {
            assert!(matches!(flow, DestinationDecision::Possible), "{request:?}");
            assert!(matches!(policy.decide_name(host, now), NameDecision::Possible), "{request:?}");
            Ok(())
        }
        Decision::Deny(denial) => {
            let early = denial.level() <= Level::Destination;
            assert_eq!(matches!(flow, DestinationDecision::Deny(_)), early, "{request:?}: {denial}");
            Err(denial)
        }
    }
}

/// Other ways to write what some servers take for the same path.
fn spellings(path: &str) -> [String; 3] {
    let slashed = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
    // An escaped slash is one in capitals only: that is how a canonical path has it.
    let lower = path.to_ascii_lowercase().replace("%2f", "%2F");
    [path.to_ascii_uppercase(), lower, slashed].map(|path| match path.is_empty() {
        true => "/".to_owned(),
        false => path,
    })
}

fn load(rules: &[&str]) -> Option<Policy> {
    let document =
        Document::parse(&format!("version: 1\nnetwork: [{}]\n", rules.join(", ")), "fuzzed").ok()?;
    Policy::compile(&document).ok()
}

fn rule(input: &mut Unstructured<'_>, name: &str, effect: &str) -> Result<String> {
    let mut text = format!("{{\"name\": \"{name}\", \"effect\": \"{effect}\"");
    for (key, words) in [("binary", BINARIES), ("destination", HOSTS), ("method", METHODS), ("path", PATHS)] {
        let (allow, deny) = (list(input, words, 1)?, list(input, words, 0)?);
        text.push_str(&format!(", \"{key}\": {{\"allow\": {allow}, \"deny\": {deny}}}"));
    }
    Ok(text + "}")
}

fn list(input: &mut Unstructured<'_>, words: &[&str], least: usize) -> Result<String> {
    let count = input.int_in_range(least..=2)?;
    let words = (0..count).map(|_nth| pick(input, words)).collect::<Result<Vec<String>>>()?;
    Ok(serde_json::to_string(&words).expect("texts can be written"))
}

/// One of the words, or the input's own.
fn pick(input: &mut Unstructured<'_>, words: &[&str]) -> Result<String> {
    if input.ratio(1, 4)? { input.arbitrary::<String>() } else { Ok((*input.choose(words)?).to_owned()) }
}

fn host(input: &mut Unstructured<'_>) -> Result<String> {
    pick(input, &["x.com", "a.x.com", "b.a.x.com", "yx.com", "10.0.0.1"])
}

fn path(input: &mut Unstructured<'_>) -> Result<String> {
    let segments = ["a", "b", "A", "bac", "ca*d", "a%2Bb", "a+b", "", "ccd"];
    let count = input.int_in_range(0..=4)?;
    let words = (0..count).map(|_nth| pick(input, &segments)).collect::<Result<Vec<String>>>()?;
    Ok(format!("/{}", words.join("/")))
}

fn subject(input: &mut Unstructured<'_>) -> Result<Subject> {
    let count = input.int_in_range(0..=2)?;
    let program = |path| Program { path, sha256: None, script: None, pid: 1, uid: 1000, parents: Vec::new() };
    let paths =
        (0..count).map(|_nth| pick(input, &["/usr/bin/curl", "/usr/bin/node18", "/opt/x", "/a/x/bc"]));
    Ok(Subject::Owners(paths.collect::<Result<Vec<String>>>()?.into_iter().map(program).collect()))
}
