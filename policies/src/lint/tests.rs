use super::{Lint, LintName, Severity, lint};
use crate::{Document, NoFiles, Policy, Timestamp, compose};

const NOW: &str = "2026-11-21T00:00:00Z";

fn lints(text: &str) -> Vec<Lint> {
    let document = compose(Document::parse(text, "p.yaml").unwrap(), &NoFiles)
        .unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    let policy = Policy::compile(&document).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
    lint(&document, &policy, Timestamp::parse(NOW).unwrap())
}

/// The lints of a rule that has none but for `changes`, each `KEY: VALUE` in the place of the key's own line.
fn of(changes: &[&str]) -> Vec<LintName> {
    lints(&format!("version: 1\nnetwork:\n{}", rule("r", changes))).iter().map(|lint| lint.name).collect()
}

fn rule(name: &str, changes: &[&str]) -> String {
    let standard = [
        "binary: {allow: [curl]}",
        "destination: {allow: [a.example.com]}",
        "method: {allow: [GET]}",
        "path: {allow: [/a]}",
    ];
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let kept = standard.iter().filter(|line| changes.iter().all(|change| key(change) != key(line)));
    let lines: String = kept.chain(changes).map(|line| format!("    {line}\n")).collect();
    format!("  - name: {name}\n{lines}")
}

#[test]
fn each_lint_fires_where_it_should_and_nowhere_else() {
    use LintName::*;
    assert_eq!(of(&[]), []);
    let table: &[(LintName, &[&str], &[&str])] = &[
        (WildcardMethod, &["method: {allow: [\"*\"]}"], &["method: {allow: [GET, POST, DELETE]}"]),
        (
            WritesAnywhere,
            &["method: {allow: [POST]}", "path: {allow: [\"/**\"]}"],
            &["path: {allow: [\"/**\"]}"],
        ),
        (
            WritesAnywhere,
            &["method: {allow: [GET, PUT]}", "path: {allow: [\"/**\"]}"],
            &["method: {allow: [PUT]}", "path: {allow: [\"/a/**\"]}"],
        ),
        (OnTrial, &["enforcement: audit"], &["enforcement: enforce"]),
        (Expired, &["until: 2026-11-21T00:00:00Z"], &["until: 2026-11-21T00:00:01Z"]),
        (Expired, &["until: 2025-01-01T00:00:00Z"], &["from: 2027-01-01T00:00:00Z"]),
        (ScriptName, &["binary: {allow: [npm]}"], &["binary: {allow: [git]}"]),
        (
            ScriptName,
            &["binary: {allow: [/usr/local/bin/openclaw]}"],
            &["binary: {allow: [/usr/local/bin/claw]}"],
        ),
        (AnyProgram, &["binary: {allow: [\"/usr/bin/*\"]}"], &["binary: {allow: [/usr/bin/wget]}"]),
        (AnyProgram, &["binary: {allow: [\"/opt/**\"]}"], &["binary: {allow: [\"/opt/*/tool\"]}"]),
        (Interpreter, &["binary: {allow: [python3]}"], &["binary: {allow: [git]}"]),
        (Interpreter, &["binary: {allow: [/opt/x/bin/node]}"], &["binary: {allow: [/opt/x/bin/nodes]}"]),
        (
            UnboundedQuery,
            &["destination: {allow: [telemetry.example.com]}"],
            &["destination: {allow: [telemetry.example.com]}", "query: {max_length: 0}"],
        ),
        (UnboundedQuery, &["path: {allow: [/v1/collect]}"], &["path: {allow: [/v1/collection]}"]),
        (
            PlainHttp,
            &["destination: {allow: [\"a.example.com:80\"]}"],
            &["destination: {allow: [\"a.example.com:8443\"]}"],
        ),
        (
            PlainHttp,
            &["destination: {allow: [\"a.example.com:1-100\"]}"],
            &["destination: {allow: [\"localhost:80\"]}"],
        ),
        (AddressDestination, &["destination: {allow: [10.1.2.3]}"], &["destination: {allow: [127.0.0.1]}"]),
        (
            AddressDestination,
            &["destination: {allow: [\"[2001:db8::1]\"]}"],
            &["destination: {allow: [\"[::1]\"]}"],
        ),
    ];
    for (name, fires, silent) in table {
        assert_eq!(of(fires), [*name], "{fires:?}");
        assert!(!of(silent).contains(name), "{silent:?}");
    }
}

