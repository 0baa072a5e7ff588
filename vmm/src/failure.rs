//! What the manager is told when a machine cannot be built or run: one line of cause, one of remedy.

use std::error::Error;

/// A cause with its remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) cause: String,
    pub(crate) remedy: String,
}

impl Failure {
    /// A failure whose cause is an error with all its sources.
    pub(crate) fn new(error: &dyn Error, remedy: &str) -> Self {
        Self { cause: chain(error), remedy: remedy.to_owned() }
    }
}

/// An error and its sources in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn sources_follow_on_one_line() {
        let error = Outer(std::io::Error::other("in\nner"));
        assert_eq!(Failure::new(&error, "wait").cause, "outer: in ner");
    }
}
