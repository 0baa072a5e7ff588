//! What `cargo xtask` takes.

use clap::{Parser, Subcommand};

use crate::bench::Bench;
use crate::bench::boot::INSIDE;
use crate::fuzz::FuzzArguments;
use crate::lab_command::{LabArguments, SMOKE};
use crate::place::GUEST;

/// Developer commands of openshell vm.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) task: Task,
}

/// One command.
#[derive(Subcommand)]
pub(crate) enum Task {
    /// Run a command on a machine with real KVM: here, or in the KVM lab when this machine has none.
    Lab(LabArguments),
    /// Install what is missing, build, and run a real agent in a real microVM.
    Demo,
    /// Install what is missing, check, build and test everything.
    Ci {
        /// Only these steps, by the first word of their names (default: all).
        steps: Vec<String>,
    },
    /// Install what is missing, build and run all tests.
    Test,
    /// Compare the compiled policy with the same rules in Rego, on generated policies and requests.
    Agree {
        /// Pairs of a policy and a request.
        #[arg(long, default_value_t = 1_000_000)]
        pairs: u64,
        /// Which policies and requests.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Measure.
    #[command(subcommand)]
    Bench(Bench),
    /// Fuzz the parsers of foreign bytes; the first finding ends it.
    Fuzz(FuzzArguments),
    /// Kill the audit writer, its signer and who recovers their log at random moments, again and again on one log, and look at
    /// what is left.
    KillAudit {
        /// How often.
        #[arg(long, default_value_t = 1000)]
        times: u64,
        /// Which choices are made; it is printed. The moments are others each time. By default: by chance.
        #[arg(long)]
        seed: Option<u64>,
    },
    /// Install what building and testing need.
    Setup,
    /// The lab's half inside the lab.
    #[command(name = GUEST, hide = true)]
    LabGuest {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The measurement of boot times, as it runs inside the lab.
    #[command(name = INSIDE, hide = true)]
    BenchBootInside { plan: String },
    /// The lab's own check, as it runs inside the lab.
    #[command(name = SMOKE, hide = true)]
    LabSmoke,
}
