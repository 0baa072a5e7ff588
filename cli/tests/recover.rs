//! `openshell audit recover`, with the real writer and signer, on what crashes leave.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "recover/host.rs"]
mod host;
#[path = "recover/left.rs"]
mod left;

use std::fs;

use host::Host;
use left::{LOG, append};

#[test]
fn what_a_crash_left_is_closed_once_and_verifies() {
    let host = Host::new();
    let segment = host.log().join("000001.jsonl");
    append(&segment, LOG);
    append(&segment, "{\"version\":2,\"sequ");
    append(&host.log().join("000002.jsonl"), "");
    let records = LOG.lines().count();
    assert_eq!(host.audit(&["verify", "test-0a1b2c3d"]).status.code(), Some(1));
    let said = host.yes(&["recover"]);
    assert!(
        said.contains(&format!("{records} records, of which the last {records} were not signed")),
        "{said}"
    );
    let verified = host.yes(&["verify", "test-0a1b2c3d"]);
    let all = records + 1;
    assert!(verified.contains(&format!("the newest covers {all} of {all} records")), "{verified}");
    let repair = host.yes(&["query", "--action", "log-repair", "--json"]);
    assert!(repair.contains("was taken off") && repair.contains("covers records 1 to"), "{repair}");
    assert!(host.yes(&["recover"]).contains("no log of an ended sandbox"));
    assert!(host.yes(&["recover", "test-0a1b2c3d"]).contains("ended as it should"));
    // Again, with a checkpoint that was not finished either.
    append(&segment, "{\"half");
    append(&host.log().join("checkpoints"), "openshell-audit/test-0a1b2c3d\n9");
    let said = host.yes(&["recover"]);
    assert!(said.contains(&format!("closed; {all} records\n")), "{said}");
    assert!(host.yes(&["verify", "test-0a1b2c3d"]).contains("signed: 2 checkpoints"));
}

/// Adds a record behind the last one of a text, as whoever can write the log can, so many seconds after the host's start.
fn chained(text: &mut String, seconds: u64, (client, action): (&str, &str)) {
    let last = text.lines().last().unwrap();
    let (_rest, hash) = last.rsplit_once("\"hash\":\"").unwrap();
    let (prev, sequence) = (hash.trim_end_matches("\"}"), text.lines().count() + 1);
    let line = format!(
        r#"{{"version":2,"sequence":{sequence},"time":"2026-11-29T06:21:00.000000Z","monotonic_ns":{seconds}000000000,"tenant":"local","sandbox":"test-0a1b2c3d","agent":"test","client":"{client}","action":"{action}","prev":"{prev}"}}"#
    );
    let hash = audit::chain::digest(line.as_bytes());
    text.push_str(&format!("{},\"hash\":\"{hash}\"}}\n", line.strip_suffix('}').unwrap()));
}

/// Whoever takes away all checkpoints but an early one does not get the rest signed as a crash's.
#[test]
fn more_than_a_crash_leaves_is_not_signed_unasked() {
    let host = Host::new();
    let segment = host.log().join("000001.jsonl");
    append(&segment, LOG);
    host.yes(&["recover"]);
    let signed = fs::read_to_string(&segment).unwrap();
    let mut text = signed.clone();
    for second in [7_000_000, 7_000_020, 7_000_040] {
        chained(&mut text, second, ("manager", "lifecycle"));
    }
    fs::write(&segment, &text).unwrap();
    let refused = host.audit(&["recover"]);
    let said = String::from_utf8_lossy(&refused.stdout).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains("the last 3 records go on for 40 s") && said.contains("--unsigned"), "{said}");
    assert_eq!(fs::read_to_string(&segment).unwrap(), text);
    let said = host.yes(&["recover", "--unsigned"]);
    assert!(said.contains("of which the last 3 were not signed"), "{said}");
    // What one second before the crash left is explained by it.
    let mut text = fs::read_to_string(&segment).unwrap();
    chained(&mut text, 7_000_050, ("manager", "lifecycle"));
    chained(&mut text, 7_000_051, ("manager", "lifecycle"));
    fs::write(&segment, text).unwrap();
    assert!(host.yes(&["recover"]).contains("of which the last 2 were not signed"));
}

