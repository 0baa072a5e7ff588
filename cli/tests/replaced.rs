//! What somebody can do who may write where the logs lie, and has no key: put something else in a log's place.

#![expect(clippy::unwrap_used, reason = "a broken test is a failed test")]

#[path = "recover/host.rs"]
mod host;
#[path = "recover/left.rs"]
mod left;
#[path = "recover/signed.rs"]
mod signed;

use std::fs;
use std::path::Path;
use std::process::Command;

use host::Host;

/// Seconds after which a command hangs.
const PATIENCE: &str = "60";

impl Host {
    fn says(&self, arguments: &[&str], code: i32, words: &str) {
        let command = self.command(arguments);
        let mut bounded = Command::new("timeout");
        bounded.arg(PATIENCE).arg(command.get_program()).args(command.get_args());
        bounded.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = bounded.output().unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(
            output.status.code() == Some(code) && said.contains(words),
            "{arguments:?}: {} {said}",
            output.status
        );
    }
}

fn copied(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn the_log_of_another_sandbox_is_not_taken_for_this_ones() {
    let host = Host::signed();
    let other = host.log().with_file_name("other-0a1b2c3d");
    copied(&host.log(), &other);
    let words = "it is the log of test-0a1b2c3d, in the place of another";
    host.says(&["verify", "other-0a1b2c3d"], 1, words);
    host.says(&["verify", "--all"], 1, words);
    host.says(&["query", "other-0a1b2c3d", "--limit", "1", "--prove"], 1, words);
    let report = host.0.path().join("report.md");
    let report = report.to_str().unwrap();
    host.says(
        &["report", "--for", "soc2", "--period", "2026", "-o", report, "--sandbox", "other-0a1b2c3d"],
        1,
        "",
    );
    assert!(fs::read_to_string(report).unwrap().contains(words));
    // A copy that lies elsewhere is called as anybody likes.
    let copy = host.0.path().join("copy");
    copied(&host.log(), &copy);
    host.yes(&["verify", copy.to_str().unwrap()]);
}

#[test]
fn a_pipe_in_the_place_of_a_file_keeps_nobody_waiting() {
    for name in ["000001.jsonl", "checkpoints"] {
        let host = Host::signed();
        let file = host.log().join(name);
        fs::remove_file(&file).unwrap();
        assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
        host.says(&["verify"], 1, "it is no file");
        host.says(&["verify", "--all"], 1, "it is no file");
        host.says(&["checkpoint"], i32::from(name == "checkpoints"), "");
        if name != "checkpoints" {
            for command in [&["query", "--no-index"][..], &["ls"], &["tail"], &["export"]] {
                host.says(command, 2, "");
            }
        }
    }
}

/// A packed segment of which a byte was changed is an answer, and not the lack of one.
#[test]
fn a_damaged_packed_segment_is_named() {
    let host = Host::signed();
    audit::log::packed::pack(&host.log(), 1).unwrap();
    host.yes(&["verify"]);
    let file = host.log().join("000001.jsonl.zst");
    let whole = fs::read(&file).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 60) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&file, damaged).unwrap();
        let output = host.audit(&["verify"]);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // The length of the content that a frame says beside the table's is nobody's word for a record.
        let is_found = output.status.code() == Some(1) && said.contains("NOT intact");
        assert!(is_found || output.status.success(), "byte {at}: {:?} {said}", output.status);
        assert!(is_found || same(&host, &whole, &file), "byte {at} was changed, and so were records");
    }
    fs::write(&file, whole).unwrap();
    host.yes(&["verify"]);
}

/// Whether the log's records are what they were.
fn same(host: &Host, whole: &[u8], file: &Path) -> bool {
    let records = || host.yes(&["query", "--no-index", "--json", "--limit", "1000"]);
    let now = records();
    fs::write(file, whole).unwrap();
    now == records()
}
