mod budget;

use std::time::Instant;

use regorus::Value;

use super::module::{BUDGET, Module, Opinion};
use crate::document::RegoMode as Mode;

fn load(text: &str) -> Module {
    Module::load(text, Mode::Narrow).unwrap_or_else(|found| panic!("{text}\n{found:?}"))
}

fn ask(text: &str, input: &str) -> Opinion {
    load(text).ask(Value::from_json_str(input).unwrap(), Instant::now() + BUDGET)
}

const SLACK: &str = r#"{"binary": "curl", "host": "api.slack.com", "method": "POST", "path": "/api/chat.x"}"#;
const DELETE: &str =
    r#"{"binary": "curl", "host": "api.slack.com", "method": "DELETE", "path": "/api/chat.x"}"#;

#[test]
fn both_versions_of_the_language_are_read_with_and_without_a_package() {
    let body = r#"input.binary == "curl"; input.host == "api.slack.com"; input.method == "POST"; startswith(input.path, "/api/chat.")"#;
    for text in [
        format!("package x  default allow = false  allow {{ {body} }}"),
        format!("default allow = false\nallow {{ {body} }}"),
        format!("allow {{ {body} }}"),
        format!("# words\npackage a.b\nimport rego.v1\ndefault allow := false\nallow if {{ {body} }}"),
        format!("import rego.v1\nallow if {{ {body} }}"),
        format!("package a\nimport future.keywords.if\nallow if {{ {body} }}"),
    ] {
        assert_eq!(ask(&text, SLACK), Opinion::Yes, "{text}");
        assert_eq!(ask(&text, DELETE), Opinion::No, "{text}");
        assert_eq!(ask(&text, "{}"), Opinion::No, "{text}");
    }
}

#[test]
fn only_a_plain_true_is_a_yes() {
    let failed = |text: &str| Opinion::Failed(text.into());
    for (text, expected) in [
        ("allow = true", Opinion::Yes),
        ("allow { true }", Opinion::Yes),
        ("allow { input.nothing }", Opinion::No),
        ("allow { not input.nothing }", Opinion::Yes),
        ("default allow = false\nallow { input.x }", Opinion::No),
        ("allow = 1", Opinion::NotBoolean("allow")),
        ("allow = \"true\"", Opinion::NotBoolean("allow")),
        ("allow := {1, 2}", Opinion::NotBoolean("allow")),
        ("allow := null", Opinion::NotBoolean("allow")),
        ("allow = true\ndeny { input.binary == \"curl\" }", Opinion::Denied(None)),
        ("allow = true\ndeny { input.binary == \"wget\" }", Opinion::Yes),
        ("allow = true\ndeny = 1", Opinion::NotBoolean("deny")),
        ("allow = true\ndeny[msg] { msg := \"no\\nway\" }", Opinion::Denied(Some("no way".into()))),
        ("allow = true\ndeny[msg] { input.nothing; msg := \"no\" }", Opinion::Yes),
        ("allow { input.binary * 2 > 1 }", failed("`mul` expects numeric argument. Got `\"curl\"` instead")),
        ("allow = true\nallow = false", failed("rule conflicts with rule at module:1:16")),
        (
            "allow { startswith(input.binary, 7) }",
            failed("`startswith` expects string argument. Got `7` instead"),
        ),
        ("allow { input.x with input as {\"x\": true} }", Opinion::Yes),
    ] {
        assert_eq!(ask(text, SLACK), expected, "{text}");
    }
}

