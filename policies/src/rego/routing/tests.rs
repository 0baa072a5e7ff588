use super::*;
use wire::router::Api;
use wire::router::Sensitive::{Block, Local, Pass, Redact};

const CURL: Holder<'static> = Holder { path: "/usr/bin/curl", script: None, sha256: None };

fn module(name: &str, text: &str) -> RegoModule {
    RegoModule { name: name.to_owned(), text: text.to_owned() }
}

fn load(text: &str) -> RouteModules {
    RouteModules::load(&[module("m", text)]).unwrap_or_else(|mistake| panic!("{text}\n{mistake:?}"))
}

fn facts() -> Facts<'static> {
    Facts {
        sandbox: "box-1",
        host: "inference.local",
        api: Api::OpenAi,
        call: "chat/completions",
        model: "large",
        programs: Some(vec![CURL]),
        categories: vec![("personal/email-address".to_owned(), 3), ("health/diagnosis".to_owned(), 1)],
        word: Some(Redact),
        stays: false,
        bytes: 5000,
        tools: 2,
        now: 1_800_000_000,
        local: vec![Stand { server: "127.0.0.1", region: None, model: "small" }],
        cloud: vec![Stand { server: "api.example.com", region: Some("us-east-1"), model: "large-2" }],
    }
}

/// The word, and why it is none.
fn ask(text: &str, facts: &Facts<'_>) -> (Sensitive, Option<String>) {
    let modules = load(text);
    let ruling = modules.ask(facts).unwrap();
    (ruling.word, ruling.failure.map(String::from))
}

#[test]
fn each_field_can_decide() {
    for condition in [
        r#"input.sandbox == "box-1""#,
        r#"input.host == "inference.local""#,
        r#"input.api == "openai""#,
        r#"input.call == "chat/completions""#,
        r#"input.model == "large""#,
        r#"input.binary == "curl""#,
        r#"input.binary_path == "/usr/bin/curl""#,
        r#"input.script == """#,
        r#"input.sha256 == """#,
        r#"input.categories["personal/email-address"] > 2"#,
        r#"input.categories[name] > 0; startswith(name, "health/")"#,
        r#"sum([count | count := input.categories[_]]) == 4"#,
        r#"input.word == "redact""#,
        r#"input.session == "open""#,
        "input.bytes >= 5000",
        "input.tools == 2",
        "input.now > 1700000000",
        r#"input.local[0].server == "127.0.0.1""#,
        r#"input.local[_].region == """#,
        r#"server := input.cloud[_]; not startswith(server.region, "eu")"#,
        r#"input.cloud[_].model == "large-2""#,
    ] {
        let text = format!("default route = \"pass\"\nroute = \"local\" {{ {condition} }}");
        assert_eq!(ask(&text, &facts()), (Local, None), "{condition}");
    }
}

#[test]
fn a_word_or_the_strictest_of_a_set() {
    for (text, expected) in [
        ("route = \"pass\"", Pass),
        ("route := \"redact\"", Redact),
        ("import rego.v1\nroute := \"local\" if input.tools > 0\nelse := \"pass\"", Local),
        ("import rego.v1\nroute := \"local\" if input.tools > 9\nelse := \"pass\"", Pass),
        ("route[\"redact\"] { input.tools > 0 }\nroute[\"block\"] { input.bytes > 1 }", Block),
        ("route[\"redact\"] { input.tools > 0 }\nroute[\"block\"] { input.bytes > 9999 }", Redact),
        ("import rego.v1\nroute contains \"local\" if input.tools > 9", Pass),
    ] {
        assert_eq!(ask(text, &facts()), (expected, None), "{text}");
    }
}

/// The attack: a call for which a module fails, so that nobody speaks against it.
#[test]
fn what_is_no_word_blocks() {
    let long = "x".repeat(300);
    for (text, why) in [
        ("route = \"pass\" { input.tools > 9 }", "no value"),
        ("route = 1", "none of pass"),
        ("route = true", "none of pass"),
        ("route = input.model", "none of pass"),
        ("route = lower(\"PASS \")", "none of pass"),
        ("route = null", "none of pass"),
        ("route[word] { word := input.model }", "none of pass"),
        ("route = \"pass\" { input.model * 2 > 1 }", "it failed"),
        // Two conditions of one rule hold, and it cannot have both words.
        ("route = \"pass\" { input.tools > 0 }\nroute = \"local\" { input.bytes > 0 }", "it failed"),
    ] {
        let (word, failure) = ask(text, &facts());
        assert_eq!(word, Block, "{text}");
        assert!(failure.as_ref().is_some_and(|failure| failure.contains(why)), "{text}: {failure:?}");
    }
    let open = "route = \"pass\"";
    for facts in [
        Facts { programs: None, ..facts() },
        Facts { programs: Some(Vec::new()), ..facts() },
        Facts { model: &long, ..facts() },
        Facts { categories: vec![(long.clone(), 1)], ..facts() },
        Facts { categories: (0..600).map(|n| (format!("personal/{n}"), 1)).collect(), ..facts() },
        Facts { cloud: vec![Stand { server: &long, region: None, model: "m" }], ..facts() },
        Facts { programs: Some(vec![CURL; 65]), ..facts() },
    ] {
        let (word, failure) = ask(open, &facts);
        assert_eq!(word, Block, "{facts:?}");
        assert!(failure.is_some());
    }
}

