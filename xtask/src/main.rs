//! `cargo xtask …`: the developer commands. Each is a module with its own arguments and a `run`.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line speaks through them")]

mod lab_command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Developer commands of openshell vm.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run a command on a machine with real KVM: here, or in the KVM lab when this machine has none.
    Lab(lab_command::LabArguments),
    /// The lab's half inside the lab.
    #[command(name = lab_command::GUEST, hide = true)]
    LabGuest {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The lab's own check, as it runs inside the lab.
    #[command(name = lab_command::SMOKE, hide = true)]
    LabSmoke,
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse().task {
        Task::Lab(arguments) => lab_command::run(&arguments),
        Task::LabSmoke => lab_command::smoke(),
        Task::LabGuest { arguments } => return lab::guest::enter(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::from(125)
    })
}
