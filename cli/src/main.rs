//! The `openshell` command: parse, run, exit. What was typed becomes a call into `manager`, `images`,
//! `audit` or `policies`; results go to standard output, everything else to standard error.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "this crate is the one that talks to people")]

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
    match commands::run(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.status.code())
        }
    }
}

/// One line of cause and one of remedy.
pub(crate) fn report(failure: &Failure) {
    eprintln!("openshell: {}", failure.cause);
    eprintln!("  remedy: {}", failure.remedy);
}
