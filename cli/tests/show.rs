//! One record whole: what `openshell audit show` tells of who allowed it.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "recover/chained.rs"]
mod chained;
#[path = "recover/host.rs"]
mod host;

use std::fs;

use chained::chained;
use host::Host;
use sha2::{Digest as _, Sha256};

const RULES: &str = "version: 1\nnetwork:\n- name: api\n  binary: {allow: [/usr/bin/curl]}\n  destination: {allow: ['api.example.com:443']}\n";
const WITH_APPROVAL: &str = "version: 1\nnetwork:\n- name: approved-ab00000007\n  binary: {allow: [/usr/bin/git]}\n  destination: {allow: ['git.example.com:443']}\n";

const CONFINEMENT: &str = r#"{"user":{"uid":1000}}"#;

fn digest(text: &str) -> String {
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A log of a sandbox that was started with `RULES` and in which a proposal was approved, with what an agent did under both.
fn log(host: &Host) {
    let (first, second, confinement) = (digest(RULES), digest(WITH_APPROVAL), digest(CONFINEMENT));
    let configured = format!(
        r#""client":"manager","action":"configuration","decision":"allow","policy":1,"configuration":{{"sha256":"ef","source":"notes.yaml","uid":1000,"network_sha256":"{first}","confinement_sha256":"{confinement}"}}"#
    );
    let approved = format!(
        r#""client":"manager","action":"approval","decision":"allow","policy":1,"request":"ab00000007","policy_change":{{"new":{{"version":2,"sha256":"{second}"}},"old":{{"version":1,"sha256":"{first}"}},"source":"approval","uid":1001}},"proposal":{{"binary":"/usr/bin/git"}}"#
    );
    let request = |id: &str, policy: u64, rule: &str| {
        format!(
            r#""client":"proxy","action":"network-request","object":{{"host":"api.example.com","port":443,"method":"GET","path":"/\u001b[2Jv1","query_keys":["a","b"]}},"decision":"allow","rule":"{rule}","policy":{policy},"request":"{id}","flow":3"#
        )
    };
    let outcome =
        r#""client":"proxy","action":"network-outcome","request":"ab00000001","flow":3,"status":200"#;
    let flow = r#""client":"proxy","action":"network-flow","decision":"allow","policy":1,"flow":3"#;
    let found = r#""client":"manager","action":"detection","detection":{"name":"new-binary","severity":"low","response":"record","evidence":[2,4]}"#;
    let records = [
        configured,
        request("ab00000001", 1, "api"),
        outcome.to_owned(),
        flow.to_owned(),
        approved,
        request("ab00000002", 2, "approved-ab00000007"),
        found.to_owned(),
        request("ab00000003", 9, "api"),
        r#""client":"manager","action":"file-access","object":{"method":"read","path":"/etc/shadow"},"decision":"deny","level":"filesystem""#.to_owned(),
    ];
    fs::write(host.log().join("000001.jsonl"), chained("test-0a1b2c3d", records)).unwrap();
    for policy in [RULES, WITH_APPROVAL, CONFINEMENT] {
        audit::policies::keep(&host.log(), policy).unwrap();
    }
}

fn refused(host: &Host, arguments: &[&str], words: &str) {
    let output = host.audit(arguments);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.code() == Some(2) && error.contains(words),
        "{arguments:?}: {:?} {error}",
        output.status
    );
}

