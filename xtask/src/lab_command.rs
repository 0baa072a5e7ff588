//! `cargo xtask lab`: one command, here when this machine has hardware KVM, else in the lab.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use lab::frame::User;
use lab::host::Support;
use lab::{Clock, Input, Options, Planned, RunOptions, Stream};

use crate::place::{guest_half, own};

/// The subcommand that `--check` runs inside.
pub(crate) const SMOKE: &str = "lab-smoke";

/// What `cargo xtask lab` takes.
#[derive(Args)]
pub(crate) struct LabArguments {
    /// Use the lab even when this machine has hardware KVM.
    #[arg(long)]
    force_lab: bool,
    /// Run the command as this user (default: the user who calls).
    #[arg(long, value_name = "NAME", conflicts_with = "root")]
    user: Option<String>,
    /// Run the command as root.
    #[arg(long)]
    root: bool,
    /// End the command after this time, e.g. 90s or 5m.
    #[arg(long, value_name = "TIME", default_value = "300s", value_parser = duration)]
    time_limit: Duration,
    /// Count instructions instead of time: one processor, one instruction = 1 ns of CLOCK_MONOTONIC.
    #[arg(long)]
    icount: bool,
    /// Bring a result back: a path in the lab and where it goes here.
    #[arg(long, value_name = "PATH:DEST", value_parser = copy)]
    copy_out: Vec<(PathBuf, PathBuf)>,
    /// Move this file (and a program's libraries) into the lab's memory first; for exact times with --icount.
    #[arg(long, value_name = "FILE")]
    settle: Vec<PathBuf>,
    /// The lab's memory in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 4096)]
    memory: u32,
    /// The lab's processors.
    #[arg(long, value_name = "N", default_value_t = 2)]
    cpus: u8,
    /// Load one more kernel module (may be repeated).
    #[arg(long, value_name = "NAME")]
    module: Vec<String>,
    /// Run no command but show that /dev/kvm works.
    #[arg(long, conflicts_with = "command")]
    check: bool,
    /// The command.
    #[arg(required_unless_present = "check", trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

/// Runs the command and returns its exit code; 124 at the time limit.
pub(crate) fn run(arguments: &LabArguments) -> Result<ExitCode> {
    let command = if arguments.check { own(SMOKE)? } else { arguments.command.clone() };
    let support = Support::detect();
    if arguments.check {
        eprintln!("lab: this machine: {}", support.reason());
    }
    if support == Support::Hardware && !arguments.force_lab {
        return directly(&command);
    }
    let planned = Planned::new(options(arguments)?);
    forward_signals(planned.interrupter())?;
    let mut lab = planned.start()?;
    lab.settle(&arguments.settle)?;
    let run = RunOptions {
        user: user(arguments)?,
        time_limit: arguments.time_limit,
        input: Input::Inherit,
        ..RunOptions::default()
    };
    let ended = lab.run(&command, &run, &mut pass_on)?;
    let copied = arguments.copy_out.iter().try_for_each(|(from, to)| lab.copy_out(from, to));
    if ended == lab::Ended::TimeLimit {
        eprintln!("lab: the command was ended at its time limit of {} s", arguments.time_limit.as_secs());
    }
    if let Some(line) = lab.trouble() {
        eprintln!("lab: the lab's own kernel was in trouble, so this result counts for nothing: {line}");
    }
    match (copied, ended.code()) {
        (Err(error), 0) => Err(error.into()),
        // A command that failed may have good reason to leave no results; its own code says more.
        (Err(error), code) => {
            eprintln!("lab: {error}");
            Ok(ExitCode::from(code))
        }
        (Ok(()), code) => Ok(ExitCode::from(code)),
    }
}

/// The check that `--check` runs inside.
pub(crate) fn smoke() -> Result<ExitCode> {
    println!("{}", lab::smoke::check()?);
    Ok(ExitCode::SUCCESS)
}

fn options(arguments: &LabArguments) -> Result<Options> {
    Ok(Options {
        clock: if arguments.icount { Clock::Instructions } else { Clock::Wall },
        memory_mib: arguments.memory,
        cpus: arguments.cpus,
        modules: arguments.module.clone(),
        ..Options::new(guest_half()?)
    })
}

fn directly(command: &[String]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command given")?;
    let status =
        Command::new(program).args(arguments).status().with_context(|| format!("cannot run {program}"))?;
    Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(255)))
}

fn user(arguments: &LabArguments) -> Result<User> {
    match (&arguments.user, arguments.root) {
        (Some(name), _) => Ok(User::Named(name.clone())),
        (None, true) => Ok(User::Root),
        (None, false) => caller(),
    }
}

/// The user who calls.
fn caller() -> Result<User> {
    let output = Command::new("id").arg("-un").output().context("cannot run id")?;
    let name = String::from_utf8(output.stdout).context("the user's name is not UTF-8")?;
    match name.trim() {
        "" => bail!("this user has no name"),
        "root" => Ok(User::Root),
        name => Ok(User::Named(name.to_owned())),
    }
}

/// Prints what the command prints.
fn pass_on(stream: Stream, bytes: &[u8]) {
    // A reader that has gone is the command's reader too; there is nobody to tell.
    let _ = match stream {
        Stream::Stdout => std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush()),
        Stream::Stderr => std::io::stderr().write_all(bytes),
    };
}

/// Ctrl-C and SIGTERM are for the command inside.
fn forward_signals(interrupter: lab::Interrupter) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals =
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
    std::thread::spawn(move || {
        for number in signals.forever() {
            interrupter.signal(u8::try_from(number).unwrap_or(15));
        }
    });
    Ok(())
}

/// `90`, `90s` or `5m`.
fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.trim_end_matches(char::is_alphabetic).len());
    let number: u64 = number.parse().map_err(|error| format!("{error}"))?;
    match unit {
        "" | "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        other => Err(format!("unknown unit {other}: use s or m")),
    }
}

fn copy(text: &str) -> Result<(PathBuf, PathBuf), String> {
    match text.split_once(':') {
        Some((from, to)) if from.starts_with('/') && !to.is_empty() => Ok((from.into(), to.into())),
        _malformed => Err("use /PATH/IN/LAB:DEST".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("90"), Ok(Duration::from_secs(90)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        assert!(duration("5h").is_err());
        assert!(duration("s").is_err());
    }

    #[test]
    fn a_copy_names_both_ends() {
        assert_eq!(copy("/a/b:c"), Ok(("/a/b".into(), "c".into())));
        assert!(copy("a:b").is_err());
        assert!(copy("/a").is_err());
    }
}
