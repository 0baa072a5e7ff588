//! `cargo xtask bench`: figures by the lab's deterministic clock, one instruction = one nanosecond, where
//! machines boot, and by this machine's for everything else.

mod archive;
mod audit;
pub(crate) mod boot;
mod classify;
mod contender;
mod mounts;
mod overhead;
mod proxy;
mod python;
mod session;
mod stopwatch;

use anyhow::Result;
use clap::Subcommand;
use std::process::ExitCode;

use crate::policy;

/// What can be measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Bench {
    /// Process start to the first line of init, beside QEMU's microvm.
    Boot {
        /// Counted runs of each, after one that is not counted.
        #[arg(long, default_value_t = 7)]
        runs: u32,
    },
    /// What the walls in the guest cost: git, pip, npm, cargo, opening and executing, in a guest without walls and in a sandbox.
    Overhead {
        /// Parts of the work; all if none is named.
        #[arg(value_parser = overhead::PARTS)]
        parts: Vec<String>,
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
    /// A live mount: its server's requests, and git, npm and small files beside the host's own, by this machine's FUSE client and in the lab.
    Mounts {
        /// Files of the tree that git knows.
        #[arg(long, default_value_t = 50_000)]
        files: u32,
        /// Files of the tree in the lab; 0 leaves the lab out.
        #[arg(long, default_value_t = 2000)]
        in_lab: u32,
    },
    /// The proxy, policy and audit on, beside a plain copy, nginx, Squid and mitmproxy: processor time of a request, latency, throughput,
    /// memory, and how soon a new policy decides. Two processors are needed, with nothing else to do.
    Proxy {
        /// Rounds, in each of which everyone is measured once.
        #[arg(long, default_value_t = 5)]
        rounds: u32,
        /// Install nginx-light and squid-openssl first; who is missing is left out and named. mitmproxy comes by pip into `target/`.
        #[arg(long)]
        install: bool,
    },
}

/// Measures and prints.
pub(crate) fn run(bench: Bench) -> Result<ExitCode> {
    match bench {
        Bench::Boot { runs } => boot::run(runs),
        Bench::Overhead { parts } => overhead::run(&parts),
        Bench::Policy => policy::bench(),
        Bench::Audit => audit::run(),
        Bench::Mounts { files, in_lab } => mounts::run(files, in_lab),
        Bench::Proxy { rounds, install: true } => proxy::run(rounds, proxy::Peers::Installed),
        Bench::Proxy { rounds, install: false } => proxy::run(rounds, proxy::Peers::AsTheyAre),
        Bench::Classify { quality: true } => classify::run(classify::Question::Quality),
        Bench::Classify { quality: false } => classify::run(classify::Question::Speed),
    }
}
