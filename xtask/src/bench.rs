//! `cargo xtask bench`: figures by the lab's deterministic clock, one instruction = one nanosecond, and those
//! of policy decisions by this machine's.

mod audit;
pub(crate) mod boot;
mod classify;
mod contender;
mod session;
mod stopwatch;

use anyhow::Result;
use clap::Subcommand;
use std::process::ExitCode;

use crate::policy;

/// What can be measured.
#[derive(Clone, Copy, Debug, Subcommand)]
pub(crate) enum Bench {
    /// Process start to the first line of init, beside QEMU's microvm.
    Boot {
        /// Counted runs of each, after one that is not counted.
        #[arg(long, default_value_t = 7)]
        runs: u32,
    },
    /// One policy decision: compiled rules, the same rules in Rego, and Rego that goes over all rules.
    Policy,
    /// The audit writer and reader: records per second, latency of a receipt, bytes per record.
    Audit,
    /// The classifier: megabytes per second, and the time of one text of 16 KiB, beside Microsoft Presidio's patterns.
    Classify {
        /// Precision, recall and F2 of every category over generated texts instead, with what was missed.
        #[arg(long)]
        quality: bool,
    },
}

/// Measures and prints.
pub(crate) fn run(bench: Bench) -> Result<ExitCode> {
    match bench {
        Bench::Boot { runs } => boot::run(runs),
        Bench::Policy => policy::bench(),
        Bench::Audit => audit::run(),
        Bench::Classify { quality: true } => classify::run(classify::Question::Quality),
        Bench::Classify { quality: false } => classify::run(classify::Question::Speed),
    }
}
