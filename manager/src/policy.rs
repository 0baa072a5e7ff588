//! Policies on disk: one by its file, resolved with everything that it extends.

use std::path::Path;

use policies::Document;

pub use crate::policy_files::{PolicyError, PolicyFiles, read};
use crate::spec::Spec;

/// Reads the policy in `path`, a policy file or an agent.yaml, and resolves what it extends.
///
/// # Errors
/// It cannot be read, or has mistakes.
pub fn load(path: &Path, files: &PolicyFiles) -> Result<Document, PolicyError> {
    let text = read(path).map_err(PolicyError::File)?;
    let (document, files) = if is_agent(&text) {
        let spec = Spec::parse(path, &text).map_err(PolicyError::File)?;
        (spec.policy, files.with_image(&spec.image))
    } else {
        let document = Document::parse(&text, &path.display().to_string()).map_err(PolicyError::Mistakes)?;
        (document, files.clone())
    };
    policies::compose(document, &files).map_err(PolicyError::Mistakes)
}

/// Only an agent.yaml has a command.
fn is_agent(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("command:"))
}
