//! Attacks on the budget of a decision: modules and requests that would keep the engine busy, within one of
//! its steps or over many, or fill the memory.
//!
//! With the engine alone, a limit of 50 ms and a look at the time after every step, these were seen to run on
//! after 15 s: comparing, and writing out, lists that share their members, also when functions make them; and
//! `numbers.range` took all memory that it was given. `product` took ten times the limit. With a look after
//! every 32 steps, doubling a list or a text ran on after 15 s, and squaring took ten times the limit. The
//! other tests are of what the bounds count on: numbers, patterns and requests are short.

use super::{Mode, load};
use std::time::Instant;

use regorus::Value;

use crate::rego::module::{BUDGET, Module, Opinion};

const LETTERS: &str = "l := [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]\n";

/// `x40`, each of which is made from the one before it, on its own line.
fn chain(name: &str, first: &str, step: &str) -> String {
    let steps = (0..40).map(|n| {
        let before = format!("{name}{n}");
        format!("{name}{} := {}\n", n + 1, step.replace('X', &before))
    });
    format!("{name}0 := {first}\n{}", steps.collect::<String>())
}

/// The module is refused, for this reason, on this line.
fn refused(text: &str, line: u64, reason: &str) {
    let found = Module::load(text, Mode::Narrow).expect_err(text);
    let fits = |mistake: &&crate::rego::Mistake| mistake.line == line && mistake.reason.contains(reason);
    let mistake = found.iter().find(fits).unwrap_or_else(|| panic!("{found:#?}\n{text}"));
    assert!(!mistake.remedy.is_empty(), "{mistake:?}");
}

const STEP: &str = "one step could go over more";

#[test]
fn squaring_a_number_again_and_again_is_refused() {
    refused(&format!("{}allow {{ x40 == 1 }}", chain("x", "77", "X * X")), 2, "two computed numbers");
    refused("f(x) = x * x\nallow { f(f(f(f(7)))) == 1 }", 1, "is made larger by making it again");
    refused("f(x) = x * x\nallow { f(7) == 1 }", 1, "two computed numbers");
}

#[test]
fn a_product_of_many_numbers_is_refused() {
    refused(
        "l := [999999, 999999]\nallow { product([a | a := l[_]]) == 1 }",
        2,
        "'product' cannot be called",
    );
}

#[test]
fn a_function_that_multiplies_its_own_answers_is_refused() {
    refused("f(x) = x * 999999\nallow { f(f(f(f(7)))) == 1 }", 1, "is made larger by making it again");
}

#[test]
fn a_number_that_is_long_is_refused() {
    refused("allow { true }\nx := 1e999999999", 2, "a number has an exponent");
    refused("allow { true }\nx := [-1E+9]", 2, "a number has an exponent");
    refused(&format!("allow {{ true }}\nx := {}", "9".repeat(19)), 2, "a number is too long");
    load("e9 := 7\nallow { x := \"1e9\"; e9 == 7; input.x1e9 != x; 0.5 < 1 } # 1e9");
    for call in ["json.unmarshal(input.path)", "json.is_valid(input.path)", "units.parse(input.path)"] {
        refused(&format!("allow {{ {call} }}"), 1, "is a long number");
    }
}

#[test]
fn a_request_that_brings_a_long_number_is_denied() {
    let module = load("allow { to_number(input.query.n[0]) > 7 }");
    let ask = |text: &str| {
        let input = format!("{{\"query\": {{\"n\": [\"{text}\"]}}}}");
        module.ask(Value::from_json_str(&input).unwrap(), Instant::now() + BUDGET)
    };
    assert_eq!(ask("8"), Opinion::Yes);
    assert_eq!(ask("8.25"), Opinion::Yes);
    assert_eq!(ask("-8"), Opinion::No);
    for text in ["1e999999999", "1E9", "", ".", "1.2.3", "0x9", "\\u0669", &"9".repeat(19)] {
        assert!(matches!(ask(text), Opinion::Failed(_)), "{text}");
    }
}

