//! `cargo xtask lab` as a user calls it, and what is left of it afterwards.
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// `cargo xtask lab` with its temporary files in a folder of its own, which also marks its processes.
struct Caller {
    folder: TempDir,
}

impl Caller {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn lab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["lab", "--force-lab", "--memory", "1024"]).args(arguments);
        command.env("TMPDIR", self.folder.path()).stdin(Stdio::null()).process_group(0);
        command
    }

    /// Starts a command that prints `up` and returns when it has.
    fn started(&self, script: &str) -> Child {
        let mut child = self.lab(&["--", "sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        child
    }

    /// Processes whose command line names the folder.
    fn processes(&self) -> Vec<String> {
        let folder = self.folder.path().to_str().unwrap();
        let command_lines = fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let bytes = fs::read(entry.ok()?.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
        });
        command_lines.filter(|line| line.contains(folder)).collect()
    }

    /// Waits until no process is left, for what the kernel kills after us.
    fn assert_no_process(&self) {
        let end = Instant::now() + Duration::from_secs(5);
        while !self.processes().is_empty() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_eq!(self.processes(), Vec::<String>::new());
    }

    fn files(&self) -> usize {
        fs::read_dir(self.folder.path()).unwrap().count()
    }
}

/// To the whole group, as a terminal does it.
fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args(["-s", name, "--", &format!("-{}", child.id())]).status().unwrap();
    assert!(status.success());
}

fn end(mut child: Child) -> ExitStatus {
    child.wait().unwrap()
}

#[test]
fn exit_code_output_and_results_come_back() {
    let caller = Caller::new();
    let result = caller.folder.path().join("result");
    let copy = format!("/tmp/made:{}", result.display());
    let output = caller
        .lab(&["--copy-out", &copy, "--", "sh", "-c", "echo out; echo err >&2; uname -n >/tmp/made; exit 3"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "out\n");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "err\n");
    assert_eq!(fs::read_to_string(&result).unwrap(), "lab\n");
    assert!(!Path::new("/tmp/made").exists());
    caller.assert_no_process();
    assert_eq!(caller.files(), 1, "only the result is left");
}

#[test]
fn kvm_works_inside() {
    let output = Caller::new().lab(&["--check"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("KVM API 12"));
}

#[test]
fn a_signal_reaches_the_command_and_nothing_is_left() {
    let caller = Caller::new();
    let child =
        caller.started("trap 'ls /usr/share/doc >&2 && exit 42' INT; echo up; while :; do sleep 0.1; done");
    signal(&child, "INT");
    assert_eq!(end(child).code(), Some(42));
    caller.assert_no_process();
    assert_eq!(caller.files(), 0);
}

#[test]
fn a_signal_ends_the_start_and_nothing_is_left() {
    let caller = Caller::new();
    let child = caller.lab(&["--", "true"]).stderr(Stdio::null()).spawn().unwrap();
    let end_of_wait = Instant::now() + Duration::from_secs(20);
    while caller.processes().is_empty() && Instant::now() < end_of_wait {
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, "TERM");
    assert_eq!(end(child).code(), Some(125));
    caller.assert_no_process();
    assert_eq!(caller.files(), 0);
}

#[test]
fn a_killed_lab_leaves_no_process() {
    let caller = Caller::new();
    let child = caller.started("echo up; sleep 100");
    assert!(!caller.processes().is_empty());
    signal(&child, "KILL");
    end(child);
    caller.assert_no_process();
}
