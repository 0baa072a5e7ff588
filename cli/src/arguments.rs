//! What may be typed: one declaration yields parser, help and completion.

mod audit;
mod gpu;
mod inference;
mod policy;
mod proposals;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use manager::operator::DetachKeys;

pub(crate) use audit::{
    Audit, CountedBy, Evidence, Export, Keys, Log, Query, Reading, Report, ShowRecord, SurfaceName,
    Timestamp, Verdict, Verify, Watch, Witnesses,
};
pub(crate) use gpu::{Gpu, GpuLs};
pub(crate) use inference::{Classify, Inference, InferenceModels, InferenceServe};
pub(crate) use policy::{Check, Diff, Explain, Import, Learn, Policy, ReportForm, Set, Show, Test};
pub(crate) use proposals::{Approve, Proposals, Reject};

/// Gives every AI-agent session its own microVM, and decides on the host what it may reach.
#[derive(Debug, Parser)]
#[command(name = "openshell", version, propagate_version = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run agents in microVMs.
    #[command(subcommand)]
    Vm(Vm),
    /// Check policies and ask them questions.
    #[command(subcommand)]
    Policy(Policy),
    /// Read, search, verify and prove audit logs, and hand them to other systems.
    ///
    /// ls, tail, query: what was done. verify, prove, check-proof: that it is whole. export, watch: to other systems, as it comes.
    /// report: for auditors.
    #[command(subcommand)]
    Audit(Audit),
    /// Ask about calls of models.
    #[command(subcommand)]
    Inference(Inference),
    /// Ask about this host's GPUs.
    #[command(subcommand)]
    Gpu(Gpu),
    /// Build and list images.
    #[command(subcommand)]
    Image(Image),
    /// Say what this machine can do and what is missing.
    Doctor(Output),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vm {
    /// Run an agent to its end; the exit code is the agent's own.
    ///
    /// Other exit codes: 124 timed out, 125 openshell failed, 126 the command may not be executed, 127 command not found in
    /// the guest, 130 interrupted.
    Run(Run),
    /// Come back to an agent, or to a command beside it: shows the last MiB that it wrote, goes on live, and joins this standard
    /// input to its own.
    ///
    /// The detach keys leave one that has a terminal; Ctrl-C leaves any other. It runs on. The exit code is its own if it
    /// ends meanwhile, as of `run`; so it is of a detached command that has ended.
    Attach(Attach),
    /// Ask an agent to end, and wait until its sandbox has; or a command beside it, and wait until it has.
    ///
    /// The agent gets SIGTERM; 10 s later, or a second time, its machine is stopped. A command gets SIGTERM, with a terminal SIGHUP;
    /// 10 s later, or a second time, SIGKILL.
    Stop(Stop),
    /// List running sandboxes, and how each stands.
    Ps(Output),
    /// Run a command in a running sandbox, beside the agent and confined as it is; the exit code is the command's own.
    ///
    /// Other exit codes are those of `run`. Ctrl-C goes to the command; a second one leaves, and hangs up on it. The detach keys leave
    /// its terminal, and it runs on: `openshell vm attach SANDBOX/NUMBER` comes back to it.
    Exec(Exec),
    /// Open a shell in a running sandbox, in this terminal.
    ///
    /// The detach keys leave it, and it runs on: `openshell vm attach SANDBOX/NUMBER` comes back to it.
    Shell(Shell),
    /// List the commands in a running sandbox, and detached ones that have ended.
    Sessions(Named),
    /// Copy files and trees between a running sandbox and the host.
    ///
    /// One side is SANDBOX:PATH, the other a path or '-', a tar archive on standard input or output. The sandbox's end reads and
    /// writes what the agent may. A local path with a colon in it begins with './' or '/'.
    Cp(Cp),
    /// Show what an agent has written, also after its sandbox ended: the last 8 to 16 MiB.
    ///
    /// Standard output goes to standard output, standard error to standard error. On a terminal, what would drive it is shown as a
    /// sign.
    Logs(Logs),
    /// Let a sandbox stand still: it executes nothing and keeps its memory, until it is resumed.
    ///
    /// Its time (resources.timeout) goes on, and those that it is connected to may lose patience.
    Pause(Named),
    /// Let a paused sandbox go on.
    Resume(Named),
    /// Cut a sandbox off: every connection ends, out and in, and none can be opened. The agent runs on.
    ///
    /// `openshell policy set` ends it.
    Quarantine(Named),
    /// Read the sources of a sandbox's credentials again: every request from then on carries what they give.
    ///
    /// A variable keeps the value that `vm run` was started with; name a file or a command for secrets that change.
    RefreshCredentials(Named),
}

/// One running sandbox.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// The sandbox's id, or its agent's name if only one of it is running.
    pub(crate) sandbox: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// The sandbox's id, or its agent's name if only one of it is running.
    pub(crate) sandbox: String,
    /// Give the command a terminal.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Leave it running: prints its number as soon as it runs, and returns.
    #[arg(short, long)]
    pub(crate) detach: bool,
    #[command(flatten)]
    pub(crate) keys: Keyed,
    #[command(flatten)]
    pub(crate) place: Place,
    /// The command and its arguments.
    #[arg(required = true, last = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Shell {
    /// The sandbox's id, or its agent's name if only one of it is running.
    pub(crate) sandbox: String,
    #[command(flatten)]
    pub(crate) keys: Keyed,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Cp {
    /// What is copied; of a directory whose path ends in '/.', what is in it.
    #[arg(value_name = "SOURCE", value_parser = CopyEnd::parse)]
    pub(crate) from: CopyEnd,
    /// Where to: into this directory, or as this path if there is none.
    #[arg(value_name = "DESTINATION", value_parser = CopyEnd::parse)]
    pub(crate) to: CopyEnd,
    /// Most files, directories and links that the sandbox may send.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    pub(crate) max_entries: u64,
    /// Most bytes of files that the sandbox may send.
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 30)]
    pub(crate) max_bytes: u64,
}