#[test]
fn doubling_a_text_is_refused() {
    let joined = chain("x", "input.path", "concat(\"\", [X, X])");
    refused(&format!("{joined}allow {{ x40 == \"\" }}"), 41, STEP);
    let formatted = chain("x", "\"a\"", "sprintf(\"%v%v\", [X, X])");
    refused(&format!("{formatted}allow {{ x40 == \"\" }}"), 41, STEP);
    let replaced = chain("x", "\"a\"", "replace(X, \"a\", \"aaaaaaaaaaaaaaa\")");
    refused(&format!("{replaced}allow {{ x40 == \"\" }}"), 41, STEP);
    let encoded = chain("x", "input.path", "base64.encode(X)");
    refused(&format!("{encoded}allow {{ x40 == \"\" }}"), 41, STEP);
}

#[test]
fn doubling_a_list_is_refused() {
    let joined = chain("x", "[1]", "array.concat(X, X)");
    refused(&format!("{joined}allow {{ count(x40) == 1 }}"), 41, STEP);
}

/// Lists that hold one list twice are small in memory, and endless to whoever goes over them.
#[test]
fn going_over_lists_that_share_their_members_is_refused() {
    let (one, other) = (chain("x", "[1]", "[X, X]"), chain("y", "[1]", "[X, X]"));
    refused(&format!("{one}{other}allow {{ x40 == y40 }}"), 83, STEP);
    refused(&format!("{one}allow {{ json.marshal(x40) == \"\" }}"), 42, STEP);
    refused(&format!("{one}allow {{ sprintf(\"%v\", [x40]) == \"\" }}"), 42, STEP);
    refused(&format!("{one}{other}allow {{ x40 = y40 }}"), 83, STEP);
    refused(&format!("import future.keywords\n{one}{other}allow {{ x40 in [y40] }}"), 84, STEP);
    refused(&format!("{one}{other}allow {{ {{x40}} & {{y40}} == set() }}"), 83, STEP);
    let objects = chain("x", "{\"a\": 1}", "{\"a\": X, \"b\": X}");
    refused(&format!("{objects}allow {{ json.marshal(x40) == \"\" }}"), 42, STEP);
}

#[test]
fn doubling_by_a_function_is_refused() {
    refused("f(x) = [x, x]\nallow { json.marshal(f(f(f(f(input.path))))) == \"\" }", 2, STEP);
    refused("f(x) = y { y := [x, x] }\na := f(b)\nb := f(c)\nc := f(1)\nallow { a == [c] }", 5, STEP);
}

#[test]
fn lists_of_lists_that_loops_make_are_not_gone_over() {
    let loops = "i := l[_]; j := l[_]; k := l[_]";
    let nested = format!("{LETTERS}x := [y | {loops}; y := [m | {loops}; m := input.path]]\n");
    refused(&format!("{nested}allow {{ json.marshal(x) == \"\" }}"), 3, STEP);
    refused(
        &format!("{nested}z := [y | {loops}; y := [m | {loops}; m := input.path]]\nallow {{ x == z }}"),
        4,
        STEP,
    );
    load(&format!("{nested}allow {{ count(x) == 8000 }}"));
}

#[test]
fn a_pattern_that_the_request_makes_is_refused() {
    refused("allow { regex.match(input.path, \"x\") }", 1, "the pattern of 'regex.match'");
    refused("allow { glob.match(input.headers.p[0], [], \"x\") }", 1, "the pattern of 'glob.match'");
    refused(
        "allow { regex.replace(\"x\", input.path, \"y\") == \"y\" }",
        1,
        "the pattern of 'regex.replace'",
    );
}

/// A pattern that other engines take exponential time for, and one that would be compiled to megabytes.
#[test]
fn a_slow_pattern_is_answered_or_denied() {
    let path = format!("{{\"path\": \"{}!\"}}", "a".repeat(8000));
    let ask =
        |text: &str| load(text).ask(Value::from_json_str(&path).unwrap(), Instant::now() + BUDGET * 100);
    assert_eq!(ask("allow { regex.match(`^(a+)+$`, input.path) }"), Opinion::No);
    assert_eq!(ask("allow { regex.match(`^((a{1,50}){1,50}){1,50}$`, input.path) }"), Opinion::Overrun);
}

#[test]
fn every_name_that_makes_much_of_little_is_refused() {
    for call in [
        "bits.lsh(1, 1000000000)",
        "numbers.range(1, 1000000000)",
        "numbers.range_step(1, 1000000000, 1)",
        "net.cidr_expand(\"0.0.0.0/0\")",
        "strings.replace_n({\"a\": \"aa\"}, \"a\")",
        "[x | walk(input, x)]",
        "array.flatten([1])",
        "graph.reachable({}, [])",
        "strings.render_template(\"\", {})",
        "object.union_everything([])",
        "crypto.sha256(\"\")",
    ] {
        refused(&format!("allow = true\nx {{ {call} }}"), 2, "cannot be called");
    }
}

