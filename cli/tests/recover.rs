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
    assert!(host.yes(&["recover"]).contains("every log"));
    assert!(host.yes(&["recover", "test-0a1b2c3d"]).contains("ended as it should"));
    // Again, with a checkpoint that was not finished either.
    append(&segment, "{\"half");
    append(&host.log().join("checkpoints"), "openshell-audit/test-0a1b2c3d\n9");
    let said = host.yes(&["recover"]);
    assert!(said.contains(&format!("closed; {all} records\n")), "{said}");
    assert!(host.yes(&["verify", "test-0a1b2c3d"]).contains("signed: 2 checkpoints"));
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
