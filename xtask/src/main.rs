//! `cargo xtask …`: the developer commands. Each is a module with a `run`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks through them")]

mod arguments;
mod bench;
mod ci;
mod demo;
mod dependencies;
mod fuzz;
mod kill_audit;
mod lab_command;
mod layers;
mod place;
mod policy;
mod product;
mod programs;
mod receivers;
mod report;
mod setup;
mod sources;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Task};

fn main() -> ExitCode {
    let outcome = match Arguments::parse().task {
        Task::Lab(arguments) => lab_command::run(&arguments),
        Task::Ci { steps } => ci::run(steps),
        Task::Demo => demo::run(),
        Task::Test => ci::run(ci::TESTS.map(str::to_owned).to_vec()),
        Task::Agree { pairs, seed } => policy::agree(pairs, seed),
        Task::Bench(bench) => bench::run(bench),
        Task::BenchBootInside { plan } => bench::boot::inside(&plan),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::KillAudit { times, seed } => kill_audit::run(times, seed),
        Task::Setup => setup::run(),
        Task::LabSmoke => lab_command::smoke(),
        Task::LabGuest { arguments } => return lab::guest::enter(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::from(125)
    })
}