/// Many short steps: the timer ends them.
#[test]
fn an_endless_loop_is_denied_by_its_budget() {
    let nine = ["l[_]"; 9].join(" + ");
    for text in [
        format!("{LETTERS}allow {{ {nine} == 1000 }}"),
        format!("{LETTERS}allow {{ count([1 | {nine} > 0]) == 7 }}"),
        format!("{LETTERS}allow = true\ndeny {{ {nine} == 1000 }}"),
        format!(
            "{LETTERS}s[x] {{ x := [l[_], l[_], l[_], l[_], l[_], l[_], l[_]] }}\nallow {{ count(s) == 7 }}"
        ),
        format!(
            "import future.keywords\n{LETTERS}allow {{ every a in l {{ every b in l {{ every c in l {{ every d in l {{ every e in l {{ every f in l {{ a+b+c+d+e+f > 0 }} }} }} }} }} }} }}"
        ),
        format!(
            "{LETTERS}o := {{k: v | k := [l[_], l[_], l[_], l[_], l[_], l[_]]; v := 1}}\nallow {{ o[3] }}"
        ),
        format!("f(n) {{ n > 0 }}\n{LETTERS}allow {{ f({nine} - 2000) }}"),
    ] {
        let opinion = load(&text).ask(Value::new_object(), Instant::now() + BUDGET);
        assert_eq!(opinion, Opinion::Overrun, "{text}");
    }
}

#[test]
fn modules_as_people_write_them_are_not_refused() {
    for text in [
        "allow { input.method == \"GET\"; startswith(input.path, \"/api/\") }",
        "allow { input.host == [\"a.example\", \"b.example\"][_] }",
        "hosts := {\"a.example\", \"b.example\"}\nallow { hosts[input.host]; input.port == 443 }",
        "parts := split(trim(input.path, \"/\"), \"/\")\nallow { parts[0] == \"v1\"; count(parts) < 5 }",
        "import rego.v1\nallow if { some p in split(input.path, \"/\"); p in {\"a\", \"b\"} }",
        "import rego.v1\nallow if { every p in split(input.path, \"/\") { not startswith(p, \".\") } }",
        "allow { concat(\".\", array.slice(split(input.host, \".\"), 1, 3)) == \"example.com\" }",
        "allow { concat(\"/\", [p | p := split(input.path, \"/\")[_]; p != \"\"]) == \"a/b\" }",
        "allow { count({v | v := input.headers.accept[_]} - {\"a/b\", \"a/c\"}) == 0 }",
        "allow { {n | input.query[n]} & {\"token\", \"key\"} == set() }",
        "allow { regex.match(`^/v[0-9]+/items/[^/]+$`, input.path); glob.match(\"*.example.com\", [\".\"], input.host) }",
        "allow { x := to_number(input.query.n[0]); x >= 1; x * 2 < 100; x % 2 == 0 }",
        "deny[msg] { input.method == \"DELETE\"; msg := sprintf(\"%s must not delete at %s%s\", [input.binary, input.host, input.path]) }\nallow = true",
        "import rego.v1\ndeny contains msg if { some b in input.binaries; b != \"curl\"; msg := concat(\" \", [\"not\", b]) }\nallow := true",
        "rules := [{\"host\": \"a.example\", \"methods\": [\"GET\"]}, {\"host\": \"b.example\", \"methods\": [\"GET\", \"PUT\"]}]\nallow { r := rules[_]; r.host == input.host; r.methods[_] == input.method }",
        "allow { hour := (input.now % 86400) / 3600; hour >= 8; hour < 18 }",
        "is_read { input.method == \"GET\" }\nis_read { input.method == \"HEAD\" }\nallow { is_read; not secret }\nsecret { contains(lower(input.path), \"secret\") }",
        "f(path) = parts { parts := split(path, \"/\") }\nallow { f(input.path)[1] == \"v1\" }",
        "allow { sort([upper(n) | input.headers[n]]) == [\"ACCEPT\"]; max([1, input.port]) == 443 }",
        "allow { object.get(input.query, \"q\", [\"\"])[0] != \"x\"; json.marshal(input.query) != \"{}\" }",
    ] {
        load(text);
    }
}
