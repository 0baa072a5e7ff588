//! Boot time and overhead of our VMM beside QEMU's microvm: same kernel, same initramfs, one virtual CPU,
//! 256 MiB, same lab, turn by turn.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use images::{Kernel, Stop, default_cache};
use lab::{Clock, Ended, Lab, Options, RunOptions, Stream};
use serde::{Deserialize, Serialize};

use super::contender::Contender;
use super::session;
use super::stopwatch::{self, Measured};
use crate::place::{guest_half, own};
use crate::product;
use crate::report::Report;
use crate::workspace::Workspace;

/// The subcommand that measures inside the lab.
pub(crate) const INSIDE: &str = "bench-boot-inside";

const BUSYBOX: &str = "/bin/busybox";
const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// The firmware that QEMU is given.
const QEMU_ROM: &str = "/usr/share/qemu/qboot.rom";
const INIT: &str = "#!/bin/busybox sh\necho first-line-of-init\nexec /bin/busybox sleep 1000\n";
/// A run takes a minute where nothing else does; several times that, because the machine may be busy.
const LIMIT: Duration = Duration::from_secs(90 * 60);

/// Most guests that may not come up, of all runs.
const MOST_LOST: u32 = 3;

/// What is measured, as the half outside tells the half inside.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(super) vmm: PathBuf,
    pub(super) kernel: PathBuf,
    pub(super) initramfs: PathBuf,
    /// The whole product, and the agent that it runs.
    pub(super) openshell: PathBuf,
    pub(super) agent: PathBuf,
    pub(super) runs: u32,
}

