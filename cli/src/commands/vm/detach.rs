//! `openshell vm run --detach` and `openshell vm attach`.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use manager::failure::{ExitStatus, Failure};
use manager::layout::Layout;
use manager::operator::{self, Attachment, DetachKeys};
use manager::signals::Watch;
use rustix::process::{Pid, Signal};

use crate::arguments::Run;

/// Starts ourselves once more, away from the terminal, and waits until the agent runs.
pub(super) fn start(arguments: &Run) -> Result<u8, Failure> {
    let mut child = detached(arguments).map_err(|error| {
        Failure::new(format_args!("cannot start a detached run: {error}"), "check the limit on processes")
    })?;
    // It hears no terminal any more.
    let pid = Pid::from_child(&child);
    let _signals = Watch::start(move |signal| {
        if signal.ends() {
            let _ended = rustix::process::kill_process(pid, Signal::TERM);
        }
    })?;
    let mut sandbox = String::new();
    let told = child.stdout.take().map_or(Ok(0), |stdout| BufReader::new(stdout).read_line(&mut sandbox));
    if told.is_ok_and(|length| length > 0) {
        println!("{}", sandbox.trim_end());
        return Ok(0);
    }
    // It has said itself what went wrong.
    let status = child.wait().ok().and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    Ok(status.unwrap_or(ExitStatus::Failed.code()))
}

fn detached(arguments: &Run) -> std::io::Result<Child> {
    let Run { file, tty, boot_timeout, kernel, initramfs, .. } = arguments;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["vm", "run", "--detached", "--boot-timeout", &boot_timeout.to_string()]);
    if *tty {
        command.arg("--tty");
    }
    for (flag, path) in [("--kernel", kernel), ("--initramfs", initramfs)] {
        if let Some(path) = path {
            command.arg(flag).arg(path);
        }
    }
    command.arg("--").arg(file).stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
}

pub(super) fn attach(layout: &Layout, sandbox: &str, keys: DetachKeys) -> Result<u8, Failure> {
    match operator::attach(layout, sandbox, keys)? {
        Attachment::Ended(status) => Ok(status.code()),
        Attachment::Detached => {
            eprintln!("openshell: detached; the agent runs on");
            Ok(0)
        }
    }
}
