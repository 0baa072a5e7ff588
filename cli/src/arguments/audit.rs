//! What `openshell audit` takes.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List logs: whose, how many records, how large, since when and until when.
    Ls(Output),
    /// Print the last records of a sandbox's log.
    Tail {
        #[command(flatten)]
        log: Log,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Go on with what comes, until interrupted.
        #[arg(short, long)]
        follow: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Check that no record was changed, reordered, removed or cut off, and that all is what was signed; exit code 1 if not.
    Verify {
        #[command(flatten)]
        log: Log,
        #[command(flatten)]
        keys: Keys,
        /// A file with checkpoints of this log that was kept elsewhere: what they cover must be there.
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
        #[command(flatten)]
        witnesses: Witnesses,
    },
    /// Print a proof that a record is in a signed log, which anybody with the key can check.
    Prove {
        /// The record's number.
        record: u64,
        #[command(flatten)]
        log: Log,
        #[command(flatten)]
        keys: Keys,
        /// A file with the checkpoint to prove it by, as one that witnesses cosigned; without it, the log's newest.
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
        /// Write it to a file.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check a proof and print the record that it proves; no log is needed. Exit code 1 if it proves nothing.
    CheckProof {
        /// The proof.
        file: PathBuf,
        #[command(flatten)]
        keys: Keys,
        #[command(flatten)]
        witnesses: Witnesses,
    },
    /// Print a proof that a log goes on from what an older checkpoint says that it was, as witnesses take it.
    ProveConsistency {
        /// A file with the older checkpoint, or the number of its records.
        old: String,
        #[command(flatten)]
        log: Log,
        #[command(flatten)]
        keys: Keys,
        /// Write it to a file.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Check such a proof against the older checkpoint; no log is needed. Exit code 1 if it proves nothing.
    CheckConsistency {
        /// The proof.
        file: PathBuf,
        /// A file with the older checkpoint.
        #[arg(long, value_name = "FILE")]
        old: PathBuf,
        #[command(flatten)]
        keys: Keys,
    },
    /// Print the newest signed checkpoint of a log, to be kept elsewhere.
    Checkpoint {
        #[command(flatten)]
        log: Log,
    },
    /// Print the keys that have signed logs here, as other tools of signed notes take them.
    Key,
    /// Print the JSON Schema of a record.
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The sandbox, or the path of its log; without it, the newest log.
    pub(crate) sandbox: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// A key that may have signed, or a file with such keys, one a line; without it, those that have signed here.
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Witnesses {
    /// The key of a witness that must have cosigned, or a file with such keys, one a line.
    #[arg(long = "witness", value_name = "KEY")]
    pub(crate) witnesses: Vec<String>,
}
