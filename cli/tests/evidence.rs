//! What `openshell audit` says of logs that prove nothing, that are none, and that are gone; and where it says so.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "recover/host.rs"]
mod host;
#[path = "recover/left.rs"]
mod left;
#[path = "recover/signed.rs"]
mod signed;

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use host::Host;
use left::{LOG, append};

impl Host {
    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn says(&self, arguments: &[&str], code: i32, words: &str) {
        let output = self.audit(arguments);
        let said = said(&output);
        assert!(
            output.status.code() == Some(code) && said.contains(words),
            "{arguments:?}: {:?} {said}",
            output.status
        );
    }

    fn settings(&self, yaml: &str) {
        fs::write(self.path("openshell/audit.yaml"), yaml).unwrap();
    }
}

fn said(output: &Output) -> String {
    String::from_utf8([output.stdout.clone(), output.stderr.clone()].concat()).unwrap()
}

/// Whoever can write a log makes it as he likes, and takes away what was signed of it.
#[test]
fn a_log_whose_checkpoints_were_taken_away_proves_nothing() {
    let host = Host::signed();
    let file = host.log().join("checkpoints");
    let key = host.yes(&["key"]);
    let report = host.path("report.md");
    let report = report.to_str().unwrap();
    let asked = ["report", "--for", "soc2", "--period", "2026", "-o", report];
    host.yes(&asked);
    // A second signed checkpoint, to be cut off.
    append(&host.log().join("000001.jsonl"), "{\"half");
    let first = fs::read(&file).unwrap();
    host.yes(&["recover"]);
    append(&host.log().join("000001.jsonl"), "{\"half");
    host.yes(&["recover"]);
    for (left, words) in [
        (Some(&first[..]), "no checkpoint covers its records"),
        (Some(&b""[..]), "no checkpoint covers any"),
        (None, "no checkpoint covers any"),
    ] {
        match left {
            Some(left) => fs::write(&file, left).unwrap(),
            None => fs::remove_file(&file).unwrap(),
        }
        let lines = LOG.lines().count();
        if left == Some(&first[..]) {
            // The log grew by nothing that a checkpoint would be about, if recovery adds no record: then it is covered.
            let records = fs::read_to_string(host.log().join("000001.jsonl")).unwrap().lines().count();
            assert!(records > lines + 1, "{records} records");
        }
        host.says(&["verify"], 1, words);
        host.says(&["verify", "--key", key.trim()], 1, "NOT proven");
        host.says(&["verify", "--all"], 1, "NOT proven");
        host.says(&["query", "--limit", "1", "--prove"], 1, "NOT proven");
        host.says(&asked, 1, "NOT PROVEN");
        assert!(fs::read_to_string(report).unwrap().contains("NOT PROVEN"));
        host.yes(&["verify", "--unsigned"]);
        host.yes(&["query", "--limit", "1", "--prove", "--unsigned"]);
        host.yes(&["report", "--for", "soc2", "--period", "2026", "--unsigned", "-o", report]);
        let text = fs::read_to_string(report).unwrap();
        assert!(text.contains("TAKEN UNPROVEN") && text.contains("0 of 1 logs are proven"), "{text}");
    }
    host.settings("signing: {enabled: false}\n");
    host.yes(&["verify"]);
}

#[test]
fn copies_are_asked_and_name_what_is_gone() {
    let host = Host::new();
    let copies = host.path("copies");
    host.settings(&format!("signing: {{copies: ['{}']}}\n", copies.display()));
    let segment = host.log().join("000001.jsonl");
    append(&segment, LOG);
    append(&segment, "{\"half");
    host.says(&["recover"], 1, "make or mount it");
    fs::create_dir(&copies).unwrap();
    host.yes(&["recover"]);
    let said = host.yes(&["verify", "--all"]);
    let repair = LOG.lines().count() + 1;
    assert!(said.contains("signed up to record"), "{said}");
    assert!(
        said.contains(&format!(
            "; 2 records, the last of them {repair}, say: something taken off or closed later, read it"
        )),
        "{said}"
    );
    assert!(!said.contains("dated before"), "{said}");
    let file = host.log().join("checkpoints");
    let own = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    host.says(&["verify", "--unsigned"], 1, "which the log's own file lacks");
    // Cut off with its checkpoints: the chain and the tree know nothing of it.
    let whole = fs::read_to_string(&segment).unwrap();
    let some: String = whole.lines().take(5).map(|line| format!("{line}\n")).collect();
    fs::write(&segment, some).unwrap();
    host.says(&["verify", "--unsigned"], 1, "the end was cut off");
    fs::write(&segment, whole).unwrap();
    fs::write(&file, own).unwrap();
    host.yes(&["verify"]);
    fs::rename(host.log(), host.path("elsewhere")).unwrap();
    host.says(&["verify", "--all"], 1, "test-0a1b2c3d: GONE");
    let (code, answers) = answers(&host, &["verify", "--all", "--json"]);
    assert_eq!(
        (code, &answers[0]["sandbox"], &answers[0]["verdict"]),
        (1, &"test-0a1b2c3d".into(), &"gone".into())
    );
}

