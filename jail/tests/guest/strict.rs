//! The profile `strict`: what it refuses works under `agent`, and what it is for works under it.

use rustix::io::Errno;
use wire::confinement::SeccompProfile;

use super::{Act, Attack, Bench, Outcome, call};

/// Runs all of it.
pub(super) fn run(bench: &mut Bench) {
    for (name, attempt) in ATTEMPTS {
        let (agent, _) = bench.confined(Act::Attack(*attempt));
        bench.confinement.seccomp = SeccompProfile::Strict;
        let (strict, output) = bench.confined(Act::Attack(*attempt));
        bench.confinement.seccomp = SeccompProfile::Agent;
        let held = agent == Outcome::Status(0) && strict == Outcome::Status(Errno::PERM.raw_os_error());
        bench.report(
            &format!("strict {name}"),
            held,
            &format!("agent: {agent:?}, strict: {strict:?} {output}"),
        );
    }
    bench.confinement.seccomp = SeccompProfile::Strict;
    for (name, script, expected) in PROGRAMS {
        let (status, output) = bench.confined(Act::Execute(&["/bin/bash", "-c", script]));
        let passed = status == Outcome::Status(0) && output.contains(expected);
        bench.report(&format!("strict program {name}"), passed, &format!("{status:?} {output}"));
    }
    bench.confinement.seccomp = SeccompProfile::Agent;
}

const PAGE: i64 = 4096;
const READ_WRITE: i64 = 3;
const READ_EXECUTE: i64 = 5;
const ALL: i64 = 7;

const ATTEMPTS: &[Attack] = &[
    ("memory that is writable and executable", || map(ALL).map(drop)),
    ("make written memory executable", || {
        let page = map(READ_WRITE)?;
        call(libc::SYS_mprotect, [page, PAGE, READ_EXECUTE, 0])
    }),
    ("a file without a name", || {
        call(libc::SYS_memfd_create, [c"x".as_ptr().addr().try_into().unwrap(), 0, 0, 0])
    }),
    ("a message queue", || call(libc::SYS_msgget, [0, 0o600, 0, 0])),
    ("shared memory", || call(libc::SYS_shmget, [0, PAGE, 0o600, 0])),
    ("route questions", || call(libc::SYS_socket, [16, 3, 0, 0])),
    ("a handle on a process", || {
        call(libc::SYS_pidfd_open, [rustix::process::getpid().as_raw_nonzero().get().into(), 0, 0, 0])
    }),
];

/// Programs as they are installed.
const PROGRAMS: &[(&str, &str, &str)] = &[
    (
        "shell",
        "for i in 1 2 3; do (echo $i | cat); done; ls /usr/bin | sort | head -3; echo ok $((6*7))",
        "ok 42",
    ),
    (
        "python",
        "/usr/bin/python3 -c 'import subprocess,socket,ssl,threading,json; threading.Thread(target=print).start(); print(subprocess.check_output([\"echo\",\"from python\"])); socket.socket()'",
        "from python",
    ),
    ("curl", "curl -sS -m 5 http://127.0.0.1:9/ || echo refused $?", "refused 7"),
    (
        "git",
        "cd /tmp && git init -q strict && cd strict && git config user.email a@b && git config user.name n && echo 1 > f && git add f && git commit -qm first && git log --oneline | wc -l",
        "1",
    ),
];

/// A page of memory for `protection`.
fn map(protection: i64) -> Result<i64, Errno> {
    let flags = i64::from(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: a new anonymous mapping at an address that the kernel chooses touches nothing that is there.
    let outcome = unsafe { libc::syscall(libc::SYS_mmap, 0, PAGE, protection, flags, -1, 0) };
    if outcome >= 0 { Ok(outcome) } else { Err(super::last_error()) }
}
