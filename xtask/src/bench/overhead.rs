//! `cargo xtask bench overhead`: what the walls in the guest cost. The same work by the same user in the same image, in a guest
//! that has no walls and in a sandbox, one after the other in one lab, by its deterministic clock.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use images::initramfs::MODULES;
use images::{Kernel, Stop, default_cache};
use lab::{Clock, Ended, Lab, Options, RunOptions, Stream};

use super::archive;
use crate::place::guest_half;
use crate::product;
use crate::report::Report;
use crate::workspace::{Workspace, cargo};

const FILES: &str = "xtask/src/bench/overhead";
const INIT: &str = include_str!("overhead/init.sh");
const WORK: &str = include_str!("overhead/work.sh");
const BUSYBOX: &str = "/bin/busybox";
/// What the work is made of; `work.sh` does it.
pub(super) const PARTS: [&str; 8] = [
    "gcc",
    "open-read",
    "open-read-outside",
    "fork-exec",
    "git-clone",
    "pip-install",
    "npm-ci",
    "cargo-build",
];
/// Emulated twice over, a part takes some minutes where nothing else runs, and npm's a quarter of an hour.
const LIMIT: Duration = Duration::from_secs(40 * 60);
/// Now and then the emulator begins to leave its loop after every few instructions, and its clock to crawl: then the part is tried again.
const TRIES: u32 = 3;
/// The lab holds the image, the guest's memory and its disk.
const LAB_MIB: u32 = 10 * 1024;
/// The writable layer of either guest.
const LAYER_MIB: u32 = 4096;
/// What issue and page ask of the parts that people wait for.
const AIM: f64 = 1.05;

/// Microseconds of each part, in the order in which they were done.
type Side = Vec<(String, u64)>;

/// Prepares, measures, prints; `parts`: of the work, all if there are none.
pub(super) fn run(parts: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let mut report = Report::new(workspace.target.join("bench"), Vec::new())?;
    let built = report.step("build", |log| product::build(&workspace, log))
        && report.step("images", |log| product::images(&workspace, log));
    ensure!(built, "the product does not build");
    let mut launch = cargo();
    launch.args(["build", "--release", "--locked", "--package", "vmm", "--example", "launch"]);
    ensure!(launch.current_dir(&workspace.root).status()?.success(), "the VMM's launcher does not build");
    let folder = image(&workspace)?;
    let kernel = Kernel::ensure(&default_cache(), &Stop::never())?;
    let layer = folder.join("layer");
    let _none = std::fs::remove_file(&layer);
    images::scratch::create(&layer, LAYER_MIB, &Stop::never())?;
    let mut sides = BTreeMap::new();
    for part in PARTS.iter().filter(|part| parts.is_empty() || parts.iter().any(|named| named == *part)) {
        bare(&kernel, &folder, part)?;
        let command = ["sh", "-c", WORK, "sh", part];
        std::fs::write(folder.join("command.json"), serde_json::to_vec(&command)?)?;
        for (side, figures) in measure(&workspace, &kernel.vmlinux, &folder)? {
            sides.entry(side).or_insert_with(Vec::new).extend(figures);
        }
    }
    print(&sides)
}

/// The folder of an image with git, compilers, package managers and what they work on, and of what npm installs.
pub(super) fn image(workspace: &Workspace) -> Result<PathBuf> {
    let folder = workspace.target.join("bench/overhead");
    eprintln!("the image, once: some minutes");
    let mut prepare = Command::new("sh");
    prepare.arg(workspace.root.join(FILES).join("prepare.sh")).arg(&folder);
    let prepared = prepare.arg(workspace.root.join(FILES)).status()?;
    ensure!(
        prepared.success(),
        "the image cannot be made: mmdebstrap, erofs-utils, npm and pip are needed, and root"
    );
    Ok(folder)
}

/// The initramfs of the guest without walls.
fn bare(kernel: &Kernel, folder: &Path, part: &str) -> Result<()> {
    let root = folder.join("native");
    let _none = std::fs::remove_dir_all(&root);
    for name in ["bin", "dev", "proc", "modules", "image", "layer", "root"] {
        std::fs::create_dir_all(root.join(name))?;
    }
    std::fs::copy(BUSYBOX, root.join("bin/busybox")).context("package busybox-static is missing")?;
    let mut list = String::new();
    for module in kernel.module_closure(MODULES)? {
        let name = module.file_name().and_then(|name| name.to_str()).context("a module has no name")?;
        std::fs::copy(&module, root.join("modules").join(name))?;
        list.push_str(&format!("{name}\n"));
    }
    std::fs::write(root.join("modules.list"), list)?;
    std::fs::write(root.join("work.sh"), WORK)?;
    std::fs::write(root.join("part"), part)?;
    std::fs::write(root.join("init"), INIT)?;
    std::fs::set_permissions(root.join("init"), std::fs::Permissions::from_mode(0o755))?;
    archive::pack(&root, &folder.join("native.cpio"))
}

