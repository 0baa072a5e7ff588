//! The operator's protocol as it is written: two builds must understand each other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::control::Size;
use wire::id::PolicyVersion;
use wire::operator::{
    Answer, Ask, Command, PolicyInForce, PolicySet, Request, Response, Standing, VERSION, Versioned,
};

const GOLDEN: &str = include_str!("golden/operator-v4.jsonl");

fn same<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(line: &str, value: T) {
    assert_eq!(serde_json::from_str::<T>(line).unwrap(), value);
    assert_eq!(serde_json::to_string(&value).unwrap(), line);
}

#[test]
fn the_golden_file_reads_as_it_was_written() {
    let lines: Vec<&str> = GOLDEN.lines().collect();
    let version = PolicyVersion(2);
    let digest = "ab".to_owned();
    let policy = "version: 1\nnetwork: []\n".to_owned();
    let ask = Ask::SetPolicy { policy, name: "closed.yaml".to_owned() };
    same(lines[0], Request { version: VERSION, ask });
    same(lines[1], Request { version: VERSION, ask: Ask::PolicyInForce });
    let short = [Ask::RefreshCredentials, Ask::Pause, Ask::Resume, Ask::Quarantine, Ask::Standing];
    for (line, ask) in lines[2..7].iter().zip(short) {
        same(line, Request { version: VERSION, ask });
    }
    let command = Command {
        frames: 9,
        command: vec!["ls".to_owned()],
        env: vec![("A".to_owned(), "b".to_owned())],
        workdir: None,
        terminal: Some(Size { rows: 24, columns: 80 }),
    };
    same(lines[7], Request { version: VERSION, ask: Ask::Execute(command) });
    let answers = [
        Answer::PolicySet(PolicySet { version, digest: digest.clone(), closed: 3 }),
        Answer::PolicyInForce(PolicyInForce { version, digest, policy: "version: 1\n".to_owned() }),
        Answer::CredentialsRefreshed { names: vec!["TOKEN".to_owned()] },
        Answer::Standing(Standing { paused: true, quarantined: false }),
        Answer::Executing { session: 3 },
        Answer::Refused { cause: "no".to_owned(), remedy: "do".to_owned() },
    ];
    for (line, answer) in lines[8..].iter().zip(answers) {
        same(line, Response { version: VERSION, answer });
    }
    assert_eq!(lines.len(), 14);
}

#[test]
fn another_versions_line_tells_its_version() {
    let line = r#"{"version":7,"ask":{"set-quota":{"requests":3}},"more":true}"#;
    assert!(serde_json::from_str::<Request>(line).is_err());
    assert_eq!(serde_json::from_str::<Versioned>(line).unwrap().version, 7);
}
