//! Programs of other people that tests deliver to or send with, in the build directory: they are not for this machine. Debian
//! lets only one program be the system's log, so of syslog-ng the files are taken and nothing is installed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::workspace::Workspace;

/// A collector of OpenTelemetry: a Python package with a program in it, which needs no Python.
const COLLECTOR: &str = "rotel==0.0.1a15";

/// A client of AWS: the egress tests sign with it, and check signatures with it.
const BOTO3: [&str; 2] = ["boto3==1.44.8", "botocore==1.44.8"];

/// syslog-ng, and the libraries that only it needs.
const SYSLOG: [&str; 7] =
    ["syslog-ng-core", "libivykis0", "libnet1", "libpcre3", "libjson-c5", "libwrap0", "libglib2.0-0"];

/// Fetches those that are missing; `update` is for lists that are too old. Returns the summary.
pub(crate) fn ensure(workspace: &Workspace, update: &mut impl FnMut() -> Result<()>) -> Result<String> {
    let tools = workspace.target.join("tools");
    let [collector, boto3, syslog] = ["rotel", "boto3", "syslog-ng"].map(|name| tools.join(name));
    if !collector.join("rotel/rotel-agent").is_file() {
        // The program in it runs where this version of the C library or a newer one is, whatever Python there is.
        let platform =
            ["--no-deps", "--platform", "manylinux_2_34_x86_64", "--python-version", "3.11", COLLECTOR];
        succeed(pip().args(platform).arg("--target").arg(&collector))?;
    }
    if !boto3.join("botocore").is_dir() {
        succeed(pip().args(BOTO3).arg("--target").arg(&boto3))?;
    }
    if !syslog.join("usr/sbin/syslog-ng").is_file() {
        fs::create_dir_all(&syslog).context("cannot make the folder of syslog-ng")?;
        let fetch = || {
            let mut fetch = Command::new("apt-get");
            succeed(fetch.args(["--quiet", "download"]).args(SYSLOG).current_dir(&syslog))
        };
        fetch().or_else(|_too_old| update().and_then(|()| fetch()))?;
        unpack(&syslog)?;
    }
    Ok("rotel, boto3 and syslog-ng are there for the tests".to_owned())
}

fn pip() -> Command {
    let mut pip = Command::new("pip3");
    pip.args(["install", "--quiet", "--upgrade", "--only-binary", ":all:"]);
    pip
}

fn unpack(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder).context("cannot list what was fetched")? {
        let package = entry?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            succeed(Command::new("dpkg").arg("--extract").arg(&package).arg(folder))?;
            fs::remove_file(&package).context("cannot remove what was unpacked")?;
        }
    }
    Ok(())
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_owned();
    let output = command.stdin(Stdio::null()).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed: {}", program.display(), said.trim());
    Ok(())
}
