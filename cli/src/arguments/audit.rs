//! What `openshell audit` takes.

use std::path::PathBuf;

use audit_report::{Framework, Period};
use clap::{Args, Subcommand, ValueEnum};

use super::Output;

#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List logs: whose, how many records, how large, since when and until when.
    Ls(Output),
    /// Print the last records of one log, or of several by time.
    Tail {
        /// Sandboxes, or paths of logs; without any, the newest log.
        #[arg(value_name = "SANDBOX")]
        logs: Vec<String>,
        /// How many.
        #[arg(short = 'n', long, default_value_t = 20)]
        lines: usize,
        /// Go on with what comes, until interrupted.
        #[arg(short, long)]
        follow: bool,
        /// Times are shown in UTC instead of this machine's zone.
        #[arg(long)]
        utc: bool,
        #[command(flatten)]
        output: Output,
    },
    /// Print the live feed of what agents are told, answer and do, and what was noticed about it, until interrupted.
    ///
    /// One line a record; with --json as `audit feed-schema` describes it, which is what a webhook gets too.
    Watch(Watch),
    /// Write a report for auditors, as Markdown, HTML or PDF; exit code 1 if a log in it is not intact.
    Report(Report),
    /// Print the JSON Schema of a line of the live feed.
    FeedSchema,
    /// Find records: what was done, by whom, when, who allowed it.
    Query(Box<Query>),
    /// Check audit.yaml, and that the files, directories and secrets that it names are there; exit code 1 if not.
    ///
    /// No receiver is called; commands that give secrets are run.
    Check(Output),
    /// Print one record whole, with those of the same request, the policy that decided it, its rule, and who put it in force.
    Show(ShowRecord),
    /// Hand records to other systems: once, or as they come to every export of audit.yaml.
    Export(Export),
    /// Check that no record was changed, reordered, removed or cut off, and that all is what was signed; exit code 1 if not.
    Verify(Verify),
    /// Have the newest checkpoint of a log stamped with the time (RFC 3161), by the authority of audit.yaml or by hand.
    Timestamp(Timestamp),
    /// Close logs whose sandboxes did not end: take off half a record that a crash left, record that, and sign what is there.
    ///
    /// Without names: every log that looks so; one that is signed to its last record, which is not its end, is told of and has to be
    /// named. One that is not what was signed, or holds more than a crash leaves, is left as it is; exit code 1.
    Recover {
        /// Sandboxes, or paths of logs.
        #[arg(value_name = "SANDBOX")]
        logs: Vec<String>,
        /// Sign also what goes on without a checkpoint for longer than a crash explains.
        #[arg(long)]
        unsigned: bool,
        #[command(flatten)]
        keys: Keys,
    },
    /// Print a proof that a record is in a signed log, which anybody with the key can check.
    Prove {
        /// The record's number, or SANDBOX/NUMBER as answers of `query` have it.
        record: String,
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
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) log: Log,
    /// Every log, one line each, and those that are gone and of which copies of checkpoints tell (signing.copies of audit.yaml).
    #[arg(long, conflicts_with_all = ["sandbox", "checkpoint", "witnesses", "timestamp_ca"])]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    /// A file with checkpoints of this log that was kept elsewhere: what they cover must be there.
    #[arg(long, value_name = "FILE")]
    pub(crate) checkpoint: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) witnesses: Witnesses,
    /// Certificates (PEM) that time stamps must lead to; without it, those of audit.yaml.
    #[arg(long, value_name = "FILE")]
    pub(crate) timestamp_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// What a log must be to be evidence.
