//! What may be typed after `openshell policy`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Approve, Output, Proposals, Reject};

#[derive(Debug, Subcommand)]
pub(crate) enum Policy {
    /// Check a policy: mistakes, and what its author may not mean; exit code 0 if it loads, 1 if not.
    Check(Check),
    /// Say whether a request would be allowed, what decides, and what would have to change; exit code 0 allowed, 1 denied.
    Explain(Explain),
    /// Print the policy with everything that it extends; a comment says where each entry was written.
    Show(Show),
    /// List the policies that come with the product, for 'extends'.
    Presets(Output),
    /// Hold a policy against tables of requests and verdicts; exit code 0 if every verdict is as expected, 1 if not.
    Test(Test),
    /// Say which requests one policy allows and the other denies; exit code 0 if there are none, 1 if there are.
    Diff(Diff),
    /// Write the smallest policy that covers what an audit log shows, for review.
    Learn(Learn),
    /// Turn an OpenShell policy (schema version 1) into one of ours; exit code 0 if it was imported, 1 if not.
    ///
    /// The policy goes to standard output or OUT, and the report to standard error: every place where it
    /// does not mean exactly the same. It never allows more than the imported policy.
    Import(Import),
    /// Replace the policy of a running sandbox: for its next request, and for every open connection.
    ///
    /// With exit code 0 the new policy is in force and nothing is open that it does not allow. With exit code 1
    /// nothing has changed, unless it says that the sandbox did not confirm. Only the network part can be
    /// replaced; filesystem and process hold to the sandbox's end.
    Set(Set),
    /// List what agents propose, what it would allow, and the risk of it.
    Proposals(Proposals),
    /// Allow what an agent proposes, as it was shown: for a time, for one request, or to the sandbox's end.
    Approve(Approve),
    /// Say no to what an agent proposes, and why, for it to read.
    Reject(Reject),
}

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The policy, an agent.yaml that holds one, or a name such as preset/slack.
    pub(crate) file: PathBuf,
    /// Warnings make the exit code 1; notes do not.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The policy, an agent.yaml that holds one, or a name such as preset/slack.
    pub(crate) file: PathBuf,
    /// The program: its path in the guest, or the name of one in /usr/bin. Several, if several hold the socket.
    #[arg(long, required = true, value_name = "PROGRAM")]
    pub(crate) binary: Vec<String>,
    /// HTTP method.
    #[arg(long, default_value = "GET")]
    pub(crate) method: String,
    /// A header field of the request.
    #[arg(long, value_name = "NAME:VALUE", value_parser = header)]
    pub(crate) header: Vec<(String, String)>,
    /// The body, for rules that look into messages; JSON, unless a header field says otherwise.
    #[arg(long, value_name = "TEXT")]
    pub(crate) body: Option<String>,
    /// What it asks for, for example <https://api.slack.com/api/chat.postMessage>.
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The policy, an agent.yaml that holds one, or a name such as preset/slack.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Test {
    /// The policy, or an agent.yaml that holds one.
    pub(crate) file: PathBuf,
    /// Tables of requests and verdicts; without one, FILE with the extension 'table'.
    pub(crate) tables: Vec<PathBuf>,
    /// Write the result as JUnit XML too.
    #[arg(long, value_name = "OUT")]
    pub(crate) junit: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The policy as it was.
    pub(crate) before: PathBuf,
    /// The policy as it is to be.
    pub(crate) after: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Learn {
    /// The audit log, a file.
    pub(crate) log: PathBuf,
    /// Only what was allowed, and not what was asked for and denied.
    #[arg(long)]
    pub(crate) allowed_only: bool,
    /// Write the policy to this file instead of standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// The sandbox: its id, or its agent's name if only one runs.
    pub(crate) sandbox: String,
    /// The new policy, or an agent.yaml that holds one.
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The OpenShell policy.
    pub(crate) file: PathBuf,
    /// Write the policy to this file instead of standard output.
    #[arg(short, long, value_name = "OUT")]
    pub(crate) output: Option<PathBuf>,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = ReportForm::Text)]
    pub(crate) report: ReportForm,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportForm {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write NAME:VALUE")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}
