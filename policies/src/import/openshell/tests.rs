//! The translation piece by piece. Whole policies stand in `tests/verdicts/openshell`.

use super::glob::{self, Allowed, Denied};
use super::selector::{Narrowed, Selector};
use super::{check, import, translate};
use crate::document::Document;

#[test]
fn allow_globs_mean_the_same_or_are_left_out() {
    for (glob, expected) in [
        ("/a/b", Some("/a/b")),
        ("**", Some("/**")),
        ("/**", Some("/**")),
        ("**/x", Some("/**/x")),
        ("/a/*/c", Some("/a/*/c")),
        ("/bot*/**", Some("/bot*/**")),
        ("/**secret**/x", Some("/*secret*/x")),
        ("/a b/é", Some("/a%20b/%C3%A9")),
        ("/<org>/x", Some("/%3Corg%3E/x")),
        ("/a:b@c", Some("/a:b@c")),
        ("a/b", None),
        ("*", None),
        ("/a//b", None),
        ("/a/../b", None),
        ("/a;v=1", None),
        ("/a?", None),
        ("/[ab]", None),
        ("/{a,b}", None),
        ("/a\\*", None),
        ("/a%20b", None),
    ] {
        let found = match glob::allowed_path(glob) {
            Allowed::Pattern(text) => Some(text),
            Allowed::Never | Allowed::Unsayable(_) => None,
        };
        assert_eq!(found.as_deref(), expected, "{glob}");
    }
}

#[test]
fn deny_globs_mean_the_same_or_more() {
    let same = |text: &str| Denied::Pattern(text.to_owned());
    let wider = |text: &str| Denied::Wider(text.to_owned());
    for (glob, expected) in [
        ("/a/b", same("/a/b")),
        ("**", same("/**")),
        ("/a/*", wider("/a/*")),
        ("/a/[0-9]/b", wider("/a/**")),
        ("/a/b?", wider("/a/**")),
        ("/{a,b}/c", wider("/**")),
        ("/a/b%2Fc", wider("/a/**")),
        ("a/b", Denied::Never),
        ("/a;v=1", Denied::Never),
    ] {
        assert_eq!(glob::denied_path(glob), expected, "{glob}");
    }
}

#[test]
fn a_binary_without_a_star_is_text() {
    for (path, expected) in [
        ("/usr/bin/[", Allowed::Pattern("/usr/bin/[".to_owned())),
        ("/opt/*/bin/x", Allowed::Pattern("/opt/*/bin/x".to_owned())),
        ("**", Allowed::Pattern("/**".to_owned())),
        ("**/node", Allowed::Pattern("/**/node".to_owned())),
        ("curl", Allowed::Never),
        ("*", Allowed::Never),
    ] {
        assert_eq!(glob::binary(path), expected, "{path}");
    }
    assert!(matches!(glob::binary("/usr/bin/py[23]*"), Allowed::Unsayable(_)));
}

#[test]
fn a_rule_within_the_path_of_its_endpoint() {
    let paths = |paths: &[&str]| Narrowed::Paths(paths.iter().map(|path| (*path).to_owned()).collect());
    for (selector, path, expected) in [
        ("", "/x", paths(&["/x"])),
        ("/**", "/x", paths(&["/x"])),
        ("/v1/**", "/**", paths(&["/v1", "/v1/**"])),
        ("/v1/**", "/v1/x", paths(&["/v1/x"])),
        ("/v1/**", "/v1/*/y", paths(&["/v1/*/y"])),
        ("/v1/**", "/v10/x", Narrowed::Nothing),
        ("/v1/**", "/*/x", Narrowed::Unsayable),
        ("/mcp", "/**", paths(&["/mcp"])),
        ("/mcp", "/other", Narrowed::Nothing),
        ("/a/*/c", "/**", paths(&["/a/*/c"])),
        ("/a/*/c", "/a/b/c", Narrowed::Unsayable),
        ("/a/*/c", "/b/c", Narrowed::Nothing),
    ] {
        assert_eq!(Selector::parse(Some(selector)).narrow(path), expected, "{selector} {path}");
    }
}

