//! What went wrong, for the person at the terminal: one line of cause, one line of remedy, one exit code.

use std::fmt;

use policies::LoadErrors;
use wire::control::Exit;

/// An error as it is shown: printed once, at the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What happened, in one line.
    pub cause: String,
    /// What to do about it, in one line.
    pub remedy: String,
    /// The exit status that tells a script.
    pub status: ExitStatus,
}

/// Longest line that a guest may say, in characters.
const MAX_LINE: usize = 300;

/// Exit statuses of `openshell vm run` that are not the agent's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// The run's time was up.
    TimedOut,
    /// openshell failed.
    Failed,
    /// The policy does not permit it.
    NotPermitted,
    /// The command was not found in the guest.
    NotFound,
    /// Ctrl-C.
    Interrupted,
    /// The agent's own.
    Agent(u8),
}

impl Failure {
    /// openshell itself failed.
    pub fn new(cause: impl fmt::Display, remedy: impl fmt::Display) -> Self {
        Self { cause: one_line(&cause), remedy: one_line(&remedy), status: ExitStatus::Failed }
    }

    /// The same failure under another exit status.
    #[must_use]
    pub fn with_status(self, status: ExitStatus) -> Self {
        Self { status, ..self }
    }
}

impl ExitStatus {
    /// That of a process in the guest.
    ///
    /// # Errors
    /// It did not run, or did not end by itself.
    pub fn of(exit: Exit) -> Result<Self, Failure> {
        match exit {
            Exit::Code(code) => Ok(Self::Agent(code)),
            Exit::Signal(number) => Ok(Self::Agent(u8::try_from(number).map_or(255, |n| n.saturating_add(128)))),
            Exit::NotFound => Err(Failure::new(
                "the command was not found in the guest",
                "check the command and its PATH; a script needs its interpreter in the image",
            )
            .with_status(Self::NotFound)),
            Exit::NotExecutable => Err(Failure::new(
                "the command may not be executed",
                "make the file executable, and let policy.filesystem and policy.process.executables allow to execute it",
            )
            .with_status(Self::NotPermitted)),
            Exit::OutOfMemory => Err(Failure::new(
                "the guest ran out of memory and its kernel ended the command",
                "raise resources.memory in agent.yaml",
            )),
        }
    }

    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::TimedOut => 124,
            Self::Failed => 125,
            Self::NotPermitted => 126,
            Self::NotFound => 127,
            Self::Interrupted => 130,
            Self::Agent(code) => code,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.cause)
    }
}

impl std::error::Error for Failure {}

/// An error and the errors beneath it, joined by `: `.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text.push_str(": ");
        text.push_str(&source.to_string());
        next = source.source();
    }
    text
}

/// The first mistake stands for all: `openshell policy check` lists every one.
pub(crate) fn wrong_policy(errors: &LoadErrors) -> Failure {
    let first = errors.first();
    Failure::new(first, first.remedy())
}

fn one_line(text: &impl fmt::Display) -> String {
    // Part of it may be the guest's words: they must not drive the operator's terminal.
    let text = text.to_string().replace(|c: char| c.is_control(), " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A line of a guest's, which drives no terminal.
pub(crate) fn presentable(cause: &str) -> String {
    cause.chars().take(MAX_LINE).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_guest_says_of_a_failure_drives_no_terminal() {
        let told = presentable(&format!("a\u{1b}[2Jb\u{9b}{}", "x".repeat(1000)));
        assert!(told.starts_with("a\u{fffd}[2Jb\u{fffd}x") && told.chars().count() == MAX_LINE, "{told}");
    }
}
