//! Where a program that needs KVM runs: on this machine when it has hardware KVM, in the lab otherwise.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lab::host::Support;
use lab::{Ended, Lab, Options, RunOptions};

use crate::report::Log;

/// The subcommand that is the lab's guest half.
pub(crate) const GUEST: &str = "lab-guest";

/// Says where caches are, openshell's among them.
const CACHE: &str = "XDG_CACHE_HOME";

/// More would wait for each other's disk.
const MOST_LABS: usize = 4;
/// What a lab uses beside its machine's memory, in MiB: translated code, mostly.
const BESIDE: u64 = 1024;

/// A machine with a real KVM.
#[derive(Debug)]
pub(crate) enum Place {
    /// This one.
    Here,
    /// An emulated one, with so much memory in MiB.
    Lab(Box<Lab>, u32),
    /// What was an emulated one, and failed: what it would say now means nothing.
    Lost,
}

impl Place {
    /// This machine if it has hardware KVM; else as many labs with `memory_mib` as it has processors and memory for.
    pub(crate) fn find(memory_mib: u32) -> Result<Vec<Self>> {
        if matches!(Support::detect(), Support::Hardware) {
            return Ok(vec![Self::Here]);
        }
        let (mut started, mut failed) = (Vec::new(), None);
        for _lab in 0..labs(memory_mib) {
            match start(memory_mib) {
                Ok(lab) => started.push(Self::Lab(Box::new(lab), memory_mib)),
                Err(error) => failed = Some(error),
            }
        }
        // One that stayed silent is made up for by the others.
        match failed {
            Some(error) if started.is_empty() => Err(error),
            _ => Ok(started),
        }
    }

    /// Whether nothing can be run there any more.
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Self::Lost)
    }

    /// Starts the lab anew, with nothing left of what ran there.
    ///
    /// # Errors
    /// It does not start: then the place is lost.
    pub(crate) fn renew(&mut self) -> Result<()> {
        if let Self::Lab(_, memory_mib) = *self {
            // There is room for one of them at a time.
            *self = Self::Lost;
            *self = Self::Lab(Box::new(start(memory_mib)?), memory_mib);
        }
        Ok(())
    }

    /// All of them, in words.
    pub(crate) fn names(places: &[Self]) -> String {
        match places {
            [Self::Here] => "on this machine's KVM".to_owned(),
            [_one] => "in the KVM lab".to_owned(),
            labs => format!("in {} KVM labs side by side", labs.len()),
        }
    }

    /// Runs a program in `folder` with its output in the log, which it returns. A lab whose own machine fails, as the
    /// emulated processor lets it do now and then, is started again, once for each program.
    pub(crate) fn run(
        &mut self,
        argv: &[String],
        folder: &Path,
        limit: Duration,
        log: &Log,
    ) -> Result<String> {
        match self {
            Self::Here => {
                let mut command = as_root("timeout");
                command
                    .arg("--kill-after=10")
                    .arg(limit.as_secs().to_string())
                    .args(argv)
                    .env(CACHE, cache())
                    .current_dir(folder);
                log.run(&mut command)
            }
            Self::Lost => bail!("the lab failed before"),
            Self::Lab(lab, _) => run_in(lab, argv, folder, limit, log)
                .or_else(|lost| {
                    println!("  the lab's machine failed, and is started again: {lost:#}");
                    self.renew()?;
                    let Self::Lab(lab, _) = self else { bail!("the lab failed before") };
                    run_in(lab, argv, folder, limit, log)
                })
                .unwrap_or_else(|error| {
                    *self = Self::Lost;
                    Err(error)
                }),
        }
    }
}

fn start(memory_mib: u32) -> Result<Lab> {
    // Of two emulated processors one may still run the old form of code that the other one has just patched, as kernels
    // do with their own while they run: the lab's, and those of the guests in it. It showed as an `int3` where there
    // is none, anything from a lost thread in a guest to a panic of the lab. Labs side by side keep all real ones busy.
    let cpus = 1;
    let options = Options { memory_mib, cpus, modules: capture_modules(), ..Options::new(guest_half()?) };
    Ok(Lab::start(&options)?)
}