#[test]
fn a_module_that_does_not_end_in_time_blocks() {
    let digits = "l := [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20]\n";
    let loops =
        "a := l[_]; b := l[_]; c := l[_]; d := l[_]; e := l[_]; f := l[_]; a + b + c + d + e + f > 1000";
    let text = format!("{digits}default route = \"pass\"\nroute = \"local\" {{ {loops} }}");
    let (word, failure) = ask(&text, &facts());
    assert_eq!(word, Block);
    assert!(failure.as_ref().is_some_and(|failure| failure.contains("budget")), "{failure:?}");
}

/// The attack: a program that a rule keeps local lends its connection to one that it does not.
#[test]
fn every_program_that_holds_the_socket_is_asked_about() {
    let text = "default route = \"block\"\nroute = \"pass\" { input.binary == \"curl\" }";
    let other = Holder { path: "/tmp/curl", ..CURL };
    let with = |programs| Facts { programs: Some(programs), ..facts() };
    assert_eq!(ask(text, &with(vec![CURL])).0, Pass);
    assert_eq!(ask(text, &with(vec![other])).0, Block);
    assert_eq!(ask(text, &with(vec![CURL, other])).0, Block);
    assert_eq!(ask(text, &with(vec![other, CURL])).0, Block);
}

#[test]
fn of_several_modules_the_strictest_holds_and_is_named() {
    let of = |words: [&str; 3]| {
        let modules: Vec<RegoModule> = words
            .iter()
            .zip(["a", "b", "c"])
            .map(|(word, name)| module(name, &format!("route = \"{word}\"")))
            .collect();
        let modules = RouteModules::load(&modules).unwrap();
        let ruling = modules.ask(&facts()).unwrap();
        (ruling.module.to_owned(), ruling.word)
    };
    assert_eq!(of(["pass", "local", "redact"]), ("b".to_owned(), Local));
    assert_eq!(of(["redact", "pass", "redact"]), ("a".to_owned(), Redact));
    assert_eq!(of(["pass", "pass", "block"]), ("c".to_owned(), Block));
    assert_eq!(of(["pass", "pass", "pass"]), ("a".to_owned(), Pass));
    assert!(RouteModules::load(&[]).unwrap().ask(&facts()).is_none());
}

#[test]
fn what_is_no_module_for_calls_is_refused_with_its_place() {
    for (text, at, reason) in [
        ("allow = true", None, "no rule 'route'"),
        ("default route = true", None, "no word for a call"),
        ("default route = \"allow\"", None, "'allow' is no word"),
        ("import rego.v1\nroute := \"loca\" if input.tools > 0", None, "'loca' is no word"),
        ("route[\"cloud\"] { input.tools > 0 }", None, "'cloud' is no word"),
        ("route(x) = \"pass\" { x }", None, "a rule whose value is a word"),
        ("route.x = \"pass\"", None, "a rule whose value is a word"),
        ("route = \"pass\" {\n  http.send({}) }", None, "reach out"),
        ("route = \"pass\" { time.now_ns() > 0 }", None, "no clock"),
        ("route = data.other.x", None, "'data' holds"),
        ("route = \"pass\" { x := input.bytes * input.tools; x > 1 }", None, "two computed numbers"),
        ("route {", None, ""),
    ] {
        let mistake = RouteModules::load(&[module("m", text)]).expect_err(text);
        assert!(mistake.reason.contains(reason) && !mistake.remedy.is_empty(), "{text}\n{mistake:?}");
        assert!(at.is_none() || mistake.at == at, "{text}\n{mistake:?}");
    }
    for name in ["", "a b", "a/b", &"x".repeat(65)] {
        assert!(RouteModules::load(&[module(name, "route = \"pass\"")]).is_err(), "{name}");
    }
    let one = module("m", "route = \"pass\"");
    let mistake = RouteModules::load(&[one.clone(), one]).unwrap_err();
    assert_eq!(mistake.index, 1);
    assert!(mistake.reason.contains("stands above already"));
    let many: Vec<RegoModule> = (0..17).map(|n| module(&format!("m{n}"), "route = \"pass\"")).collect();
    assert!(RouteModules::load(&many).unwrap_err().reason.contains("more than 16"));
}
