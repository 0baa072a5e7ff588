//! What may be typed after `openshell policy proposals`, `approve` and `reject`.

use clap::Args;

use super::Output;

#[derive(Debug, Args)]
pub(crate) struct Proposals {
    /// The sandbox: its id, or its agent's name if only one runs. Without it, all that run.
    pub(crate) sandbox: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Approve {
    /// The proposal.
    pub(crate) id: String,
    /// For so long: 90s, 30m, 1h. Without it and without --once: to the sandbox's end.
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds, conflicts_with = "once")]
    pub(crate) time: Option<u32>,
    /// For one request.
    #[arg(long)]
    pub(crate) once: bool,
    /// What was seen, as 'policy proposals' prints it. Without it, what was printed last.
    #[arg(long, value_name = "SHA256")]
    pub(crate) digest: Option<String>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Reject {
    /// The proposal.
    pub(crate) id: String,
    /// Why, for the agent to read.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    #[command(flatten)]
    pub(crate) output: Output,
}

fn seconds(text: &str) -> Result<u32, String> {
    let seconds = policies::seconds(text).and_then(|seconds| u32::try_from(seconds).ok());
    seconds
        .filter(|seconds| *seconds > 0)
        .ok_or_else(|| "write a number and s, m or h, such as 30m".to_owned())
}