/// Exit code and document.
fn answers(host: &Host, arguments: &[&str]) -> (i32, serde_json::Value) {
    let output = host.command(arguments).output().unwrap();
    (output.status.code().unwrap(), serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn machines_are_told_what_people_are() {
    let host = Host::signed();
    for arguments in [&["verify", "--json"][..], &["verify", "--all", "--json"]] {
        let (code, answer) = answers(&host, arguments);
        let answer = answer.get(0).unwrap_or(&answer);
        assert_eq!(
            (code, &answer["verdict"], &answer["sandbox"]),
            (0, &"proven".into(), &"test-0a1b2c3d".into())
        );
        assert_eq!(answer["covered"], answer["records"]);
        assert!(
            answer["records"].as_u64() > Some(0)
                && answer["key"].as_str().is_some_and(|key| key.contains('+'))
        );
    }
    fs::remove_file(host.log().join("checkpoints")).unwrap();
    let (code, answer) = answers(&host, &["verify", "--json"]);
    assert_eq!((code, &answer["verdict"], &answer["covered"]), (1, &"not-proven".into(), &0.into()));
    assert!(answer["remedy"].as_str().is_some_and(|remedy| remedy.contains("--unsigned")));
    let segment = host.log().join("000001.jsonl");
    let edited = fs::read_to_string(&segment).unwrap().replacen("test", "tess", 1);
    fs::write(&segment, edited).unwrap();
    let (code, answer) = answers(&host, &["verify", "--json"]);
    assert_eq!((code, &answer["verdict"], answer.get("records")), (1, &"not-intact".into(), None));
}

#[test]
fn a_file_without_a_checkpoint_is_none() {
    let host = Host::signed();
    let file = host.path("newest.note");
    let name = file.to_str().unwrap();
    for empty in ["", "\n\n", "nothing"] {
        fs::write(&file, empty).unwrap();
        host.says(&["verify", "--checkpoint", name], 2, "holds no checkpoint");
    }
    fs::write(&file, host.yes(&["checkpoint"])).unwrap();
    host.yes(&["verify", "--checkpoint", name]);
}

/// Who can write the index can hide a record in it.
#[test]
fn what_is_to_be_proven_is_not_asked_of_the_index() {
    let host = Host::signed();
    let index = host.log().join("index.sqlite");
    host.yes(&["query", "--limit", "1", "--prove"]);
    assert!(!index.exists());
    host.yes(&["query", "--limit", "1"]);
    assert!(index.exists());
}

#[test]
fn what_is_no_log_is_not_taken_for_one() {
    let host = Host::signed();
    let empty = host.path("nothing");
    fs::create_dir(&empty).unwrap();
    host.says(&["verify", empty.to_str().unwrap()], 2, "holds no record");
    // A start that failed, after all others.
    let failed = host.log().with_file_name("fresh-0a1b2c3d");
    fs::create_dir(&failed).unwrap();
    append(&failed.join("000001.jsonl"), "");
    assert!(host.yes(&["verify"]).contains("test-0a1b2c3d"));
    host.says(&["verify", "fresh"], 2, "holds no record");
    // Beside the logs lie the keys that signed them.
    assert!(host.log().with_file_name("keys").exists());
    assert!(host.yes(&["export"]).lines().count() > LOG.lines().count());
    host.yes(&["verify", "--all"]);
}

#[test]
fn a_log_that_is_not_there_is_said_not_to_be() {
    let host = Host::signed();
    let commands: [&[&str]; 9] = [
        &["tail", "nosuch"],
        &["watch", "--once", "nosuch"],
        &["verify", "nosuch"],
        &["query", "nosuch"],
        &["report", "--for", "soc2", "--period", "2026", "-o", "x.md", "--sandbox", "nosuch"],
        &["checkpoint", "nosuch"],
        &["prove", "1", "nosuch"],
        &["prove-consistency", "1", "nosuch"],
        &["recover", "nosuch"],
    ];
    for command in commands {
        let output = host.audit(command);
        assert!(!output.status.success(), "{command:?}");
        let said = said(&output);
        assert!(
            said.contains("there is no log of 'nosuch'") && said.contains("openshell audit ls"),
            "{said}"
        );
    }
    host.says(&["verify", "./nosuch"], 2, "there is no log at ./nosuch");
    // An agent's name, as long as it is of one log.
    host.yes(&["verify", "test"]);
    let second = host.log().with_file_name("test-99999999");
    fs::create_dir(&second).unwrap();
    host.says(&["verify", "test"], 2, "name one of test-0a1b2c3d, test-99999999");
}

#[test]
fn a_log_that_was_removed_for_its_age_is_said_to_be() {
    let host = Host::new();
    let last: serde_json::Value = serde_json::from_str(LOG.lines().last().unwrap()).unwrap();
    let sequence = LOG.lines().count() + 1;
    let mut line = format!(
        r#"{{"version":2,"sequence":{sequence},"time":"2026-11-29T23:00:00.000000Z","monotonic_ns":99,"tenant":"local","sandbox":{},"agent":"test","client":"manager","action":"log-retention","reason":"kept long enough: the log of old-0a1b2c3d, up to record 7","prev":{}}}"#,
        last["sandbox"], last["hash"],
    );
    let hash = audit::chain::digest(line.as_bytes());
    line.pop();
    append(&host.log().join("000001.jsonl"), &format!("{LOG}{line},\"hash\":\"{hash}\"}}\n"));
    host.yes(&["verify", "--unsigned"]);
    let words = format!("the log of 'old-0a1b2c3d' was removed: record {sequence} of test-0a1b2c3d");
    host.says(&["verify", "old-0a1b2c3d"], 2, &words);
}

/// One line for each log says what the many lines for one do.
#[test]
fn times_that_go_back_are_told_of_every_log() {
    let host = Host::new();
    let last: serde_json::Value = serde_json::from_str(LOG.lines().last().unwrap()).unwrap();
    let sequence = LOG.lines().count() + 1;
    let mut line = format!(
        r#"{{"version":2,"sequence":{sequence},"time":"2026-11-01T00:00:00.000000Z","monotonic_ns":99999,"tenant":"local","sandbox":{},"agent":"test","client":"manager","action":"lifecycle","prev":{}}}"#,
        last["sandbox"], last["hash"],
    );
    let hash = audit::chain::digest(line.as_bytes());
    line.pop();
    append(&host.log().join("000001.jsonl"), &format!("{LOG}{line},\"hash\":\"{hash}\"}}\n"));
    let words = format!("; record {sequence}: dated before the one before it");
    assert!(host.yes(&["verify", "--all", "--unsigned"]).contains(&words));
}

/// A result that nobody could read is no result; a reader who has had enough is no fault.
#[test]
fn a_full_or_closed_standard_output_is_no_panic() {
    let host = Host::signed();
    for command in
        [&["ls"][..], &["verify"], &["key"], &["query"], &["query", "--count"], &["tail"], &["schema"]]
    {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = host.command(command).stdout(full).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{command:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("the results cannot be written") && !said.contains("panicked"), "{said}");
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = host.command(command).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!((output.status.code(), &output.stderr[..]), (Some(0), &b""[..]), "{command:?}");
    }
}

/// What was to be proven is proven, and said where somebody still reads.
#[test]
fn a_reader_who_leaves_does_not_spare_the_proof() {
    let host = Host::signed();
    let left = |arguments: &[&str]| {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = host.command(arguments).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let commands: [&[&str]; 5] = [
        &["query", "--prove"],
        &["query", "--prove", "--csv"],
        &["query", "--prove", "--json"],
        &["query", "--prove", "--count"],
        &["show", "1", "--prove"],
    ];
    for command in commands {
        let (code, said) = left(command);
        assert!(code == Some(0) && said.contains("signed: "), "{command:?}: {code:?} {said}");
    }
    fs::remove_file(host.log().join("checkpoints")).unwrap();
    for command in commands {
        let (code, said) = left(command);
        assert!(code == Some(1) && said.contains("NOT proven"), "{command:?}: {code:?} {said}");
    }
}

/// A record is named in one way, whatever is done with it.
#[test]
fn a_record_is_proved_by_the_name_that_answers_have() {
    let host = Host::signed();
    let proof = host.yes(&["prove", "2", "test"]);
    assert_eq!(host.yes(&["prove", "test-0a1b2c3d/2"]), proof);
    assert_eq!(host.yes(&["prove", "2"]), proof);
    assert_eq!(host.yes(&["prove", &format!("{}/2", host.log().display())]), proof);
    host.says(&["prove", "two"], 1, "'two' is not a record");
    host.says(&["prove", "test/2", "test"], 1, "'test/2' is not a record");
    host.says(&["prove", "nosuch/2"], 1, "there is no log of 'nosuch'");
}
