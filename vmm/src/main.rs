//! `openshell-vmm`: one microVM in one jailed process.
//!
//! ```text
//! config (fd 3) ─► resources ─► machine ─► jail ─► running ─► ending ─► exit code
//! ```
//! The process never opens anything by name: the manager hands it every descriptor. What the guest can
//! reach is what stands in [`devices`] and [`ports`]; what the process can reach, once a guest instruction
//! has run, is what [`jail`] left it.

mod builder;
mod console;
mod devices;
mod ending;
mod failure;
mod guest_memory;
mod kernel;
mod notice;
mod phases;
mod ports;
mod resources;
mod running;
mod signals;
mod status;
mod vcpu;
mod vm;
mod worker;

use std::process::ExitCode;

use phases::Phases;
use status::Status;

fn main() -> ExitCode {
    let phases = Phases::start();
    abort_on_panic();
    let status = Status::open();
    match life(phases, &status) {
        Ok(ending) => status.ended(&ending),
        Err(failure) => status.failed(&failure),
    }
}

/// The machine's whole life.
fn life(phases: Phases, status: &Status) -> Result<ending::Ending, failure::Failure> {
    let machine = builder::Opened::receive(phases)?.build()?.confine(status)?;
    machine.start(status)?.wait()
}

/// A panic of any thread is a bug of ours and ends the process: a machine that lost a thread is no machine.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::exit(wire::spawn::EXIT_BUG);
    }));
}
