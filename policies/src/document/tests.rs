use crate::{Document, Policy};

/// Every mistake of a policy as `place key reason | remedy`.
fn mistakes(text: &str) -> Vec<String> {
    let result = Document::parse(text, "p").and_then(|document| Policy::compile(&document));
    let errors = result.expect_err("a policy with mistakes loaded");
    errors.iter().map(|error| format!("{error} | {}", error.remedy())).collect()
}

/// A policy of one rule with one level replaced.
fn with(level: &str, value: &str) -> String {
    let levels = [
        ("binary", "{allow: [curl]}"),
        ("destination", "{allow: [a.example.com]}"),
        ("method", "{allow: [GET]}"),
        ("path", "{allow: [/]}"),
    ];
    let lines = levels.map(|(key, standard)| {
        let value = if key == level { value } else { standard };
        if value.is_empty() { String::new() } else { format!("  {key}: {value}\n") }
    });
    format!("- name: r\n{}", lines.concat())
}

#[test]
fn the_standard_rule_loads() {
    let document = Document::parse(&with("", ""), "p").unwrap();
    assert_eq!(Policy::compile(&document).unwrap().rule_count(), 1);
}

#[test]
fn conditions_on_model_calls_load() {
    let conditions = |text: &str| {
        let text = format!("version: 1\ninference: {text}\n");
        let document = Document::parse(&text, "p").unwrap();
        // The proxy, which decides, gets the same.
        let sent = Document::parse(&document.dynamic_text().unwrap(), "sent").unwrap();
        assert_eq!(sent.conditions(), document.conditions());
        document.conditions().unwrap().to_string()
    };
    assert_eq!(conditions("{}"), "sensitive=pass providers=local,cloud");
    assert_eq!(conditions("{sensitive: redact}"), "sensitive=redact providers=local,cloud");
    assert_eq!(conditions("{sensitive: block}"), "sensitive=block providers=local,cloud");
    assert_eq!(conditions("{sensitive: local, providers: [local]}"), "sensitive=local providers=local");
    assert_eq!(conditions("{providers: [cloud, local]}"), "sensitive=pass providers=local,cloud");
}

#[test]
fn conditions_that_no_model_call_meets_are_a_mistake() {
    let mistake = |text: &str| mistakes(&format!("version: 1\ninference: {text}\n")).concat();
    assert!(!mistake("{providers: }").is_empty());
    assert!(mistake("{providers: []}").starts_with("p:2:12: inference: no provider is left"));
    assert!(
        mistake("{sensitive: allow}").contains("unknown value 'allow'"),
        "{}",
        mistake("{sensitive: allow}")
    );
    assert!(mistake("{providers: [locl]}").contains("did you mean 'local'?"));
    assert!(mistake("{provider: [local]}").contains("did you mean 'providers'?"));
}

#[test]
fn a_file_needs_a_version_that_is_known() {
    assert_eq!(mistakes("network: []\n"), ["p:1:1: the policy has no version | start it with 'version: 1'"]);
    assert_eq!(mistakes("version: 2\n"), ["p:1:10: version: version 2 is not known | write 'version: 1'"]);
}

#[test]
fn an_absent_level_and_an_empty_one_are_errors() {
    for level in ["binary", "destination", "method", "path"] {
        let found = mistakes(&with(level, ""));
        let line = format!(
            "p:1:3: {level}: rule 'r' has no '{level}' level, and an absent level allows nothing | \
             add '{level}: {{allow: […]}}'"
        );
        assert_eq!(found, [line]);
        for empty in ["{allow: []}", "{deny: [/x]}", "{}"] {
            let found = mistakes(&with(level, empty));
            assert!(found.iter().any(|line| line.contains("level of rule 'r' allows nothing")), "{found:?}");
        }
    }
}

