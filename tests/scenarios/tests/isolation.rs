//! What an agent tries against the whole machine that it is in. What single walls hold, and each of them alone, is shown by
//! `tests/isolation`; executables that are replaced, in memory or without a name by `executables.rs`; links where the
//! operator's command goes by `exec.rs`; a disk that is filled by `bad_input.rs`.

use std::io::{BufRead, BufReader};

use scenarios::{Session, openshell};

/// Runs inside; prints one line for each attempt.
const ATTEMPTS: &str = include_str!("isolation/attempts.py");

/// What it says to each.
const SAID: [&str; 12] = [
    "user namespaces: 0",
    "kill the first process: EPERM",
    "kill everybody: ESRCH",
    "stop the first process: EPERM",
    "see the first process: ENOENT",
    "call the host: EPERM",
    "last descriptor: 199",
    "open files: EMFILE",
    "fork bomb: bounded, and gone",
    "memory bomb: ended by 9",
    "fork bomb once more: bounded, and gone",
    "ready",
];

#[test]
fn an_agent_that_attacks_its_machine_harms_nobody_but_itself() {
    let mut started = Session::new("base")
        .command(["python3", "-c", ATTEMPTS])
        .yaml("resources: {memory: 512MiB}")
        .yaml("policy: {process: {limits: {processes: 40, open_files: 200, memory: 96MiB}}}")
        .start();
    let output = BufReader::new(started.child.stdout.take().expect("it is piped"));
    let mut said = Vec::new();
    for line in output.lines() {
        said.push(line.expect("it is text"));
        if said.last().is_some_and(|last| last == "ready") {
            break;
        }
    }
    // guest-init and the agent's first process still do what the operator asks for.
    let beside = openshell(started.dir()).args(["vm", "exec", "scenario", "--", "echo", "alive"]).output();
    let beside = beside.expect("openshell is built");
    // And the agent's end is its own.
    let outcome = started.outcome();
    assert_eq!(said, SAID, "{outcome}");
    assert_eq!(String::from_utf8_lossy(&beside.stdout), "alive\n", "{beside:?}\n{outcome}");
    assert_eq!((outcome.code, outcome.leftovers.len()), (Some(7), 0), "{outcome}");
    let refused = |call: &str| {
        let is =
            |record: &serde_json::Value| record["object"]["method"] == call && record["decision"] == "deny";
        outcome.audit.iter().any(is)
    };
    assert!(refused("socket"), "the call to the host is not on the record: {outcome}");
}

#[test]
fn the_kernel_of_the_guest_is_closed() {
    // What the agent may read of it; that the kernel is locked down guest-init sees for itself, or starts no agent.
    let outcome = Session::new("tiny")
        .script(
            "cd /proc/sys/kernel; for name in modules_disabled kexec_load_disabled unprivileged_bpf_disabled dmesg_restrict \
             kptr_restrict yama/ptrace_scope; do echo $name $(cat $name); done; \
             grep -c -E 'debugfs|tracefs|securityfs' /proc/mounts",
        )
        .run();
    let settings = "modules_disabled 1\nkexec_load_disabled 1\nunprivileged_bpf_disabled 1\ndmesg_restrict 1\n\
                    kptr_restrict 2\nyama/ptrace_scope 2\n0\n";
    assert_eq!(outcome.text(), settings, "{outcome}");
}
