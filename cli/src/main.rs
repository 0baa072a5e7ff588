//! The `openshell` command: parse, run, exit. What was typed becomes a call into `manager`, `images`,
//! `audit` or `policies`; results go to standard output, everything else to standard error.
#![expect(clippy::print_stderr, reason = "this crate is the one that talks to people")]

#[macro_use]
mod output;

mod arguments;
mod commands;

use std::process::ExitCode;

use clap::Parser;
use manager::failure::Failure;

use crate::arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::try_parse().unwrap_or_else(|error| {
        // clap prints usage errors and --help itself; only its exit status is ours to keep.
        error.exit()
    });
    let code = commands::run(arguments).unwrap_or_else(|failure| {
        report(&failure);
        failure.status.code()
    });
    let Some(error) = output::end() else { return ExitCode::from(code) };
    let remedy = "free some space, or send them elsewhere";
    report(&Failure::new(format_args!("the results cannot be written: {error}"), remedy));
    ExitCode::from(commands::UNANSWERED)
}

/// One line of cause and one of remedy.
pub(crate) fn report(failure: &Failure) {
    eprintln!("openshell: {}", failure.cause);
    eprintln!("  remedy: {}", failure.remedy);
}