/// What is refused, at its place and with what to write instead.
#[test]
fn mistakes_are_refused_by_name() {
    const ENDPOINT: &str =
        "version: 1\nnetwork_policies:\n  p:\n    binaries: [{path: /bin/a}]\n    endpoints:\n      - ";
    let endpoint = |text: &str| format!("{ENDPOINT}{{host: a.example.com, port: 443, {text}}}\n");
    for (text, line, reason, remedy) in [
        ("filesystem_policy: {}\n".to_owned(), 1, "'version' is missing", "version"),
        ("version: 2\n".to_owned(), 1, "version 2 of OpenShell's schema is not known", "version: 1"),
        (
            "version: 1\nnetwork_polices: {}\n".to_owned(),
            2,
            "unknown key 'network_polices'",
            "'network_policies'",
        ),
        (endpoint("acess: full"), 6, "unknown key 'acess'", "'access'"),
        (endpoint("protocol: rset"), 6, "unknown value 'rset'", "'rest'"),
        (endpoint("protocol: rest, access: readonly"), 6, "unknown value 'readonly'", "'read-only'"),
        (endpoint("enforcement: enforced"), 6, "unknown value 'enforced'", "'enforce'"),
        (endpoint("tls: off"), 6, "unknown value 'off'", "skip"),
        (endpoint("allow_encoded_slash: maybe"), 6, "true or false expected", "correct the YAML"),
        (endpoint("rules: [{alow: {method: GET}}]"), 6, "unknown key 'alow'", "'allow'"),
        (endpoint("rules: [{allow: {methd: GET}}]"), 6, "unknown key 'methd'", "'method'"),
        (
            endpoint("protocol: rest, access: full, rules: [{allow: {method: GET, path: /}}]"),
            6,
            "'access' and 'rules' stand side by side",
            "keep one",
        ),
        (
            "version: 1\nnetwork_middlewares:\n  redact: {middleware: openshell/regex}\n".to_owned(),
            3,
            "middleware 'redact' has no equivalent, and without it more would pass",
            "remove it",
        ),
        (
            "version: 1\nlandlock: {compatibility: besteffort}\n".to_owned(),
            2,
            "unknown value 'besteffort'",
            "'best_effort'",
        ),
    ] {
        let errors = import(&text, "x.yaml").expect_err(&text);
        let error = errors.first();
        assert_eq!(error.place().line, line, "{text}");
        assert!(error.reason().contains(reason), "{}", error.reason());
        assert!(error.remedy().contains(remedy), "{}", error.remedy());
    }
}

#[test]
fn an_empty_policy_reaches_nothing() {
    let imported = import("version: 1\n", "x.yaml").expect("it is a policy");
    assert!(imported.document.network.is_empty());
    let filesystem = imported.document.filesystem.expect("it is always written");
    assert!(filesystem.execute.is_empty() && filesystem.write_execute.is_empty());
}

/// Whole policies with random edits: whatever is translated loads, and means the same when it is written out
/// and read again.
#[test]
fn what_is_translated_loads() {
    let seeds = [
        include_str!("../../../tests/verdicts/openshell/agent.yaml"),
        include_str!("../../../tests/verdicts/openshell/denies.yaml"),
        include_str!("../../../tests/verdicts/openshell/meeting.yaml"),
        include_str!("../../../tests/verdicts/openshell/stricter.yaml"),
    ];
    const PIECES: [&str; 14] =
        ["*", "**", "/", "/**/", "?", "[", "$", "%2F", "..", "-", "\u{1b}", ";", "é", "a"];
    let mut state = 0x5eed_cafe_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % end
    };
    let mut translated = 0;
    for round in 0..300 {
        let mut text = seeds[round % seeds.len()].to_owned();
        for _edit in 0..=below(3) {
            let marks: Vec<usize> = text.match_indices(['/', '.', '*']).map(|(at, _)| at + 1).collect();
            let at = marks[below(marks.len())];
            text.insert_str(at, PIECES[below(PIECES.len())]);
        }
        let Ok(imported) = translate(&text, "edited") else { continue };
        translated += 1;
        let clean = imported.report.iter().all(|finding| !finding.to_string().contains(char::is_control));
        assert!(clean, "{text}");
        check(&imported.document).unwrap_or_else(|errors| panic!("{errors}\n{text}"));
        let written = imported.to_yaml().expect("it can be written");
        let again =
            Document::parse(&written, "written").unwrap_or_else(|errors| panic!("{errors}\n{written}"));
        assert_eq!(again.network.len(), imported.document.network.len(), "{text}");
        check(&again).unwrap_or_else(|errors| panic!("{errors}\n{written}"));
    }
    assert!(translated > 75, "{translated}");
}