#[test]
fn hosts_of_many_need_a_tenant() {
    let post = "method: {allow: [POST]}";
    let table = [
        ("hooks.slack.com", "/services/*/*/*", "/services/T01/B01/abc"),
        ("discord.com", "/api/webhooks/**", "/api/webhooks/123/abc"),
        ("discord.com", "/api/*/webhooks/*/*", "/api/v*/channels/*/messages"),
        ("api.telegram.org", "/bot*/sendMessage", "/bot123:*/sendMessage"),
        ("sentry.io", "/api/*/envelope/", "/api/42/envelope/"),
        ("github.com", "/*/*/info/refs", "/acme/*/info/refs"),
        ("api.github.com", "/repos/*/*/issues", "/repos/acme/*/issues"),
        ("api.github.com", "/**", "/zen"),
        ("s3.amazonaws.com", "/**", "/acme/**"),
    ];
    for (host, open, pinned) in table {
        let destination = format!("destination: {{allow: [{host}]}}");
        let path = |path: &str| format!("path: {{allow: [\"{path}\"]}}");
        assert!(of(&[post, &destination, &path(open)]).contains(&LintName::MultiTenant), "{host} {open}");
        assert_eq!(of(&[post, &destination, &path(pinned)]), [], "{host} {pinned}");
    }
    for (open, pinned) in [
        ("*.atlassian.net", "acme.atlassian.net"),
        ("**.amazonaws.com", "acme.s3.amazonaws.com"),
        ("*.slack.com", "slack.com"),
    ] {
        assert!(
            of(&[&format!("destination: {{allow: [\"{open}\"]}}")]).contains(&LintName::MultiTenant),
            "{open}"
        );
        assert_eq!(of(&[&format!("destination: {{allow: [\"{pinned}\"]}}")]), [], "{pinned}");
    }
    let denied = "path: {allow: [\"/api/**\"], deny: [\"/api/webhooks/*\", \"/api/*/webhooks/*\"]}";
    assert_eq!(of(&[post, "destination: {allow: [discord.com]}", denied]), []);
    let read = format!(
        "version: 1\nnetwork:\n{}",
        rule("r", &["destination: {allow: [github.com]}", "path: {allow: [\"/**\"]}"])
    );
    assert_eq!(lints(&read)[0].severity, Severity::Note, "reading anybody's is less than writing it");
}

#[test]
fn a_rule_that_another_one_denies_away_is_named() {
    let wide = rule("wide", &["path: {allow: [\"/**\"], deny: [\"/a/*\"]}"]);
    let pair = |second: &[&str]| lints(&format!("version: 1\nnetwork:\n{wide}{}", rule("r", second)));
    let found = pair(&["path: {allow: [/a/b, \"/a/*/c\"]}"]);
    assert_eq!(found.iter().map(|lint| lint.name).collect::<Vec<_>>(), [LintName::Shadowed]);
    assert!(
        found[0].to_string().starts_with("p.yaml:8:5: warning [shadowed]: rule 'r': it grants nothing"),
        "{}",
        found[0]
    );
    assert!(found[0].cause.contains("'wide'"));
    assert_eq!(pair(&["path: {allow: [/a/b, /b]}"]), []);
    assert_eq!(pair(&["path: {allow: [/a/b]}", "binary: {allow: [git]}"]), []);
    assert_eq!(pair(&["path: {allow: [/a/b]}", "destination: {allow: [b.example.com]}"]), []);
}

#[test]
fn two_rules_that_say_the_same_are_named_once() {
    let both = |second: &[&str]| {
        let first = rule("one", &["method: {allow: [GET, HEAD]}"]);
        lints(&format!("version: 1\nnetwork:\n{first}{}", rule("two", second)))
    };
    let found = both(&["method: {allow: [HEAD, GET]}"]);
    assert_eq!(
        found.iter().map(|lint| (lint.name, lint.rule.as_deref())).collect::<Vec<_>>(),
        [(LintName::Duplicate, Some("two"))]
    );
    assert_eq!(both(&["method: {allow: [HEAD, GET]}", "query: {max_length: 5}"]), []);
    assert_eq!(both(&["method: {allow: [GET]}"]), []);
}

#[test]
fn a_directory_to_write_and_run_in_is_named() {
    let found = lints("version: 1\nfilesystem:\n  write: [/a]\n  write_execute: [/b, /c]\n");
    let lines: Vec<String> =
        found.iter().map(|lint| format!("{}:{} {}", lint.line, lint.name.as_str(), lint.cause)).collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("4:write-execute") && lines[0].contains("'/b'"), "{lines:?}");
}

#[test]
fn a_rule_that_only_denies_has_no_lint() {
    let denies = rule(
        "d",
        &["effect: deny-only", "binary: {allow: [\"/**\"]}", "method: {allow: [\"*\"], deny: [DELETE]}"],
    );
    assert_eq!(lints(&format!("version: 1\nnetwork:\n{denies}")), []);
}