#[derive(Debug, Args)]
pub(crate) struct Attach {
    #[command(flatten)]
    pub(crate) process: Process,
    #[command(flatten)]
    pub(crate) keys: Keyed,
}

#[derive(Debug, Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    pub(crate) process: Process,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// An agent, or a command beside it.
#[derive(Debug, Args)]
pub(crate) struct Process {
    /// The sandbox's id, or its agent's name if only one of it is running; SANDBOX/NUMBER is a command in it.
    #[arg(value_name = "SANDBOX", value_parser = Target::parse)]
    pub(crate) target: Target,
}

/// What leaves a terminal.
#[derive(Debug, Args)]
pub(crate) struct Keyed {
    /// What leaves its terminal: ctrl-a to ctrl-z or single characters, with commas between [default: ctrl-p,ctrl-q].
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<DetachKeys>,
}

/// `SANDBOX`, or `SANDBOX/NUMBER`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) sandbox: String,
    /// The command; none: the agent.
    pub(crate) session: Option<u32>,
}

impl Target {
    fn parse(text: &str) -> Result<Self, String> {
        let (sandbox, session) = match text.split_once('/') {
            None => (text, None),
            Some((sandbox, number)) => match number.parse() {
                Ok(number) if !sandbox.is_empty() => (sandbox, Some(number)),
                _ => {
                    return Err(
                        "write SANDBOX, or SANDBOX/NUMBER as `openshell vm sessions` has it".to_owned()
                    );
                }
            },
        };
        Ok(Self { sandbox: sandbox.to_owned(), session })
    }
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The sandbox's id, or its agent's name: the sandbox of it that wrote last.
    pub(crate) sandbox: String,
    /// Go on with what comes, until the sandbox ends.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// Begin with the last so many lines.
    #[arg(short = 'n', long, value_name = "LINES")]
    pub(crate) tail: Option<usize>,
    /// Show bytes on a terminal as they are: they can drive it.
    #[arg(long)]
    pub(crate) raw: bool,
}

/// One side of a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CopyEnd {
    /// In a sandbox.
    Guest {
        /// Which.
        sandbox: String,
        /// Where in it.
        path: String,
    },
    /// On the host.
    Host(String),
    /// An archive.
    Archive,
}

impl CopyEnd {
    /// A colon before any slash ends the sandbox's name.
    fn parse(text: &str) -> Result<Self, String> {
        let named = text.split_once(':').filter(|(sandbox, _path)| !sandbox.contains('/'));
        match named {
            None if text == "-" => Ok(Self::Archive),
            None if text.is_empty() => Err("write a path".to_owned()),
            None => Ok(Self::Host(text.to_owned())),
            Some((sandbox, path)) if sandbox.is_empty() || path.is_empty() => {
                Err("write SANDBOX:PATH".to_owned())
            }
            Some((sandbox, path)) => Ok(Self::Guest { sandbox: sandbox.to_owned(), path: path.to_owned() }),
        }
    }
}

/// Where a command runs.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// Set a variable of its environment, beside the agent's.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// Run it in this directory instead of the agent's.
    #[arg(short, long, value_name = "DIRECTORY")]
    pub(crate) workdir: Option<String>,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The agent's description.
    #[arg(value_name = "AGENT.YAML")]
    pub(crate) file: PathBuf,
    /// Give the agent a terminal.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Leave it running: prints the sandbox's id as soon as the agent runs, and returns.
    #[arg(short, long, conflicts_with_all = ["console", "timings", "dry_run"])]
    pub(crate) detach: bool,
    /// What `--detach` starts.
    #[arg(long, hide = true, conflicts_with = "detach")]
    pub(crate) detached: bool,
    /// Show the guest's console on standard error.
    #[arg(long)]
    pub(crate) console: bool,
    /// Show how long each phase took, as a line of JSON on standard error.
    #[arg(long)]
    pub(crate) timings: bool,
    /// Seconds that the guest may take to come up.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) boot_timeout: u64,
    /// Boot this kernel (an ELF vmlinux or a bzImage) instead of the stock one.
    #[arg(long, value_name = "FILE")]
    pub(crate) kernel: Option<PathBuf>,
    /// Boot this initial RAM file system instead of the built-in one.
    #[arg(long, value_name = "FILE")]
    pub(crate) initramfs: Option<PathBuf>,
    /// Print the resolved document and stop.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Image {
    /// Make everything a machine boots from: the kernel, the initramfs and this built-in image.
    Build {
        /// `base` or `tiny`.
        name: String,
        /// Build the image even if it is there.
        #[arg(long)]
        force: bool,
    },
    /// List images.
    Ls(Output),
    /// Remove an image.
    Rm {
        /// Its name.
        name: String,
    },
}

#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Output {
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
