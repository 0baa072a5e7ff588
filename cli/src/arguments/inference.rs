//! `openshell inference …`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

/// What can be asked about calls of models.
#[derive(Debug, Subcommand)]
pub(crate) enum Inference {
    /// Show what the privacy router would find in a text.
    ///
    /// The exit code is 0 if nothing was found, 1 if something was, 2 if the text cannot be read.
    Classify(Classify),
    /// Run the model servers that `inference.yaml` in the configuration directory names, until interrupted.
    ///
    /// Sandboxes whose agent.yaml names one (`inference.providers.local: {serving: NAME}`) are served by it.
    Serve(InferenceServe),
    /// Show how the model servers stand.
    ///
    /// The exit code is 0 if all answer, or sleep and have answered before, 1 if one does not or no process serves, 2 if it cannot be asked.
    Status(Output),
    /// List the models that are known and whether this host can serve them; with MODEL, what would be served, and why.
    ///
    /// The exit code is 0; with MODEL 1 if nothing fits; 2 if there is a driver that does not answer.
    Models(InferenceModels),
}

#[derive(Debug, Args)]
pub(crate) struct InferenceServe {
    /// Ask this library instead of the libnvidia-ml.so.1 that the dynamic linker finds.
    #[arg(long, value_name = "PATH")]
    pub(crate) library: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct InferenceModels {
    /// A model of the catalogue, or a family.
    #[arg(value_name = "MODEL")]
    pub(crate) model: Option<String>,
    /// Tokens that a conversation is to have.
    #[arg(long, value_name = "TOKENS")]
    pub(crate) context: Option<u64>,
    /// One form alone, such as fp8.
    #[arg(long, value_name = "FORM", requires = "model")]
    pub(crate) quantisation: Option<String>,
    /// In the host's memory instead of on a GPU.
    #[arg(long)]
    pub(crate) processor: bool,
    /// Ask this library instead of the libnvidia-ml.so.1 that the dynamic linker finds.
    #[arg(long, value_name = "PATH", conflicts_with = "processor")]
    pub(crate) library: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}

#[derive(Debug, Args)]
pub(crate) struct Classify {
    /// The text; `-` is standard input.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// Words of yours that must not leave, one a line (`property/term`).
    #[arg(long, value_name = "FILE")]
    pub(crate) terms: Option<PathBuf>,
    /// A text of yours, or a directory of such, of which no piece must leave (`property/document`); may be given more than once.
    #[arg(long = "document", value_name = "FILE")]
    pub(crate) documents: Vec<PathBuf>,
    /// Rules of yours, as `inference.detect` of agent.yaml has them.
    #[arg(long, value_name = "FILE")]
    pub(crate) rules: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: Output,
}
