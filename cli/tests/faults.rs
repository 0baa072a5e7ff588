//! Logs that are not whole, and texts that drive a terminal: what `ls`, `tail`, `query` and `watch` give of them.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "recover/chained.rs"]
mod chained;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use chained::chained;
use tempfile::TempDir;

const GOOD: &str = "good-0a1b2c3d";
const TORN: &str = "torn-0a1b2c3d";
const BAD: &str = "bad-0a1b2c3d";

/// A log of three records about `path`, and what stands behind them.
fn log(state: &Path, sandbox: &str, path: &str, behind: &str) {
    let directory = state.join("openshell/audit").join(sandbox);
    fs::create_dir_all(&directory).unwrap();
    let event = format!(
        r#""client":"proxy","action":"network-request","object":{{"host":"h.example","port":443,"method":"GET","path":"{path}"}},"decision":"allow""#
    );
    let text = chained(sandbox, std::iter::repeat_n(event, 3));
    fs::write(directory.join("000001.jsonl"), text + behind).unwrap();
}

fn openshell(state: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_openshell"));
    command.arg("audit").args(arguments).env("XDG_STATE_HOME", state).env("XDG_CONFIG_HOME", state);
    command.output().unwrap()
}

#[test]
fn what_stands_before_a_fault_and_the_other_logs_are_shown() {
    let folder = TempDir::new().unwrap();
    let state = folder.path();
    log(state, GOOD, "/a", "");
    log(state, TORN, "/a", "{\"version\":2,\"sequen");
    log(state, BAD, "/a", "no record\n");
    for (arguments, lines) in [
        (&["ls"][..], 3),
        (&["ls", "--json"], 0),
        (&["tail", GOOD, TORN, BAD], 10),
        (&["tail", "--json", GOOD, TORN, BAD], 9),
        (&["query"], 10),
        (&["query", "--json"], 9),
        (&["query", "--json", "--reverse"], 9),
        (&["query", "--json", "--reverse", "--limit", "4"], 4),
        (&["query", "--json", "--no-index"], 9),
        (&["query", "--csv"], 10),
        (&["query", "--count"], 1),
    ] {
        let Output { status, stdout, stderr } = openshell(state, arguments);
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(2), "{arguments:?}: {stderr}");
        if lines > 0 {
            assert_eq!(stdout.lines().count(), lines, "{arguments:?}: {stdout}");
        }
        if arguments == ["query", "--count"] {
            assert_eq!(stdout, "9\n");
        }
        if arguments == ["ls", "--json"] {
            let entries: Vec<serde_json::Value> = serde_json::from_str(&stdout).unwrap();
            assert!(entries.iter().all(|entry| entry["records"] == 3) && entries.len() == 3, "{stdout}");
        }
        for named in [TORN, BAD] {
            assert!(stderr.contains(&format!("/{named}: record 4: ")), "{arguments:?}: {stderr}");
        }
        assert!(!stderr.contains(GOOD), "{stderr}");
    }
    // A log that is whole is whole all the same.
    assert_eq!(openshell(state, &["query", GOOD]).status.code(), Some(0));
}

/// For people and programs alike, and only over something.
#[test]
fn answers_are_a_table_with_one_heading() {
    let folder = TempDir::new().unwrap();
    let state = folder.path();
    log(state, GOOD, "/a", "");
    let heading =
        "TIME RECORD DECISION ACTION PROGRAM LEVEL RULE OBJECT DETAILS".split(' ').collect::<Vec<_>>();
    for arguments in [
        &["query", "--utc"][..],
        &["tail", "--utc", GOOD],
        &["watch", "--utc", "--from-start", "--once", GOOD],
    ] {
        let text = String::from_utf8(openshell(state, arguments).stdout).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!((rows.len(), &rows[0]), (4, &heading), "{arguments:?}: {text}");
        let request = ["allow", "network-request", "-", "-", "-", "GET", "h.example:443/a"];
        for (number, row) in (1..).zip(&rows[1..]) {
            assert_eq!(row[..3], ["2026-11-29", "05:20:47.000", &*format!("{GOOD}/{number}")], "{text}");
            assert_eq!(row[3..], request, "{text}");
        }
        let at = |line: &str, word: &str| line.find(word).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(at(lines[0], "OBJECT"), at(lines[1], "GET"), "{text}");
    }
    let none: &[&[&str]] = &[&["query", "--host", "nobody"], &["tail", "-n", "0", GOOD]];
    for arguments in none {
        assert_eq!(openshell(state, arguments).stdout, b"", "{arguments:?}");
    }
}

/// C1 control characters need no escape in JSON, and U+009B begins a command of a terminal as ESC [ does.
#[test]
fn json_of_records_drives_no_terminal_and_means_the_same() {
    let folder = TempDir::new().unwrap();
    let state = folder.path();
    let path = "/\u{9b}2J\u{85}\u{202e}\u{61c}\u{ad}\u{3164}\u{2028}\u{e0041}\u{7f}";
    log(state, GOOD, path, "");
    for arguments in [
        &["tail", "--json", GOOD][..],
        &["query", "--json"],
        &["watch", "--json", "--from-start", "--once", GOOD],
    ] {
        let output = openshell(state, arguments);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.split('\n').count(), 4, "{arguments:?}");
        assert!(!text.chars().any(|c| c != '\n' && audit::text::drives(c)), "{arguments:?}: {text:?}");
        let record: serde_json::Value = serde_json::from_str(text.split('\n').next().unwrap()).unwrap();
        let object = record.get("event").unwrap_or(&record);
        assert_eq!(object["object"]["path"], path);
    }
}

#[test]
fn a_report_is_nobody_elses_to_read() {
    let folder = TempDir::new().unwrap();
    log(folder.path(), GOOD, "/a", "");
    for name in ["r.md", "r.html", "r.pdf"] {
        let file = folder.path().join(name);
        let output = openshell(
            folder.path(),
            &["report", "--for", "soc2", "--period", "2026", "--output", file.to_str().unwrap()],
        );
        assert!(file.exists(), "{output:?}");
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
