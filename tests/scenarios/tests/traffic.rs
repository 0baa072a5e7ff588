//! What the log holds of what goes out: the digest of a file that was uploaded and of one that was fetched, and the names that
//! were asked for.

use std::process::Output;

use scenarios::{Session, openshell, upstream};
use serde_json::Value;

/// Uploads a file, fetches one, and says what `sha256sum` says of both.
const AGENT: &str = "set -e
head -c 300000 /dev/urandom > /work/report
curl -sS --fail --data-binary @/work/report http://files.example.test:PORT/upload > /work/answer
sha256sum /work/report /work/answer
getent hosts other.example.test || true
getent hosts evil.example.test || true";

fn query(home: &std::path::Path, arguments: &[&str]) -> Output {
    let mut command = openshell(home);
    command.args(["audit", "query"]).args(arguments).output().expect("openshell is built")
}

fn named<'a>(records: &'a [Value], host: &str) -> Vec<&'a Value> {
    let is_of = |record: &&Value| record["action"] == "name-query" && record["object"]["host"] == host;
    records.iter().filter(is_of).collect()
}

#[test]
fn a_file_that_went_out_is_found_by_its_digest() {
    let port = upstream::hello();
    let policy = format!(
        "policy:
  network:
    - name: files
      binary: {{allow: [curl]}}
      destination: {{allow: ['files.example.test:{port}', 'other.example.test:443']}}
      method: {{allow: [POST]}}
      path: {{allow: ['/upload']}}"
    );
    let egress = "egress: {hosts: {files.example.test: 127.0.0.1}, allow_addresses: [127.0.0.1/32]}";
    let session = Session::new("base").script(&AGENT.replace("PORT", &port.to_string()));
    let (home, outcome) = session.yaml(&policy).yaml(egress).start().finish();
    assert_eq!(outcome.code, Some(0), "{outcome}");
    let said = outcome.text();
    let digest = |file: &str| {
        let line = said.lines().find(|line| line.ends_with(file)).unwrap_or_else(|| panic!("{outcome}"));
        line.split(' ').next().unwrap_or_default().to_owned()
    };
    let (report, answer) = (digest("/work/report"), digest("/work/answer"));
    let of_request =
        outcome.audit.iter().find(|record| record["action"] == "network-outcome").expect("it was allowed");
    let object = &of_request["object"];
    assert_eq!(
        (&object["sent_sha256"], &object["received_sha256"]),
        (&report.clone().into(), &answer.clone().into())
    );
    assert_eq!(object["bytes_sent"], 300_000);
    for (digest, found) in [(&report, true), (&answer, true), (&"0".repeat(64), false)] {
        let output = query(home.path(), &["--json", "--digest", digest]);
        assert!(output.status.success(), "{output:?}");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(lines.contains(&of_request["hash"].to_string()), found, "{digest}: {lines}");
    }
    let output = query(home.path(), &["--digest", "report"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    // Who asked for which name, also where nothing was sent there.
    for (host, decision) in
        [("files.example.test", "allow"), ("other.example.test", "allow"), ("evil.example.test", "deny")]
    {
        let records = named(&outcome.audit, host);
        assert!(
            !records.is_empty() && records.iter().all(|record| record["decision"] == decision),
            "{host}: {outcome}"
        );
    }
    let first = &named(&outcome.audit, "files.example.test")[0];
    assert_eq!(first["subject"]["owners"][0]["binary"], "/usr/bin/curl", "{outcome}");
    // curl was executed by the shell, which was executed before: its content is known.
    let executed = outcome
        .audit
        .iter()
        .find(|record| record["action"] == "execution" && record["object"]["path"] == "/usr/bin/curl");
    let caller = &executed.unwrap_or_else(|| panic!("{outcome}"))["subject"]["owners"][0];
    assert_eq!(caller["sha256"].as_str().map(str::len), Some(64), "{outcome}");
}
