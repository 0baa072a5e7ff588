//! More than its share. Limits of each process are what is tried here; those of all of them together are a control
//! group's, and tried in a microVM (`tests/scenarios/tests/isolation.rs`).

use rustix::io::Errno;

use super::{address, call, last_error, wait};
use crate::stage::{FILES, PROCESSES};
use crate::{Attempt, Wall};

/// Root passes over both limits.
const BOUNDED: &[Wall] = &[Wall::Limits, Wall::Identity];

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "be a crowd",
        make: crowd,
        held_by: &[BOUNDED],
        alone: "the control group bounds the processes of whoever the agent is",
    },
    Attempt {
        name: "open more files than allowed",
        make: many_files,
        held_by: &[BOUNDED],
        alone: "what they take is memory, which the control group bounds",
    },
];

/// Raises the limit first, if it can.
fn raise(resource: u32, to: u64) {
    let limit = libc::rlimit { rlim_cur: to, rlim_max: to };
    let _refused = call(libc::SYS_prlimit64, [0, resource.into(), address(&raw const limit), 0, 0, 0]);
}

fn crowd() -> Result<(), Errno> {
    raise(libc::RLIMIT_NPROC, 4 * PROCESSES);
    let mut children = Vec::new();
    let outcome = (0..PROCESSES + 16).try_for_each(|_one| {
        // SAFETY: the attacker has one thread, and the child waits for its end.
        match unsafe { libc::fork() } {
            -1 => Err(last_error()),
            0 => loop {
                std::thread::park();
            },
            child => {
                children.push(child);
                Ok(())
            }
        }
    });
    for child in children {
        call(libc::SYS_kill, [child.into(), libc::SIGKILL.into(), 0, 0, 0, 0])?;
        wait(child)?;
    }
    outcome
}

fn many_files() -> Result<(), Errno> {
    raise(libc::RLIMIT_NOFILE, 4 * FILES);
    let mut files = Vec::new();
    (0..FILES + 16).try_for_each(|_one| {
        files.push(rustix::io::dup(rustix::stdio::stdin())?);
        Ok(())
    })
}