/// One part, on both sides.
fn measure(workspace: &Workspace, kernel: &Path, folder: &Path) -> Result<BTreeMap<String, Side>> {
    let files: [PathBuf; 6] = [
        workspace.root.join(FILES).join("inside.sh"),
        product::openshell(workspace),
        workspace.release().join("examples/launch"),
        workspace.release().join("openshell-vmm"),
        kernel.to_owned(),
        folder.to_owned(),
    ];
    let mut argv = vec!["sh".to_owned()];
    for file in &files {
        argv.push(file.to_str().context("a path is no text")?.to_owned());
    }
    let mut left = TRIES;
    loop {
        left -= 1;
        match attempted(&argv)? {
            (Ended::Exit(0), out) => return Ok(read(&out)),
            (Ended::TimeLimit, _) if left > 0 => eprintln!("not done within {LIMIT:?}; once more"),
            (ended, _) => bail!("the work failed: {ended:?}"),
        }
    }
}

/// In a lab of its own; what it printed.
fn attempted(argv: &[String]) -> Result<(Ended, String)> {
    let options =
        Options { clock: Clock::Instructions, memory_mib: LAB_MIB, cpus: 1, ..Options::new(guest_half()?) };
    let mut lab = Lab::start(&options)?;
    let mut out = Vec::new();
    let run = RunOptions { time_limit: LIMIT, cwd: "/".into(), ..RunOptions::default() };
    let ended = lab.run(argv, &run, &mut |stream, bytes| {
        eprint!("{}", String::from_utf8_lossy(bytes));
        if stream == Stream::Stdout {
            out.extend_from_slice(bytes);
        }
    })?;
    let whole = ended == Ended::TimeLimit || lab.trouble().is_none();
    ensure!(whole, "the lab's own kernel was in trouble, so the figures count for nothing");
    Ok((ended, String::from_utf8_lossy(&out).into_owned()))
}

/// `SIDE name`, then `PART name µs` of that side, before it `COLD name µs`: its very first time.
fn read(text: &str) -> BTreeMap<String, Side> {
    let mut sides: BTreeMap<String, Side> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        match &line.split_whitespace().collect::<Vec<_>>()[..] {
            ["SIDE", name] => (*name).clone_into(&mut current),
            ["PART", name, micros] => {
                let side = sides.entry(current.clone()).or_default();
                side.extend(micros.parse().ok().map(|micros| ((*name).to_owned(), micros)));
            }
            ["COLD", name, micros] => {
                let side = sides.entry(current.clone()).or_default();
                side.extend(micros.parse().ok().map(|micros| (format!("{name}, caches cold"), micros)));
            }
            _other => {}
        }
    }
    sides
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn print(sides: &BTreeMap<String, Side>) -> Result<ExitCode> {
    let (native, confined) =
        (sides.get("native").context("the guest without walls said nothing")?, sides.get("confined"));
    let confined = confined.context("the sandbox said nothing")?;
    println!("| work | guest without walls, virtual s | sandbox | ratio |\n|---|---|---|---|");
    let mut is_within = true;
    for ((part, bare), (same, walled)) in native.iter().zip(confined) {
        ensure!(part == same, "the two sides did different work: {part} and {same}");
        let ratio = *walled as f64 / *bare as f64;
        println!("| {part} | {:.3} | {:.3} | {ratio:.3} |", *bare as f64 / 1e6, *walled as f64 / 1e6);
        let is_aim = matches!(part.as_str(), "git-clone" | "npm-ci" | "pip-install" | "cargo-build");
        is_within &= !is_aim || ratio <= AIM;
    }
    ensure!(native.len() == confined.len(), "one side did more work than the other");
    Ok(if is_within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_belong_to_the_side_that_was_named_last() {
        let sides = read("SIDE native\nCOLD gcc 15\nPART gcc 10\nnoise\nSIDE confined\nPART gcc 12\nDONE\n");
        assert_eq!(sides["native"], [("gcc, caches cold".to_owned(), 15), ("gcc".to_owned(), 10)]);
        assert_eq!(sides["confined"], [("gcc".to_owned(), 12)]);
    }
}
