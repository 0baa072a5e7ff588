//! `openshell gpu …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

/// What can be asked about GPUs.
#[derive(Debug, Subcommand)]
pub(crate) enum Gpu {
    /// List the GPUs of this host: memory, MIG instances, utilisation, temperature, and whether work may be given to them.
    ///
    /// The exit code is 0, also on a host without a GPU; 2 if there is a driver that does not answer.
    Ls(GpuLs),
}

#[derive(Debug, Args)]
pub(crate) struct GpuLs {
    /// Ask this library instead of the libnvidia-ml.so.1 that the dynamic linker finds.
    #[arg(long, value_name = "PATH")]
    pub(crate) library: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}
