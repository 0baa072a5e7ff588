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
    /// Hand records to other systems: once, or as they come to every export of audit.yaml.
    Export(Export),
    /// Check that no record was changed, reordered, removed or cut off, and that all is what was signed; exit code 1 if not.
    Verify {
        #[command(flatten)]
        log: Log,
        #[command(flatten)]
        keys: Keys,
        /// A file with checkpoints of this log that was kept elsewhere: what they cover must be there.
        #[arg(long, value_name = "FILE")]
        checkpoint: Vec<PathBuf>,
    },
    /// Print a proof that a record is in a signed log, which anybody with the key can check.
    Prove {
        /// The record's number.
        record: u64,
        #[command(flatten)]
        log: Log,
        #[command(flatten)]
        keys: Keys,
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
pub(crate) struct Export {
    /// The sandboxes whose logs are sent once; without any, all.
    #[arg(conflicts_with_all = ["follow", "status"])]
    pub(crate) sandboxes: Vec<String>,
    /// How records are written: json, ocsf, ecs, cef, leef, syslog, otlp or splunk-hec; without it, as the
    /// destination takes them.
    #[arg(long, conflicts_with_all = ["follow", "status"])]
    pub(crate) format: Option<String>,
    /// Where they go: '-', a file, https://…, syslog+tls://HOST:PORT, syslog+tcp://…, syslog+udp://…,
    /// otlp+https://…, splunk+https://… or elasticsearch+https://HOST/INDEX.
    #[arg(long, default_value = "-", conflicts_with_all = ["follow", "status"])]
    pub(crate) to: String,
    /// Only records from then on: 2026-11-29T05:20:47Z, or an age such as 90m, 12h or 7d.
    #[arg(long, conflicts_with_all = ["follow", "status"])]
    pub(crate) since: Option<String>,
    /// A file with the secret of the destination: Splunk's token, Elasticsearch's API key, the key of a webhook's
    /// signature.
    #[arg(long, conflicts_with_all = ["follow", "status"])]
    pub(crate) secret_file: Option<PathBuf>,
    /// A file with certificate authorities to trust beside the system's.
    #[arg(long, conflicts_with_all = ["follow", "status"])]
    pub(crate) ca: Option<PathBuf>,
    /// Run as a service: deliver what is there and what comes to every export of audit.yaml, until a signal.
    #[arg(long)]
    pub(crate) follow: bool,
    /// Print how far each export is with each log.
    #[arg(long, conflicts_with = "follow")]
    pub(crate) status: bool,
    /// With --status: print JSON.
    #[arg(long, requires = "status")]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Keys {
    /// A key that may have signed, or a file with such keys, one a line; without it, those that have signed here.
    #[arg(long = "key", value_name = "KEY")]
    pub(crate) keys: Vec<String>,
}