/// Builds, starts a lab, measures in it, prints.
pub(super) fn run(runs: u32) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut report = Report::new(workspace.target.join("bench"), Vec::new())?;
    let built = report.step("build", |log| product::build(&workspace, log))
        && report.step("images", |log| product::images(&workspace, log));
    ensure!(built, "the product does not build");
    let folder = tempfile_folder()?;
    let kernel = Kernel::ensure(&default_cache(), &Stop::never())?.vmlinux;
    let plan = Plan {
        vmm: workspace.release().join("openshell-vmm"),
        kernel,
        initramfs: initramfs(&folder)?,
        openshell: product::openshell(&workspace),
        agent: session::agent(&folder)?,
        runs,
    };
    let options = Options { clock: Clock::Instructions, ..Options::new(guest_half()?) };
    let mut lab = Lab::start(&options)?;
    let mut settled = vec![plan.vmm.clone(), plan.kernel.clone(), plan.initramfs.clone(), QEMU.into()];
    settled.push(QEMU_ROM.into());
    settled.extend(session::files(&workspace.release(), &default_cache()));
    settled.push(own(INSIDE)?.swap_remove(0).into());
    lab.settle(&settled)?;
    let (measured, phases) = measure(&mut lab, &plan)?;
    ensure!(lab.trouble().is_none(), "the lab's own kernel was in trouble, so the figures count for nothing");
    print(&measured);
    print_session(&phases);
    std::fs::remove_dir_all(&folder).context("cannot remove the folder of this run")?;
    Ok(if ours_is_not_slower(&measured) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The half inside: measures and prints one JSON document.
pub(crate) fn inside(plan: &str) -> Result<ExitCode> {
    let plan: Plan = serde_json::from_str(plan).context("not a plan")?;
    let mut measured = Vec::new();
    let mut lost = 0;
    let mut phases = session::Phases::new();
    for run in 0..=plan.runs {
        eprintln!("  run {run} of {}, both contenders", plan.runs);
        for contender in Contender::ALL {
            let result = until_up(&mut lost, || stopwatch::measure(contender, &plan))?;
            // The first run finds caches cold that no later run does.
            if run > 0 {
                measured.push(result);
            }
        }
    }
    let _cold = until_up(&mut lost, || session::measure(&plan))?;
    for run in 1..=plan.runs {
        eprintln!("  run {run} of {}, the whole product", plan.runs);
        session::add(until_up(&mut lost, || session::measure(&plan))?, &mut phases);
    }
    println!("{}", serde_json::to_string(&(measured, phases))?);
    Ok(ExitCode::SUCCESS)
}

/// Measures again what did not come up: the emulated processor loses a guest now and then, whoever runs it.
fn until_up<T>(lost: &mut u32, mut once: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    loop {
        if let Some(result) = once()? {
            return Ok(result);
        }
        *lost += 1;
        ensure!(*lost <= MOST_LOST, "{lost} guests did not come up");
        eprintln!("  a guest did not come up within {} virtual s; again", stopwatch::PATIENCE.as_secs());
    }
}

fn measure(lab: &mut Lab, plan: &Plan) -> Result<(Vec<Measured>, session::Phases)> {
    let mut argv = own(INSIDE)?;
    argv.push(serde_json::to_string(plan)?);
    let mut out = Vec::new();
    let options = RunOptions { time_limit: LIMIT, cwd: "/".into(), ..RunOptions::default() };
    let ended = lab.run(&argv, &options, &mut |stream, bytes| match stream {
        Stream::Stdout => out.extend_from_slice(bytes),
        Stream::Stderr => drop(std::io::stderr().write_all(bytes)),
    })?;
    ensure!(ended == Ended::Exit(0), "the measurement failed: {ended:?}");
    serde_json::from_slice(&out).context("the measurement said something else than figures")
}

fn print(measured: &[Measured]) {
    println!(
        "exec to first line of init: median (min – max) in virtual ms; overhead = resident less guest memory"
    );
    for contender in Contender::ALL {
        let of: Vec<_> = measured.iter().filter(|run| run.contender == contender).collect();
        let mut times: Vec<_> = of.iter().map(|run| run.to_init_us).collect();
        times.sort_unstable();
        let overhead = of.iter().map(|run| run.overhead_kib).max().unwrap_or_default();
        println!(
            "  {:14} {:8.1} ({:.1} – {:.1})  overhead {:6.1} MiB  {} runs",
            contender.name(),
            ms(median(&times)),
            ms(times[0]),
            ms(times[times.len() - 1]),
            f64::from(overhead) / 1024.0,
            times.len(),
        );
        let phases = of.first().map(|run| run.phases.as_slice()).unwrap_or_default();
        for (index, (name, _)) in phases.iter().enumerate() {
            let mut ends: Vec<_> =
                of.iter().filter_map(|run| run.phases.get(index)).map(|(_, end)| *end).collect();
            ends.sort_unstable();
            println!("      until {name:10} {:8.1}", ms(median(&ends)));
        }
    }
}

fn print_session(phases: &session::Phases) {
    println!("openshell vm run, image tiny: median virtual ms until each phase has ended");
    for (name, ends) in phases {
        let mut ends = ends.clone();
        ends.sort_unstable();
        let (_order, name) = name.split_once(' ').unwrap_or(("", name));
        println!("      {name:26} {:8.1}  {} runs", ms(median(&ends)), ends.len());
    }
}

fn ours_is_not_slower(measured: &[Measured]) -> bool {
    let of = |contender| {
        let mut times: Vec<_> =
            measured.iter().filter(|run| run.contender == contender).map(|run| run.to_init_us).collect();
        times.sort_unstable();
        median(&times)
    };
    of(Contender::Ours) <= of(Contender::Qemu)
}

/// The middle one of sorted figures.
fn median(sorted: &[u32]) -> u32 {
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

fn ms(us: u32) -> f64 {
    f64::from(us) / 1000.0
}

fn tempfile_folder() -> Result<PathBuf> {
    let folder = std::env::temp_dir().join(format!("openshell-bench-{}", std::process::id()));
    std::fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// A busybox shell and a script that prints one line: small, so that the kernel's own time counts.
fn initramfs(folder: &Path) -> Result<PathBuf> {
    let root = folder.join("root");
    std::fs::create_dir_all(root.join("bin"))?;
    std::fs::create_dir(root.join("dev"))?;
    std::fs::copy(BUSYBOX, root.join("bin/busybox")).context("package busybox-static is missing")?;
    std::fs::write(root.join("init"), INIT)?;
    std::fs::set_permissions(root.join("init"), std::fs::Permissions::from_mode(0o755))?;
    let archive = folder.join("initramfs");
    super::archive::pack(&root, &archive)?;
    Ok(archive)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(&[1, 2, 9]), 2);
        assert_eq!(median(&[]), 0);
    }
}
