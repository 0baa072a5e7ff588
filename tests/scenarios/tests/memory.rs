//! What an agent's memory costs the host: what it uses, and no longer what it used.

use std::io::{BufRead, BufReader, Write};
use std::time::Duration;

use scenarios::Session;

/// Twice: holds 300 MiB until it reads a line, and says when it has them and when it has not.
const AGENT: &str = "exec 3<&0
for time in 1 2; do
  dd if=/dev/zero bs=300M count=1 2>/dev/null | {
    dd bs=1 count=1 of=/dev/null 2>/dev/null; echo full; read line <&3; cat >/dev/null
  }
  echo empty
  read line <&3
done";

/// Resident memory of the machine of this session, in MiB, as the host's kernel counts it.
fn resident(openshell: u32) -> u64 {
    let processes = std::fs::read_dir("/proc").expect("proc is mounted").filter_map(Result::ok);
    let statuses = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("status")).ok());
    let field = |status: &str, name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?.trim().to_owned();
        Some(line.trim_end_matches(" kB").to_owned())
    };
    let machine = |status: &String| {
        field(status, "Name:").is_some_and(|name| name.starts_with("openshell-vmm"))
            && field(status, "PPid:") == Some(openshell.to_string())
    };
    let status = statuses.into_iter().find(machine).expect("the machine runs");
    let kib: u64 = field(&status, "VmRSS:").and_then(|kib| kib.parse().ok()).expect("it has memory");
    kib / 1024
}

/// Waits until the machine has 250 MiB less than `full`; a minute is many times what that takes.
fn wait_for_release(openshell: u32, full: u64) {
    for _try in 0..600 {
        if resident(openshell) + 250 <= full {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("{full} MiB with 300 MiB in use, {} MiB a minute later", resident(openshell));
}

#[test]
fn memory_that_the_agent_frees_goes_back_to_the_host() {
    let mut session = Session::new("tiny").script(AGENT).yaml("resources: {memory: 1GiB}").start();
    let (home, openshell) = (session.dir().to_path_buf(), session.child.id());
    let mut input = session.child.stdin.take().expect("it is piped");
    let mut output = BufReader::new(session.child.stdout.take().expect("it is piped")).lines();
    let mut hear = |word: &str| {
        let line = output.next().and_then(Result::ok);
        assert_eq!(line.as_deref(), Some(word));
    };
    // What went back once is there again when it is needed, and goes back again.
    for _time in 0..2 {
        hear("full");
        let full = resident(openshell);
        assert!(full >= 300, "the agent has 300 MiB, and its machine {full}");
        input.write_all(b"\n").expect("the agent reads");
        hear("empty");
        // Standing still in between loses nothing.
        for word in ["pause", "resume"] {
            let said = scenarios::openshell(&home).args(["vm", word, "scenario"]).output();
            assert!(said.is_ok_and(|said| said.status.success()), "{word}");
        }
        wait_for_release(openshell, full);
        println!("resident: {full} MiB with 300 MiB in use, {} MiB afterwards", resident(openshell));
        input.write_all(b"\n").expect("the agent reads");
    }
    drop(input);
    let outcome = session.outcome();
    assert_eq!(outcome.code, Some(0), "{outcome}");
}