#[test]
fn what_could_go_wrong_later_is_refused_at_load() {
    for (text, expected) in [
        ("", "no rule 'allow'"),
        ("deny { true }", "no rule 'allow'"),
        ("allow {", "expecting"),
        ("allow { x y }", "expecting"),
        ("default allow = 1", "neither true nor false"),
        ("default allow = {}", "neither true nor false"),
        ("allow = true\ndefault deny = 7", "neither true nor false"),
        ("allow(x) { x }", "must be a rule that is true or false"),
        ("allow[x] { x := 1 }", "must be a rule that is true or false"),
        ("allow.x { true }", "must be a rule that is true or false"),
        ("allow { http.send({}) }", "reach out"),
        ("allow { opa.runtime().x }", "about the machine"),
        ("allow { time.now_ns() > 0 }", "no clock"),
        ("allow { time.clock(input.now) == [1, 2, 3] }", "no clock"),
        ("allow { rand.intn(\"x\", 2) == 0 }", "same answer"),
        ("allow { uuid.rfc4122(\"x\") != \"\" }", "same answer"),
        ("allow { strings.count(input.path, \"\") > 0 }", "fails on an empty"),
        ("allow { numbers.range(1, 1000000000)[_] == 3 }", "far larger"),
        ("allow { bits.lsh(1, 1000000000) > 1 }", "far larger"),
        ("allow { print(input) }", "no output"),
        ("allow { io.jwt.decode(input.x) }", "no such function"),
        ("allow { nothing(input.x) }", "no such function"),
        ("allow { x := \"http\"; data.x[x](1) }", ""),
        ("allow { replace(input.path, \"a\", input.path) != \"\" }", "is computed"),
        ("allow { sprintf(\"%1000000000d\", [1]) != \"\" }", "width"),
        ("allow { sprintf(\"%*d\", [100000000, 1]) != \"\" }", "width"),
        ("allow { sprintf(input.path, [1]) != \"\" }", "is computed"),
        ("f(x) = y { y := f(x + 1) }\nallow { f(1) == 2 }", "'f' needs itself"),
        ("a { b }\nb { a }\nallow { a }", "needs itself"),
        ("allow { data.policy.allow }", "needs itself"),
        ("allow { data.policy[input.x] }", "'data' holds"),
        ("allow { data }", "'data' holds"),
        ("allow { data.other.x }", "'data' holds"),
        ("allow { allow with input as {} }", "needs itself"),
        ("f(x) { g(x) }\ng(x) { f(x) }\nallow { f(1) }", "needs itself"),
        ("f(x) { count(x) > 0 }\nallow { count([]) == 1 with count as f }", "'with' can replace"),
        ("import data.secrets\nallow { secrets.x }", "nothing to import"),
        ("package a[\"b.c\"]\nallow { true }", "not a valid rule path"),
        ("allow { x == 1 }", "unsafe"),
    ] {
        let found = Module::load(text, Mode::Narrow).expect_err(text);
        let shown = format!("{found:?}");
        assert!(shown.contains(expected), "{text}\n{shown}");
    }
    Module::load("default allow = true", Mode::Extend).expect_err("it would allow everything");
    load("default allow = true\ndeny { input.method == \"PUT\" }");
}

/// What nests deeper, chains further or is longer than an evaluation's stack and a load's time can bear.
#[test]
fn what_is_too_large_is_refused_at_load() {
    let chain = |length: usize| -> String {
        let rules: String = (0..length).map(|n| format!("r{n} {{ r{} }}\n", n + 1)).collect();
        format!("{rules}r{length} = true\nallow {{ r0 }}")
    };
    for (text, expected) in [
        (format!("allow {{ x := {}1{} }}", "[".repeat(40), "]".repeat(40)), "brackets are open"),
        (format!("allow {{ {}1 > 0 }}", "1 + ".repeat(10_000)), ""),
        (format!("allow {{ {}1 > 0 }}", "1 +\n".repeat(10_000)), ""),
        (format!("allow {{ {}1 > 0 }}", "-".repeat(10_000)), ""),
        (format!("allow {{ input{} }}", ".a".repeat(10_000)), ""),
        (chain(1000), "too many deep"),
        (format!("allow = true\n#{}", "x".repeat(70_000)), "more than 65536"),
    ] {
        let found = Module::load(&text, Mode::Narrow).expect_err(&text[..40]);
        assert!(format!("{found:?}").contains(expected), "{}\n{found:?}", &text[..40]);
    }
    // The deepest that is accepted runs on a small stack.
    let nested = "[x | x := [x | x := [x | x := [x | x := [x | x := [x | x := 1][_]][_]][_]][_]][_]][0]";
    let rules: String =
        (0..6).map(|n| format!("r{n}(x) = y {{ y := {}; r{}(y) }}\n", nested, n + 1)).collect();
    for text in [chain(40), format!("{rules}r6(x) = x\nallow {{ r0(1) }}")] {
        let module = load(&text);
        let small = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
        let asked = small.spawn(move || module.ask(Value::new_object(), Instant::now() + BUDGET * 20));
        assert_eq!(asked.unwrap().join().unwrap(), Opinion::Yes, "{text}");
    }
}

#[test]
fn a_mistake_has_its_place() {
    for (text, line, column) in [
        ("allow {\n  http.send({})\n}", 2, 12),
        ("package x\nallow { x y }", 2, 11),
        ("allow { time.now_ns() }", 1, 20),
        ("import rego.v1\nallow if {\n  input.x ===\n}", 3, 13),
    ] {
        let found = Module::load(text, Mode::Narrow).expect_err(text);
        assert_eq!((found[0].line, found[0].column), (line, column), "{text}: {found:?}");
    }
}
