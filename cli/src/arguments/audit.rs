//! What `openshell audit` takes.

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print the last records of a sandbox's log.
    Tail {
        #[command(flatten)]
        log: Log,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        #[command(flatten)]
        output: Output,
    },
    /// Check that no record was changed, reordered or removed before the last; exit code 1 if one was.
    Verify {
        #[command(flatten)]
        log: Log,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The sandbox, or the path of its log; without it, the newest log.
    pub(crate) sandbox: Option<String>,
}