/// How many labs fit: each may use all of its memory, and keeps one processor busy.
fn labs(memory_mib: u32) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let fit = available_mib().unwrap_or(0) / (u64::from(memory_mib) + BESIDE);
    usize::try_from(fit).unwrap_or(MOST_LABS).clamp(1, processors.min(MOST_LABS))
}

/// Memory that could be used, as the kernel estimates it, and at most what a container is given.
fn available_mib() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available = line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? >> 10;
    let given = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let given = given.and_then(|text| text.trim().parse::<u64>().ok()).map(|bytes| bytes >> 20);
    Some(given.map_or(available, |given| given.min(available)))
}

/// A subcommand of this binary, as a command line.
pub(crate) fn own(subcommand: &str) -> Result<Vec<String>> {
    let path = std::env::current_exe().context("cannot find this binary")?;
    let path = path.into_os_string().into_string().ok().context("the path of this binary is not UTF-8")?;
    // A build that ran meanwhile has put a newer one at the same path.
    let path = path.trim_end_matches(" (deleted)");
    Ok(vec![path.to_owned(), subcommand.to_owned()])
}

/// What a lab must be told about this binary.
pub(crate) fn guest_half() -> Result<Vec<std::ffi::OsString>> {
    Ok(own(GUEST)?.into_iter().map(Into::into).collect())
}

/// A command that runs as root with our environment: what is tested is what root may do.
fn as_root(program: &str) -> Command {
    let root =
        std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
    if root {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["--non-interactive", "--preserve-env", program]);
    command
}

/// Where our images are. Root, who runs the tests, would look for its own.
fn cache() -> PathBuf {
    let openshell = images::default_cache();
    openshell.parent().expect("the cache lies in a folder that others share").to_owned()
}

/// What the capture in the guest is made of: guest-init's tests build it in a namespace of their own.
fn capture_modules() -> Vec<String> {
    let capture = |name: &&&str| **name == "dummy" || name.starts_with("nf") || name.ends_with("_diag");
    images::initramfs::MODULES.iter().filter(capture).map(|name| (*name).to_owned()).collect()
}

/// What runs in a lab, one line each, and where in its kernel it waits.
fn processes(lab: &mut Lab) -> String {
    let list = ["ps", "--ppid=2", "--deselect", "-o", "pid=,stat=,etime=,wchan=,comm="].map(str::to_owned);
    let options = RunOptions { time_limit: Duration::from_secs(30), ..RunOptions::default() };
    let mut text = Vec::new();
    let listed = lab.run(&list, &options, &mut |_stream, bytes| text.extend_from_slice(bytes));
    listed.map_or_else(|error| error.to_string(), |_ended| String::from_utf8_lossy(&text).into_owned())
}

/// Runs a program. The outer error is one of the lab, the inner one the program's.
fn run_in(
    lab: &mut Lab,
    argv: &[String],
    folder: &Path,
    limit: Duration,
    log: &Log,
) -> Result<Result<String>> {
    let mut file = log.create()?;
    let mut options = RunOptions { cwd: folder.to_owned(), time_limit: limit, ..RunOptions::default() };
    options.env.retain(|(name, _value)| name != CACHE);
    options.env.push((CACHE.to_owned(), cache().display().to_string()));
    let mut written = Ok(());
    let ended = lab.run(argv, &options, &mut |_stream, bytes| {
        let write = file.write_all(bytes);
        written = std::mem::replace(&mut written, Ok(())).and(write);
    })?;
    written.context("cannot write the log")?;
    if let Some(line) = lab.trouble() {
        bail!(log.failure(&format!("the lab's own kernel was in trouble: {line}")));
    }
    Ok(match ended {
        Ended::Exit(0) => log.text(),
        Ended::Exit(code) => Err(log.failure(&format!("exit code {code}"))),
        Ended::TimeLimit => {
            let left = processes(lab);
            Err(log.failure(&format!("ended at its time limit of {} s; left:\n{left}", limit.as_secs())))
        }
    })
}