/// A table without its padding.
fn narrow(text: &str) -> String {
    let lines = text.split('\n').map(|line| {
        let indent = if line.starts_with(' ') { " " } else { "" };
        indent.to_owned() + &line.split_whitespace().collect::<Vec<_>>().join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_record_is_shown_with_its_rule_and_whoever_put_it_in_force() {
    let host = Host::new();
    log(&host);
    for arguments in [
        &["show", "2", "--utc"][..],
        &["show", "2", "test", "--utc"],
        &["show", "test-0a1b2c3d/2", "--utc", "--no-index"],
    ] {
        let shown = host.yes(arguments);
        for words in [
            "2026-11-29 05:20:47.000 test-0a1b2c3d/2 allow network-request - - api GET api.example.com:443/\\u{1b}[2Jv1 policy 1\n",
            "the same request:\n TIME RECORD DECISION ACTION PROGRAM LEVEL RULE OBJECT DETAILS\n 2026-11-29 05:20:47.000 test-0a1b2c3d/3 - network-outcome - - - - status 200\n",
        ] {
            assert!(narrow(&shown).contains(words), "{words}: {shown}");
        }
        for words in [
            "object.query_keys  a, b\n",
            "object.path        /\\u{1b}[2Jv1\n",
            "notes.yaml started by user 1000, 2026-11-29 05:20:47.000, record 1\n",
            "- name: api\n",
            "api.example.com:443\n",
        ] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert!(!shown.contains('\u{1b}') && !shown.contains("test-0a1b2c3d/6"), "{shown}");
    }
    // Who may go where because somebody said so while it ran.
    let shown = host.yes(&["show", "6"]);
    assert!(
        shown.contains("proposal ab00000007 approved by user 1001") && shown.contains("git.example.com:443"),
        "{shown}"
    );
    assert!(host.yes(&["query", "--record", "6"]).contains("proposal ab00000007 approved by user 1001"));
    assert!(narrow(&host.yes(&["show", "4"])).contains("/2 allow network-request"), "of the same connection");
    let finding = host.yes(&["show", "7"]);
    assert!(
        finding.contains("what shows it") && finding.contains("/2  ") && finding.contains("/4  "),
        "{finding}"
    );
    assert!(host.yes(&["show", "8"]).contains("policy 9: the log does not hold the record of it"));

    // What the guest's kernel decided.
    let refused = host.yes(&["show", "9"]);
    assert!(
        refused.contains("confinement of test-0a1b2c3d: sha256 ")
            && refused.contains("notes.yaml started by"),
        "{refused}"
    );
    assert_eq!(host.yes(&["show", "9", "--policy"]), CONFINEMENT);

    assert_eq!(host.yes(&["show", "2", "--policy"]), RULES);
    assert_eq!(host.yes(&["show", "6", "--policy"]), WITH_APPROVAL);
    let json: serde_json::Value = serde_json::from_str(&host.yes(&["show", "2", "--json"])).unwrap();
    assert_eq!((&json["policy"]["text"], &json["policy"]["sha256"]), (&RULES.into(), &digest(RULES).into()));
    assert_eq!((&json["record"]["sequence"], &json["related"][0]["sequence"]), (&2.into(), &3.into()));
}

/// Whoever can write the log's directory can write another policy there, and cannot have it shown as the one that decided.
#[test]
fn no_other_policy_is_shown_than_the_one_that_the_record_names() {
    let host = Host::new();
    log(&host);
    let kept = host.log().join(format!("policy-{}", digest(RULES)));
    fs::write(&kept, WITH_APPROVAL).unwrap();
    let shown = host.yes(&["show", "2"]);
    assert!(
        shown.contains("is not the policy that the record names") && !shown.contains("git.example"),
        "{shown}"
    );
    refused(&host, &["show", "2", "--policy"], "is not the policy that the record names");
    fs::remove_file(&kept).unwrap();
    assert!(host.yes(&["show", "2"]).contains("does not hold the text of policy"));
    refused(&host, &["show", "2", "--policy"], "compare it with the files that you have");
}

#[test]
fn what_is_no_record_is_told() {
    let host = Host::new();
    log(&host);
    refused(&host, &["show", "10"], "holds no record 10");
    refused(&host, &["show", "nine"], "'nine' is not a record");
    refused(&host, &["show", "test/2", "test"], "'test/2' is not a record");
    refused(&host, &["show", "2", "nosuch"], "there is no log of 'nosuch'");
    refused(&host, &["show", "3", "--policy"], "names no policy");
    // Not signed: a claim of whoever can write the log.
    assert_eq!(host.audit(&["show", "2", "--prove"]).status.code(), Some(1));
    host.yes(&["show", "2", "--prove", "--unsigned"]);
}

/// What stands in no record finds nothing, which must not look like an answer.
#[test]
fn a_level_that_there_is_not_is_told() {
    let host = Host::new();
    log(&host);
    refused(&host, &["query", "--level", "file-system"], "there is no level 'file-system'");
    refused(&host, &["query", "--level", "path", "--level", "x*"], "there is no level 'x*'");
    refused(&host, &["query", "--level", "paths"], "known: binary, destination, method, path, condition, ");
    for asked in ["filesystem", "FILESYSTEM", "file*", "*"] {
        assert_eq!(host.yes(&["query", "--level", asked, "--count"]), "1\n", "{asked}");
    }
    assert_eq!(host.yes(&["query", "--level", "quarantine", "--count"]), "0\n");
}
