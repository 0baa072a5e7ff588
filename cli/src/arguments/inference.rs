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
