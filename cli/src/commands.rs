//! One module per command; each returns the exit code or the failure that `main` prints.

mod audit;
mod doctor;
mod gpu;
mod image;
mod inference;
mod policy;
mod vm;

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use audit_export::format::{ascii_controls, printable};
use manager::doctor::Finding;
use manager::failure::{ExitStatus, Failure};
use manager::layout::Layout;

use crate::arguments::{Arguments, Command, Output};

/// Exit code of a command whose answer is no.
const NO: u8 = 1;

/// Exit code of a command that asks something and got no answer, as of one that was typed wrongly.
pub(crate) const UNANSWERED: u8 = 2;

/// Runs what was typed.
pub(crate) fn run(arguments: Arguments) -> Result<u8, Failure> {
    let layout = Layout::from_env()?;
    match arguments.command {
        Command::Vm(command) => vm::run(command, layout),
        Command::Policy(command) => policy::run(command, &layout),
        Command::Audit(command) => audit::run(command, &layout),
        Command::Inference(command) => inference::run(command, &layout),
        Command::Gpu(command) => gpu::run(command),
        Command::Image(command) => image::run(command, &layout).map_err(negative),
        Command::Doctor(output) => doctor::run(output, &layout).map_err(negative),
    }
}

/// Only `vm run` speaks in the exit codes of an agent; those that do something say 1, unless the user has ended them.
fn negative(failure: Failure) -> Failure {
    match failure.status {
        ExitStatus::Interrupted => failure,
        _other => failure.with_status(ExitStatus::Agent(NO)),
    }
}

/// A question that could not be answered is neither yes nor no.
fn unanswered(failure: Failure) -> Failure {
    match failure.status {
        ExitStatus::Interrupted => failure,
        _other => failure.with_status(ExitStatus::Agent(UNANSWERED)),
    }
}

/// Prints `value` as JSON.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    println!("{}", shown_json(value)?);
    Ok(())
}

/// Prints what was looked at; the exit code says whether all is well.
fn print_findings(findings: &[Finding], output: Output) -> Result<u8, Failure> {
    if output.json {
        print_json(&findings)?;
    } else {
        for Finding { subject, state, remedy } in findings {
            let mark = if remedy.is_none() { "ok  " } else { "miss" };
            println!("{}", printable(&format!("{mark}  {subject}: {state}")));
            if let Some(remedy) = remedy {
                println!("      remedy: {}", printable(remedy));
            }
        }
    }
    Ok(if findings.iter().all(|finding| finding.remedy.is_none()) { 0 } else { NO })
}

/// `value` as JSON with which no text in it drives a terminal.
fn shown_json(value: &impl serde::Serialize) -> Result<String, Failure> {
    let bug =
        |error: &dyn std::error::Error| Failure::new(error, "this is a fault of openshell: please report it");
    let text = serde_json::to_string_pretty(value).map_err(|error| bug(&error))?;
    let mut out = Vec::with_capacity(text.len());
    for (number, line) in text.lines().enumerate() {
        if number > 0 {
            out.push(b'\n');
        }
        ascii_controls(line, &mut out);
    }
    String::from_utf8(out).map_err(|error| bug(&error))
}

/// Writes a file that the user named.
fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| cannot_write(path, &error))
}

/// The same for what says where an agent went: a new file is nobody else's to read.
fn write_private(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    let cause = format!("cannot write {}: {error}", path.display());
    Failure::new(cause, "name a file in a directory that you may write")
}
