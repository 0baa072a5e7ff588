//! Reads a [`VaultQuestion`] from its standard input, and writes a [`VaultAnswer`] to its standard output. Nothing of either
//! is in its arguments, its environment or a core dump.

use std::io::{Read, Write};
use std::process::ExitCode;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};
use vault::VaultError;
use wire::vault::{VaultAnswer, VaultQuestion};
use zeroize::Zeroizing;

/// Longest question, in bytes: roots are the most of it.
const LONGEST: u64 = 4 * 1024 * 1024;

fn main() -> ExitCode {
    let answer = match answer() {
        Ok(answer) => answer,
        Err(error) => VaultAnswer::Refused { cause: wire_text(&error), remedy: error.remedy().to_owned() },
    };
    let text = serde_json::to_vec(&answer).map(Zeroizing::new);
    match text.map(|text| std::io::stdout().write_all(&text)) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

fn answer() -> Result<VaultAnswer, VaultError> {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let hidden = setrlimit(Resource::Core, none)
        // Nor does another process of the same user read its memory.
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable));
    hidden.map_err(|error| VaultError::Question(error.to_string()))?;
    let mut text = Zeroizing::new(Vec::new());
    let read = std::io::stdin().take(LONGEST).read_to_end(&mut text);
    read.map_err(|error| VaultError::Question(error.to_string()))?;
    let question: VaultQuestion = serde_json::from_slice(&text)
        .map_err(|_quotes_it| VaultError::Question("it is malformed".to_owned()))?;
    vault::ask(&question).map(VaultAnswer::Secret)
}

/// An error and its sources in one line.
fn wire_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    text
}
