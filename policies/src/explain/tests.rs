use super::*;
use crate::table::Table;
use crate::{Decision, Timestamp, compose};

const POLICY: &str = "version: 1
network:
  - name: files
    binary: {allow: [curl]}
    destination: {allow: [files.example.com]}
    method: {allow: [GET]}
    path: {allow: [\"/pub/**\"], deny: [/pub/secret]}
  - name: upload
    binary: {allow: [git, curl]}
    destination: {allow: [files.example.com]}
    method: {allow: [PUT]}
    path: {allow: [/in]}
    until: 2026-01-01T00:00:00Z
  - name: short
    binary: {allow: [curl]}
    destination: {allow: [q.example.com]}
    method: {allow: [GET]}
    path: {allow: [/q]}
    query: {max_length: 0}
";

fn loaded(text: &str) -> (Document, Policy) {
    let document = compose(Document::parse(text, "p.yaml").unwrap(), &crate::NoFiles).unwrap();
    let policy = Policy::compile(&document).unwrap();
    (document, policy)
}

/// What has to change for the request of a table's row.
fn change_for(request: &str) -> Change {
    let (document, policy) = loaded(POLICY);
    let table = Table::parse(&format!("{request} deny ?\n"), Timestamp::default()).unwrap();
    let request = table.rows[0].request();
    let Decision::Deny(denial) = policy.decide(&request) else { panic!("{request:?} is allowed") };
    change(&document, &policy, &request, &denial)
}

#[test]
fn one_level_short_widens_the_rule() {
    let found = change_for("/usr/bin/curl POST files.example.com /pub/x");
    assert_eq!(found.what, "add to 'method.allow' of rule 'files' (p.yaml:3)");
    assert_eq!(found.yaml, "method:\n  allow:\n    - POST\n");
    let found = change_for("/usr/bin/git GET files.example.com /pub/x");
    assert_eq!(found.yaml, "binary:\n  allow:\n    - /usr/bin/git\n");
    let found = change_for("/usr/bin/curl GET files.example.com:8443 /pub/x");
    assert_eq!(found.yaml, "destination:\n  allow:\n    - \"files.example.com:8443\"\n");
}

#[test]
fn more_levels_short_is_a_rule_of_its_own_that_allows_exactly_it() {
    let asked = "/usr/bin/wget POST other.example.com:80 /x:y";
    let found = change_for(asked);
    assert_eq!(found.rule, None);
    let (_document, policy) = loaded(&found.yaml);
    let rows = [
        asked.to_owned(),
        asked.replace("POST", "GET"),
        asked.replace(":80", ""),
        asked.replace("wget", "curl"),
    ];
    let rows: String = rows.iter().map(|row| format!("{row} allow ?\n")).collect();
    let verdicts: Vec<bool> = Table::parse(&rows, Timestamp::default())
        .unwrap()
        .rows
        .iter()
        .map(|row| row.verdict(&policy).starts_with("allow"))
        .collect();
    assert_eq!(verdicts, [true, false, false, false]);
}

#[test]
fn what_a_deny_list_says_has_to_be_taken_out() {
    let found = change_for("/usr/bin/curl GET files.example.com /pub/SECRET");
    assert_eq!(found.rule.as_deref(), Some("files"), "{found:?}");
    let found = change_for("/usr/bin/curl GET files.example.com /pub/secret");
    assert_eq!(
        found.what,
        "take '/pub/secret' out of 'path.deny' of rule 'files' (p.yaml:7): a deny list beats every rule"
    );
    assert!(found.yaml.is_empty());
}

#[test]
fn a_rule_that_is_over_and_a_condition_are_named() {
    let found = change_for("/usr/bin/git PUT files.example.com /in @2026-06-01T00:00:00Z");
    assert!(
        found.what.contains("rule 'upload' (p.yaml:8) would allow it") && found.what.contains("2026-01-01"),
        "{found:?}"
    );
    let found = change_for("/usr/bin/curl GET q.example.com /q?x=1");
    assert!(found.what.starts_with("send what 'query' and 'headers' of rule 'short'"), "{found:?}");
}

#[test]
fn a_module_that_does_not_agree_is_what_has_to_change() {
    let module = "rego:\n  - name: hours\n    mode: narrow\n    text: 'allow { input.method == \"PUT\" }'\n";
    let (document, policy) = loaded(&format!("{POLICY}{module}"));
    let table =
        Table::parse("/usr/bin/curl GET files.example.com /pub/x deny ?\n", Timestamp::default()).unwrap();
    let request = table.rows[0].request();
    let Decision::Deny(denial) = policy.decide(&request) else { panic!("the module was not asked") };
    let found = change(&document, &policy, &request, &denial);
    assert_eq!(found.what, "change module 'rego/hours' (p.yaml:21): what the rules allow, it must allow too");
    assert_eq!(found.yaml, "");
}

#[test]
fn every_program_that_a_liar_could_name_is_named() {
    let (document, policy) = loaded(POLICY);
    let table =
        Table::parse("/usr/bin/wget PUT files.example.com /in deny ?\n", Timestamp::default()).unwrap();
    let found = impostors(&document, &policy, &table.rows[0].request());
    let lines: Vec<String> = found.iter().map(|one| format!("{} {}", one.binary, one.rule)).collect();
    assert_eq!(lines, ["curl upload", "git upload"]);
    let table =
        Table::parse("/usr/bin/wget PUT files.example.com /pub/secret deny ?\n", Timestamp::default())
            .unwrap();
    assert!(impostors(&document, &policy, &table.rows[0].request()).is_empty());
}

#[test]
fn a_scalar_reads_as_its_text() {
    for text in ["a", "/x/*", "a: b", "x\"y\\", "yes", "1", "- a", "a\tb", "é", "#", "", "a#b", "[x]"] {
        let read: Vec<String> = crate::yaml::parse(&format!("- {0}\n", scalar(text)), "t").unwrap();
        assert_eq!(read, [text]);
        let read: Vec<String> = crate::yaml::parse(&format!("[{0}]\n", scalar(text)), "t").unwrap();
        assert_eq!(read, [text]);
    }
}
