//! The operator's protocol as it is written: two builds must understand each other.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::control::Size;
use wire::copy::{Copy, Name};
use wire::id::{PolicyVersion, RequestId};
use wire::operator::{
    Answer, Approved, Ask, AskedTerms, Command, Copying, PolicyInForce, PolicySet, Proposals, Request,
    Response, Session, SessionState, Shown, Standing, VERSION, Versioned,
};
use wire::proposal::{self, Proposal, Terms, Wish};

const GOLDEN: &str = include_str!("golden/operator-v9.jsonl");
const PROPOSALS: &str = include_str!("golden/operator-v9-proposals.jsonl");

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
        detached: true,
    };
    same(lines[7], Request { version: VERSION, ask: Ask::Execute(command) });
    let name = Name::try_from(b"a".to_vec()).unwrap();
    let copies =
        [Copy::Out { path: "/out".to_owned() }, Copy::In { path: "in".to_owned(), name: Some(name) }];
    for (line, copy) in lines[8..10].iter().zip(copies) {
        let copying = Copying { frames: 9, copy, host: "/home/a".to_owned() };
        same(line, Request { version: VERSION, ask: Ask::Copy(copying) });
    }
    same(lines[10], Request { version: VERSION, ask: Ask::Attach { frames: 9 } });
    same(lines[11], Request { version: VERSION, ask: Ask::Stop });
    let session = 3;
    let of_commands = [
        Ask::Join { frames: 9, session },
        Ask::Detach { session },
        Ask::StopCommand { session },
        Ask::Sessions,
    ];
    for (line, ask) in lines[12..16].iter().zip(of_commands) {
        same(line, Request { version: VERSION, ask });
    }
    let answers = [
        Answer::PolicySet(PolicySet { version, digest: digest.clone(), closed: 3, ended: vec![id()] }),
        Answer::PolicyInForce(PolicyInForce { version, digest, policy: "version: 1\n".to_owned() }),
        Answer::CredentialsRefreshed { names: vec!["TOKEN".to_owned()] },
        Answer::Standing(Standing { paused: true, quarantined: false, restarts: 2, restarting: false }),
        Answer::Executing { session: 3 },
        Answer::Attached { terminal: true, ended: false },
        Answer::Stopping,
        Answer::Detached,
        Answer::CommandStopped,
        Answer::Sessions(sessions()),
        Answer::Refused { cause: "no".to_owned(), remedy: "do".to_owned() },
        Answer::Unconfirmed,
    ];
    for (line, answer) in lines[16..].iter().zip(answers) {
        same(line, Response { version: VERSION, answer });
    }
    assert_eq!(lines.len(), 28);
}

fn sessions() -> Vec<Session> {
    let states =
        [SessionState::Held, SessionState::Detached, SessionState::Ended(Some(7)), SessionState::Ended(None)];
    let session = |state| Session {
        session: 3,
        uid: 1000,
        program: "sh".to_owned(),
        terminal: true,
        since: 10,
        attached: 2,
        state,
    };
    states.map(session).into()
}

fn id() -> RequestId {
    RequestId("0a1b2c3d00000007".to_owned())
}

fn proposal() -> Proposal {
    let wish = Wish {
        binary: "/usr/bin/curl".to_owned(),
        host: "api.example.com".to_owned(),
        port: 443,
        method: "POST".to_owned(),
        path: "/v1/notes".to_owned(),
        query: vec!["draft".to_owned()],
    };
    let (asker, reason) = ("/usr/bin/bash".to_owned(), "to save the notes".to_owned());
    Proposal { id: id(), asker, wish, reason, made: 10, expires: 70 }
}

#[test]
fn the_golden_file_of_proposals_reads_as_it_was_written() {
    let lines: Vec<&str> = PROPOSALS.lines().collect();
    let digest = || "ab".to_owned();
    let approve = |terms, digest| Ask::Approve { id: id(), terms, digest };
    let asks = [
        Ask::Proposals,
        Ask::Seen { digests: vec![digest()] },
        Ask::HasProposal { id: id() },
        approve(AskedTerms::Once, Some(digest())),
        approve(AskedTerms::For(3600), None),
        approve(AskedTerms::Sandbox, None),
        Ask::Reject { id: id(), reason: "use the other one".to_owned() },
    ];
    for (line, ask) in lines.iter().zip(asks) {
        same(line, Request { version: VERSION, ask });
    }
    let standings = [
        proposal::Standing::Pending,
        proposal::Standing::Approved(Terms::Until(3610)),
        proposal::Standing::Rejected("no".to_owned()),
        proposal::Standing::Over("it was used".to_owned()),
    ];
    let shown = |standing| Shown { proposal: proposal(), standing, digest: digest() };
    let version = PolicyVersion(2);
    let policy = PolicyInForce { version, digest: digest(), policy: "version: 1\n".to_owned() };
    let set = PolicySet { version, digest: digest(), closed: 0, ended: Vec::new() };
    let approved = Approved { policy: set, terms: Terms::Sandbox, rule: "- name: a\n".to_owned() };
    let answers = [
        Answer::Proposals(Proposals { policy, proposals: standings.map(shown).into() }),
        Answer::Seen,
        Answer::HasProposal(true),
        Answer::Approved(approved),
        Answer::Rejected,
    ];
    for (line, answer) in lines[7..].iter().zip(answers) {
        same(line, Response { version: VERSION, answer });
    }
    assert_eq!(lines.len(), 12);
}

#[test]
fn another_versions_line_tells_its_version() {
    let line = r#"{"version":7,"ask":{"set-quota":{"requests":3}},"more":true}"#;
    assert!(serde_json::from_str::<Request>(line).is_err());
    assert_eq!(serde_json::from_str::<Versioned>(line).unwrap().version, 7);
}
