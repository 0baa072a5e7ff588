//! `openshell audit report`, from logs as they lie there.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "recover/chained.rs"]
#[expect(dead_code, reason = "other tests have all records on one day")]
mod chained;
#[path = "recover/host.rs"]
mod host;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use chained::chained_on;
use host::Host;
use sha2::{Digest as _, Sha256};

const RULES: &str = "version: 1\nnetwork:\n- name: api\n  binary: {allow: [/usr/bin/curl]}\n  destination: {allow: ['api.example.com:443']}\n";
const LATER: &str = "version: 1\nnetwork:\n- name: git\n  binary: {allow: [/usr/bin/git]}\n  destination: {allow: ['git.example.com:443']}\n";

fn digest(bytes: impl AsRef<[u8]>) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A log of a sandbox that was started with `RULES` in October and got `LATER` in November.
fn log(host: &Host, more: impl IntoIterator<Item = (&'static str, String)>) {
    let (first, second) = (digest(RULES), digest(LATER));
    let configured = format!(
        r#""client":"manager","action":"configuration","decision":"allow","policy":1,"configuration":{{"sha256":"ef","source":"notes.yaml","uid":1000,"network_sha256":"{first}"}}"#
    );
    let changed = format!(
        r#""client":"manager","action":"policy-change","decision":"allow","policy":1,"policy_change":{{"new":{{"version":2,"sha256":"{second}"}},"old":{{"version":1,"sha256":"{first}"}},"source":"later.yaml","uid":1001}}"#
    );
    let records = [("2026-10-02", configured), ("2026-11-02", changed)];
    fs::write(host.log().join("000001.jsonl"), chained_on("test-0a1b2c3d", records.into_iter().chain(more)))
        .unwrap();
    for policy in [RULES, LATER] {
        audit::policies::keep(&host.log(), policy).unwrap();
    }
}

fn reported(host: &Host, period: &str) -> String {
    let report = host.0.path().join("report.md");
    let file = report.to_str().unwrap();
    host.yes(&["report", "--for", "access-review", "--period", period, "--unsigned", "-o", file]);
    fs::read_to_string(&report).unwrap().replace('\\', "")
}

fn unused(report: &str) -> &str {
    report.split("Rules unused").nth(1).unwrap().split("\n## ").next().unwrap()
}

#[test]
fn a_report_names_the_unused_rules_of_the_policy_that_was_in_force_at_its_end() {
    let host = Host::new();
    log(&host, []);
    for (period, policy, rule) in [("2026-10", RULES, "| api |"), ("2026", LATER, "| git |")] {
        let report = reported(&host, period);
        let part = unused(&report);
        assert!(part.contains("1 of 1 rules of the policy") && part.contains(rule), "{period} {part}");
        assert!(part.contains(&digest(policy)), "{period} {part}");
        // The log begins later than 90 days before.
        assert_eq!(
            part.contains("from 2026-10-02 to the period's end. These logs tell of no time before"),
            period == "2026-10",
            "{part}"
        );
    }
    fs::remove_file(host.log().join(format!("policy-{}", digest(LATER)))).unwrap();
    assert!(reported(&host, "2026").contains("hold no policy that has rules"));
}

#[test]
fn requests_with_data_that_a_report_has_no_room_for_are_all_in_a_file_beside_it() {
    let host = Host::new();
    let prompt = |day: &'static str| {
        (day, r#""client":"router","action":"inference","decision":"allow","rule":"redacted-to-cloud","request":"ab00000009","inference":{"route":"cloud","server":"api.cloud.test","region":"eu-central-1","categories":{"personal/name":1}}"#.to_owned())
    };
    let beside = host.0.path().join("report.md.processing.csv");
    log(&host, std::iter::repeat_n(prompt("2026-11-03"), 200));
    let report = reported(&host, "2026-11");
    assert!(report.contains("Each request with classified data:") && !beside.exists(), "{report}");
    fs::write(&beside, "another's").unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o644)).unwrap();
    let november = std::iter::repeat_n(prompt("2026-11-03"), 203);
    log(&host, november.chain(std::iter::repeat_n(prompt("2026-12-03"), 5)));
    let report = reported(&host, "2026-11");
    let rows = fs::read_to_string(&beside).unwrap();
    assert_eq!(rows.lines().count(), 1 + 203);
    assert!(rows.lines().skip(1).all(|row| row.contains("api.cloud.test,eu-central-1")), "{rows}");
    let said = format!(
        "all 203 in the file report.md.processing.csv that belongs to this report (SHA-256 {})",
        digest(&rows)
    );
    assert!(report.contains(&said), "{report}");
    assert_eq!(fs::metadata(&beside).unwrap().permissions().mode() & 0o777, 0o600, "nobody else's to read");
}