#[test]
fn names_are_written_as_in_json() {
    for name in [LintName::WildcardMethod, LintName::AddressDestination, LintName::ScriptName] {
        let json = format!("{:?}", serde_saphyr::to_string(&name).unwrap());
        assert!(json.contains(name.as_str()), "{json}");
    }
}

#[test]
fn a_denial_that_has_ended_is_said_too() {
    let ended = ["effect: deny-only", "path: {allow: [/], deny: [/x]}", "until: 2026-01-01T00:00:00Z"];
    assert_eq!(of(&ended), [LintName::Expired]);
    assert_eq!(of(&ended[..2]), []);
}

#[test]
fn every_path_may_be_written_in_several_ways() {
    for path in ["/**", "/**/*", "/*/**", "/**/**"] {
        let found = of(&["method: {allow: [POST]}", &format!("path: {{allow: [\"{path}\"]}}")]);
        assert_eq!(found, [LintName::WritesAnywhere], "{path}");
    }
    assert_eq!(of(&["method: {allow: [POST]}", "path: {allow: [\"/a/**\", \"/*/*\"]}"]), []);
}

#[test]
fn a_port_that_other_machines_reach_is_told() {
    let entry = |listen: &str, more: &str| {
        let text = format!(
            "version: 1\ninbound:\n - {{name: web, port: 8080, listen: \"{listen}\", protocol: http, \
             sources: [10.0.0.0/8]{more}}}\n"
        );
        lints(&text).iter().map(|lint| (lint.name, lint.severity, lint.line)).collect::<Vec<_>>()
    };
    assert_eq!(entry("127.0.0.1:80", ""), []);
    assert_eq!(entry("[::1]:80", ""), []);
    for listen in ["0.0.0.0:80", "[::]:80", "10.0.0.1:80"] {
        assert_eq!(entry(listen, ""), [(LintName::OpenPort, Severity::Warning, 3)]);
        assert_eq!(entry(listen, ", token: none"), [(LintName::OpenPort, Severity::Warning, 3)]);
        assert_eq!(entry(listen, ", token: required"), [(LintName::OpenPort, Severity::Note, 3)]);
    }
}

#[test]
fn messages_that_another_rule_does_not_read_are_told() {
    let server = |extra: &str| rule("server", &["method: {allow: [POST]}", extra]);
    let mcp = "mcp: {server: s, tools: {allow: [a]}}";
    let broad = rule("broad", &["method: {allow: [POST]}", "path: {allow: ['/*']}"]);
    let found = |rules: &[&str]| {
        let lints = lints(&format!("version: 1\nnetwork:\n{}", rules.concat()));
        lints.into_iter().map(|lint| (lint.name, lint.rule)).collect::<Vec<_>>()
    };
    let told = (LintName::UnreadMessages, Some("server".to_owned()));
    assert!(found(&[&server(mcp), &broad]).contains(&told));
    let other = rule("other", &["method: {allow: [POST]}", "path: {allow: [/b]}"]);
    assert_eq!(found(&[&server(mcp), &other]), []);
    // Two that read, and each says something else.
    let second = server("mcp: {server: s, tools: {allow: [b]}}").replace("name: server", "name: second");
    assert_eq!(found(&[&server(mcp), &second]), []);
}

#[test]
fn what_comes_back_unjudged_from_the_same_hosts_is_named() {
    let judged = rule("judged", &["path: {allow: [\"/files/**\"]}", "downloads: {types: [zip]}"]);
    let found = |other: &[&str]| {
        let text = format!("version: 1\nnetwork:\n{judged}{}", rule("other", other));
        let lints = lints(&text);
        let lint = lints.into_iter().find(|lint| lint.name == LintName::UnjudgedDownloads);
        lint.map(|lint| (lint.severity, lint.rule.unwrap(), lint.cause))
    };
    let cause = "what rule 'other' allows from the same hosts comes back unjudged".to_owned();
    let named = Some((Severity::Note, "judged".to_owned(), cause));
    for other in [&["path: {allow: [/a]}"][..], &["binary: {allow: [wget]}", "path: {allow: [\"/files/*\"]}"]]
    {
        assert_eq!(found(other), named, "{other:?}");
    }
    for other in [
        &["path: {allow: [\"/files/a\"]}"][..],
        &["path: {allow: [/a]}", "downloads: {max_bytes: 1KiB}"],
        &["destination: {allow: [b.example.com]}"],
    ] {
        assert_eq!(found(other), None, "{other:?}");
    }
}
