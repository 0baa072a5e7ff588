//! What an agent does with files outside its workspace, and what it is refused anywhere, is on the record.

use scenarios::{Outcome, Session};
use serde_json::Value;

/// Runs inside; prints one line for each attempt.
const USES: &str = include_str!("files/uses.py");

const READABLE: &str = "policy: {filesystem: {read: [/usr, /bin, /lib, /lib64, /etc/os-release], write: [/tmp]}}";

fn records<'a>(outcome: &'a Outcome, verb: &str, path: &str) -> Vec<&'a Value> {
    let of = |record: &&Value| {
        ["file-access", "execution"].map(Value::from).contains(&record["action"])
            && record["object"]["method"] == verb
            && record["object"]["path"] == path
    };
    outcome.audit.iter().filter(of).collect()
}

#[test]
fn every_refusal_and_every_use_outside_the_workspace_is_recorded() {
    let outcome = Session::new("base").command(["python3", "-c", USES]).run();
    for record in &outcome.audit {
        println!("{record}");
    }
    panic!("{outcome}");
}