#[derive(Debug, Args)]
pub(crate) struct Evidence {
    #[command(flatten)]
    pub(crate) keys: Keys,
    /// Accept a log that no checkpoint covers, or not to its end: it is whole, and whoever can write it may have made it.
    #[arg(long)]
    pub(crate) unsigned: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Timestamp {
    /// A sandbox, or the path of a log; without it the newest log, with --follow and --status all.
    #[command(flatten)]
    pub(crate) log: Log,
    /// Go on: have every log stamped that grew, as often as audit.yaml says, until interrupted.
    #[arg(short, long, conflicts_with_all = ["sandbox", "query", "answer", "status"])]
    pub(crate) follow: bool,
    /// Write the request to a file instead of sending it.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["answer", "status"])]
    pub(crate) query: Option<PathBuf>,
    /// Take the authority's answer to such a request from a file.
    #[arg(long, value_name = "FILE", conflicts_with = "status")]
    pub(crate) answer: Option<PathBuf>,
    /// Print how far each log is stamped, and what was asked and not answered.
    #[arg(long, conflicts_with = "sandbox")]
    pub(crate) status: bool,
    /// Certificates (PEM) that the stamp must lead to; without it, those of audit.yaml.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
}

/// Every condition must hold; of several values for one, any. `*` in a value is any text; case does not matter.
#[derive(Debug, Args)]
pub(crate) struct Query {
    /// Logs to ask: sandboxes, or paths of logs; without any, all that are here.
    pub(crate) log: Vec<String>,
    /// The same, as an option.
    #[arg(long)]
    pub(crate) sandbox: Vec<String>,
    /// Number in its log.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) record: Vec<u64>,
    /// Not before this time: `2026-11-24T15:14:00Z`, `2026-11-24 15:14`, `Tuesday 3:14 PM`, `yesterday`, `2h ago`.
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Within the minute of this time: short for `--since` and `--until`.
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "until"])]
    pub(crate) at: Option<String>,
    /// `allow` or `deny`.
    #[arg(long)]
    pub(crate) decision: Option<Verdict>,
    /// What was done, such as `network-request`, `name-query`, `execution`.
    #[arg(long)]
    pub(crate) action: Vec<String>,
    /// Destination.
    #[arg(long)]
    pub(crate) host: Vec<String>,
    /// Program or script: a path, or its last part.
    #[arg(long)]
    pub(crate) binary: Vec<String>,
    /// Rule that decided.
    #[arg(long)]
    pub(crate) rule: Vec<String>,
    /// Where the decision fell.
    #[arg(long)]
    pub(crate) level: Vec<String>,
    /// Method.
    #[arg(long)]
    pub(crate) method: Vec<String>,
    /// Path of a request or of a program.
    #[arg(long)]
    pub(crate) path: Vec<String>,
    /// Tenant.
    #[arg(long)]
    pub(crate) tenant: Vec<String>,
    /// What an agent is called in agent.yaml.
    #[arg(long)]
    pub(crate) agent: Vec<String>,
    /// Process that handed the record in: manager, proxy, router, audit.
    #[arg(long)]
    pub(crate) client: Vec<String>,
    /// Request number, as a denial shows it.
    #[arg(long)]
    pub(crate) request: Vec<String>,
    /// Flow number.
    #[arg(long)]
    pub(crate) flow: Option<u64>,
    /// Credential that a request carried.
    #[arg(long)]
    pub(crate) credential: Vec<String>,
    /// Category that was found in a prompt.
    #[arg(long)]
    pub(crate) category: Vec<String>,
    /// Region in which a prompt was served (`eu` is `eu-central-1`, too), or `unknown`.
    #[arg(long)]
    pub(crate) region: Vec<String>,
    /// SHA-256 of a body that was sent or came back, of a file, or of a program: where did it go?
    #[arg(long, value_name = "HEX")]
    pub(crate) digest: Vec<String>,
    /// Text in any field.
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// The newest first.
    #[arg(long)]
    pub(crate) reverse: bool,
    /// No more than so many.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Print how many there are instead.
    #[arg(long, conflicts_with_all = ["json", "csv"])]
    pub(crate) count: bool,
    /// With --count: how many there are of each host, program, …; the most first.
    #[arg(long, value_name = "FIELD", value_enum, requires = "count")]
    pub(crate) by: Option<CountedBy>,
    /// Print CSV.
    #[arg(long, conflicts_with = "json")]
    pub(crate) csv: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    /// Make the indexes anew first.
    #[arg(long, conflicts_with = "no_index")]
    pub(crate) rebuild: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct ShowRecord {
    /// The record's number, or SANDBOX/NUMBER as answers of `query` have it.
    pub(crate) record: String,
    /// The sandbox, or the path of its log; without it, the newest log.
    pub(crate) sandbox: Option<String>,
    /// Print the text of the policy instead, checked against the digest that the log has of it.
    #[arg(long, conflicts_with = "json")]
    pub(crate) policy: bool,
    #[command(flatten)]
    pub(crate) reading: Reading,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// How records are read and shown, by whichever command.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// Times are said and shown in UTC instead of this machine's zone.
    #[arg(long)]
    pub(crate) utc: bool,
    /// Verify the logs that were asked as well: chain, tree and signatures; exit code 1 if one is not proven. No index is asked.
    #[arg(long)]
    pub(crate) prove: bool,
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    /// Read the logs themselves: slower, and an index that somebody edited can hide nothing.
    #[arg(long)]
    pub(crate) no_index: bool,
}