#[test]
fn a_rule_that_can_never_match_is_an_error() {
    let dead = [
        ("binary", "{allow: [curl], deny: [curl]}"),
        ("binary", "{allow: [/usr/bin/curl], deny: [\"/usr/**\"]}"),
        ("destination", "{allow: [a.example.com], deny: [\"*.example.com\"]}"),
        ("destination", "{allow: [\"*.a.example.com\", b.a.example.com], deny: [\"**.example.com\"]}"),
        ("destination", "{allow: [\"a.example.com:80\"], deny: [\"a.example.com\"]}"),
        ("method", "{allow: [GET, POST], deny: [POST, GET]}"),
        ("method", "{allow: [GET], deny: [\"*\"]}"),
        ("path", "{allow: [/a/b, \"/a/c/*\"], deny: [\"/a/*\"]}"),
        ("path", "{allow: [\"/a/**\"], deny: [\"/a/**\"]}"),
    ];
    for (level, value) in dead {
        let found = mistakes(&with(level, value));
        assert!(found.len() == 1 && found[0].contains("rule 'r' can never match"), "{value}: {found:?}");
    }
    let alive = [
        ("binary", "{allow: [curl, node], deny: [curl]}"),
        ("destination", "{allow: [a.example.com], deny: [\"a.example.com:80\"]}"),
        ("destination", "{allow: [\"*.example.com\"], deny: [\"a.example.com\"]}"),
        ("method", "{allow: [GET], deny: [POST]}"),
        ("path", "{allow: [\"/a/**/b\"], deny: [\"/a/*/b\"]}"),
        ("path", "{allow: [\"/a/*\"], deny: [\"/a/b\"]}"),
    ];
    for (level, value) in alive {
        let document = Document::parse(&with(level, value), "p").unwrap();
        assert!(Policy::compile(&document).is_ok(), "{value}");
    }
}

#[test]
fn an_entry_that_is_no_pattern_is_refused_with_what_to_write() {
    let table = [
        ("binary", "bin/curl", "neither a name nor an absolute path"),
        ("binary", "\"*\"", "a path pattern, such as '/usr/bin/*'"),
        ("binary", "\"cu*l\"", "wildcard in a program's name"),
        ("binary", "\"\"", "is not the name of a program"),
        ("binary", "\"a b\"", "is not the name of a program"),
        ("binary", "..", "is not the name of a program"),
        ("binary", "/usr/../bin/curl", "not canonical"),
        ("binary", "/usr//bin/curl", "not canonical"),
        ("destination", "https://a.example.com/x", "write 'a.example.com', and paths under 'path'"),
        ("destination", "a.example.com/x", "is a URL, not a destination"),
        ("destination", "A.example.com", "write 'a.example.com'"),
        ("destination", "a.example.com.", "write 'a.example.com'"),
        ("destination", "münchen.example", "A-label"),
        ("destination", "\"*\"", "whole labels at the front"),
        ("destination", "\"**\"", "whole labels at the front"),
        ("destination", "\"*.com\"", "at least two labels after the wildcard"),
        ("destination", "\"**.internal\"", "at least two labels after the wildcard"),
        ("destination", "\"a.*.example.com\"", "whole labels at the front"),
        ("destination", "\"api-*.example.com\"", "whole labels at the front"),
        ("destination", "\"*.*.example.com\"", "whole labels at the front"),
        ("destination", "\"*.0.0.0.1\"", "mixes a wildcard with an address"),
        ("destination", "a_b.example.com", "is not a host name"),
        ("destination", "-a.example.com", "is not a host name"),
        ("destination", "a..example.com", "is not a host name"),
        ("destination", "\"a b\"", "is not a host name"),
        ("destination", "user@example.com", "is not a host name"),
        ("destination", "\"\"", "is not a host name"),
        ("destination", "127.1", "is not an IPv4 address"),
        ("destination", "\"010.0.0.1\"", "is not an IPv4 address"),
        ("destination", "256.0.0.1", "is not an IPv4 address"),
        ("destination", "0x7f000001", "is not an IPv4 address"),
        ("destination", "\"::1\"", "write an IPv6 address in brackets: '[::1]'"),
        ("destination", "\"[0:0::1]\"", "write '[::1]'"),
        ("destination", "\"[::1\"", "no closing bracket"),
        ("destination", "\"[::1]x\"", "follows the address"),
        ("destination", "\"[a.example.com]\"", "is not an IPv6 address"),
        ("destination", "\"a.example.com:\"", "is not a port"),
        ("destination", "\"a.example.com:0\"", "is not a port"),
        ("destination", "\"a.example.com:0443\"", "is not a port"),
        ("destination", "\"a.example.com:+443\"", "is not a port"),
        ("destination", "\"a.example.com:65979\"", "is not a port"),
        ("destination", "\"a.example.com:9-8\"", "is not a port"),
        ("destination", "\"a.example.com:8000-\"", "is not a port"),
        ("method", "get", "did you mean 'GET'?"),
        ("method", "GETT", "did you mean 'GET'?"),
        ("method", "CONNECT", "a tunnel is decided by its destination"),
        ("method", "\"\"", "is not an HTTP method"),
        ("method", "\"GET POST\"", "is not an HTTP method"),
        ("path", "api/x", "write '/api/x'"),
        ("path", "\"*\"", "write '/**'"),
        ("path", "/a?b=c", "write '/a': a path rule sees neither query nor fragment"),
        ("path", "\"/a#b\"", "query or a fragment"),
        ("path", "/a/../b", "not canonical"),
        ("path", "/a//b", "not canonical"),
        ("path", "/a/./b", "not canonical"),
        ("path", "\"/a b\"", "percent-encoded"),
        ("path", "\"/é\"", "percent-encoded"),
        ("path", "'/a\\b'", "percent-encoded"),
        ("path", "/a%2", "encodes nothing"),
        ("path", "/a%2f", "encodes nothing"),
        ("path", "/a%3a", "encodes nothing"),
        ("path", "/a%5C", "a request that has it is refused anyway"),
        ("path", "/a%00", "a request that has it is refused anyway"),
        ("path", "/%61", "write 'a'"),
        ("path", "/a%2Eb", "write '.'"),
        ("path", "/a;b=c", "path parameter"),
        ("path", "\"/a[0]\"", "percent-encoded"),
        ("path", "\"/{a}\"", "percent-encoded"),
        ("path", "/a/**b", "'**' inside a segment"),
        ("path", "/a/***", "'**' inside a segment"),
        ("path", "/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*/*", "at most"),
    ];
    for (level, entry, expected) in table {
        let found = mistakes(&with(level, &format!("{{allow: [{entry}]}}")));
        let [line] = found.as_slice() else { panic!("{entry}: {found:?}") };
        assert!(line.contains(expected) && line.contains(&format!(" {level}.allow: ")), "{entry}: {line}");
        let row = ["binary", "destination", "method", "path"].iter().position(|key| *key == level).unwrap();
        assert!(line.starts_with(&format!("p:{}:", row + 2)), "{entry}: {line}");
    }
}

