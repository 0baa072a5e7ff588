//! PID 1 of the guest: the life of a guest, from the kernel's hand-over to power off.
//!
//! ```text
//! early mounts, modules → control channel → setup → root tree → network capture → agent, confined
//!   → relay and names serve → the agent ends → everything is told → power off
//! ```
//! Threads of work run beside the agent's session: the relay of captured connections, the name stub, the one that says
//! which files may be executed, the one that reads of accesses to files and, if a port of the agent is open to the outside, those that take connections to it.
//! guest-init never reads a policy; what it does to the agent came compiled in the setup.

mod accesses;
mod agent;
mod boot;
mod capture;
mod cause;
mod control;
mod executables;
mod host;
mod identity;
mod inbound;
mod life;
mod names;
mod relay;
mod sys;
mod tally;
#[cfg(test)]
mod testbed;
mod trust;

use std::process::ExitCode;

fn main() -> ExitCode {
    let started = boot::clock::since_kernel_start();
    if std::process::id() != 1 {
        return ExitCode::FAILURE;
    }
    std::panic::set_hook(Box::new(|panic| life::die(&format!("guest-init: bug: {panic}"))));
    life::live(started)
}