/// What is counted apart.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum CountedBy {
    Action,
    Agent,
    Binary,
    Client,
    Decision,
    Host,
    Level,
    Method,
    Rule,
    Sandbox,
    Tenant,
}

/// A decision, as it is typed.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Verdict {
    /// Allowed.
    Allow,
    /// Denied.
    Deny,
}

#[derive(Debug, Args)]
pub(crate) struct Log {
    /// The sandbox, or the path of its log; without it, the newest log.
    pub(crate) sandbox: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Watch {
    #[command(flatten)]
    pub(crate) log: Log,
    /// Begin with the first record of the log instead of the next one.
    #[arg(long)]
    pub(crate) from_start: bool,
    /// End when the log does, instead of waiting for more.
    #[arg(long)]
    pub(crate) once: bool,
    /// Look for findings again, with the present settings, instead of showing those that were recorded.
    #[arg(long)]
    pub(crate) detect: bool,
    /// Times are shown in UTC instead of this machine's zone.
    #[arg(long, conflicts_with = "json")]
    pub(crate) utc: bool,
    /// Only this: agent-input, agent-output, agent-behaviour or finding. Can be given more than once.
    #[arg(long, value_name = "SURFACE", value_enum)]
    pub(crate) surface: Vec<SurfaceName>,
    /// Serve the feed of all logs by gRPC instead, to processes of this user at unix:PATH, or to clients with a certificate at
    /// ADDRESS:PORT.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["sandbox", "from_start", "once", "detect", "surface", "json"])]
    pub(crate) grpc: Option<String>,
    /// With --grpc: serve only records of this tenant; `*` is any text. Can be given more than once.
    #[arg(long = "tenant", value_name = "TENANT", requires = "grpc")]
    pub(crate) tenants: Vec<String>,
    /// With --grpc: serve only records of this sandbox, in the same way.
    #[arg(long = "only", value_name = "SANDBOX", requires = "grpc")]
    pub(crate) sandboxes: Vec<String>,
    /// With --grpc ADDRESS:PORT: our certificate.
    #[arg(long, value_name = "FILE", requires = "grpc")]
    pub(crate) certificate: Option<PathBuf>,
    /// Its key.
    #[arg(long, value_name = "FILE", requires = "grpc")]
    pub(crate) key: Option<PathBuf>,
    /// The authority whose clients are served.
    #[arg(long, value_name = "FILE", requires = "grpc")]
    pub(crate) client_ca: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Report {
    /// soc2, hipaa, eu-ai-act, gdpr, owasp-asi or access-review.
    #[arg(long = "for", value_name = "FRAMEWORK")]
    pub(crate) framework: Framework,
    /// A year (2026), quarter (2026-Q4), month (2026-11) or day, or FROM..TO (days, both included); UTC.
    #[arg(long)]
    pub(crate) period: Period,
    /// Only this sandbox, or the log at this path. Can be given more than once; without it, all logs.
    #[arg(long)]
    pub(crate) sandbox: Vec<String>,
    /// The policy whose unused rules are to be named; without it, those that the logs hold.
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) evidence: Evidence,
    /// Where to write it: a name that ends in .md, .html or .pdf. Requests with classified data that it has no room for are in a file of
    /// that name and .processing.csv.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// A side of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SurfaceName {
    AgentInput,
    AgentOutput,
    AgentBehaviour,
    Finding,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The sandboxes whose logs are sent once; without any, all.
    #[arg(conflicts_with_all = ["follow", "status"])]
    pub(crate) sandboxes: Vec<String>,
    /// How records are written: json, ocsf, ecs, cef, leef, syslog, otlp, splunk-hec or feed; without it, as
    /// the destination takes them.
    #[arg(long, conflicts_with_all = ["follow", "status"])]
    pub(crate) format: Option<String>,
    /// Where they go: '-', a file, https://…, syslog+tls://HOST:PORT, syslog+tcp://…, syslog+udp://…,
    /// otlp+https://…, splunk+https://… or elasticsearch+https://HOST/INDEX.
    #[arg(long, default_value = "-", conflicts_with_all = ["follow", "status"])]
    pub(crate) to: String,
    /// Only records from then on, said as for `query`: `2026-11-24 15:14`, `yesterday`, `7d`.
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

#[derive(Debug, Args)]
pub(crate) struct Witnesses {
    /// The key of a witness that must have cosigned, or a file with such keys, one a line.
    #[arg(long = "witness", value_name = "KEY")]
    pub(crate) witnesses: Vec<String>,
}