#[test]
fn names_are_needed_and_unique() {
    let rule = with("", "");
    let twice = format!("{rule}{rule}");
    assert_eq!(
        mistakes(&twice),
        ["p:6:9: name: a rule named 'r' stands above already | give each rule its own name"]
    );
    let nameless = rule.replacen("name: r\n  ", "", 1);
    assert!(mistakes(&nameless)[0].starts_with("p:1:3: name: the rule has no name"), "{nameless}");
    assert!(mistakes(&rule.replacen("name: r", "name: \"\"", 1))[0].contains("printable"));
    assert!(mistakes(&rule.replacen("name: r", "name: \"a\\nb\"", 1))[0].contains("printable"));
}

#[test]
fn all_mistakes_are_reported_in_the_order_of_the_file() {
    let text =
        "- name: r\n  binary: {allow: [bin/x]}\n  destination: {allow: [A.com]}\n  path: {allow: [x]}\n";
    let found = mistakes(text);
    let places: Vec<&str> = found.iter().map(|line| &line[..5]).collect();
    assert_eq!(places, ["p:1:3", "p:2:2", "p:3:2", "p:4:1"], "{found:?}");
}

#[test]
fn inside_another_file_the_version_may_be_left_out() {
    #[derive(serde::Deserialize)]
    struct Agent {
        policy: Document,
    }
    let text = "policy:\n  network:\n    - name: r\n      binary: {allow: [bin/x]}\n";
    let agent: Agent = crate::yaml::parse(text, "agent.yaml").unwrap();
    let errors = Policy::compile(&agent.policy.named("agent.yaml")).unwrap_err();
    assert!(errors.to_string().contains("agent.yaml:4:24: binary.allow: 'bin/x' is neither"), "{errors}");
}

#[test]
fn without_a_rule_nothing_is_allowed() {
    let policy = Policy::compile(&Document::default()).unwrap();
    let decision = policy.decide_name("example.com", crate::Timestamp(0));
    let crate::NameDecision::Deny(denial) = decision else { panic!("resolved") };
    assert_eq!(denial.reason(), "the policy has no network rule: nothing is allowed");
}