/// Who makes up the end of a log does not hide how long it is behind a first or a last record with other clocks.
#[test]
fn clocks_that_go_back_are_no_crash() {
    let host = Host::new();
    let segment = host.log().join("000001.jsonl");
    append(&segment, LOG);
    host.yes(&["recover"]);
    let signed = fs::read_to_string(&segment).unwrap();
    let at = LOG.lines().count() + 1;
    for (seconds, back) in [([8_000_000, 7_000_000, 7_900_000], at + 2), ([7_000_000, 7_900_000, 1], at + 3)]
    {
        let mut text = signed.clone();
        for second in seconds {
            chained(&mut text, second, ("manager", "lifecycle"));
        }
        fs::write(&segment, &text).unwrap();
        let refused = host.audit(&["recover"]);
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("record {back} is dated before one before it")), "{said}");
        assert!(said.contains("--unsigned"), "{said}");
        assert_eq!(fs::read_to_string(&segment).unwrap(), text);
    }
    host.yes(&["recover", "--unsigned"]);
}

/// No crash leaves what no writer takes.
#[test]
fn what_no_writer_leaves_is_never_signed() {
    let host = Host::new();
    let segment = host.log().join("000001.jsonl");
    append(&segment, LOG);
    host.yes(&["recover"]);
    let signed = fs::read_to_string(&segment).unwrap();
    for (client, action) in [("proxy", "policy-change"), ("router", "lifecycle"), ("manager", "clock-change")]
    {
        let mut text = signed.clone();
        chained(&mut text, 1, (client, action));
        fs::write(&segment, &text).unwrap();
        let refused = host.audit(&["recover", "--unsigned"]);
        let said = String::from_utf8_lossy(&refused.stdout).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{said}");
        assert!(said.contains(&format!("record {} is none", text.lines().count())), "{said}");
        assert_eq!(fs::read_to_string(&segment).unwrap(), text);
    }
}

#[test]
fn one_bad_log_does_not_keep_the_others_open() {
    let host = Host::new();
    append(&host.log().join("000001.jsonl"), LOG);
    let bad = host.log().with_file_name("bad-0a1b2c3d");
    fs::create_dir(&bad).unwrap();
    append(&bad.join("000001.jsonl"), LOG);
    // A file that cannot be read.
    fs::create_dir(bad.join("checkpoints")).unwrap();
    let output = host.audit(&["recover"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(said.contains("test-0a1b2c3d: closed") && said.contains("bad-0a1b2c3d: NOT recovered"), "{said}");
    host.yes(&["verify", "test-0a1b2c3d"]);
}

#[test]
fn what_no_crash_does_is_left_as_it_is() {
    let host = Host::new();
    let segment = host.log().join("000001.jsonl");
    append(&segment, LOG);
    append(&segment, "{\"half");
    host.yes(&["recover"]);
    append(&segment, "{\"half");
    let whole = fs::read_to_string(&segment).unwrap();
    // A record that was signed is another one now.
    let last = whole.lines().nth(3).unwrap();
    fs::write(&segment, whole.replace(last, &last.replace("\"sequence\":4", "\"sequence\":5"))).unwrap();
    let refused = host.audit(&["recover"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stdout).contains("NOT recovered"), "{refused:?}");
    // The end that was signed is cut off.
    let end = whole.lines().take(5).collect::<Vec<_>>().join("\n");
    fs::write(&segment, format!("{end}\n{{\"half")).unwrap();
    let refused = host.audit(&["recover"]);
    assert!(String::from_utf8_lossy(&refused.stdout).contains("cut off"), "{refused:?}");
    // A segment behind one that ends within a record.
    fs::write(&segment, &whole).unwrap();
    append(&host.log().join("000002.jsonl"), "{}\n");
    assert_eq!(host.audit(&["recover"]).status.code(), Some(1));
    assert!(fs::read_to_string(&segment).unwrap().ends_with("{\"half"));
}
