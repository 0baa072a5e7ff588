//! Puts up some of the walls around the calling process, in the order in which `jail` puts up all of them.

use std::os::fd::BorrowedFd;
use std::path::Path;

use isolation::{Wall, stage};
use jail_layers::namespaces::{self, Split};
use jail_layers::view::{self, Anonymous};
use jail_layers::{ConfineError, calls, files, identity, limits};
use rustix::process::{Pid, WaitOptions};
use wire::confinement::{Limits, PathAccess, PathRule, SeccompProfile};

/// Where the agent's tree is bound; a directory that every machine has.
pub(super) const TREE: &str = "/mnt";

/// What the child ends with if a wall could not be put up, or there is no attacker.
const UNCONFINED: i32 = 250;

/// Divides the process: behind the walls, a child of the child does `become_attacker`, and both end as that does. Returns the
/// id of the first.
pub(super) fn behind(
    standing: &[Wall],
    network: BorrowedFd<'_>,
    become_attacker: impl FnOnce() -> std::io::Error,
) -> Pid {
    let stands = |wall| standing.contains(&wall);
    let own =
        if stands(Wall::Namespaces) { namespaces::AGENT } else { rustix::thread::UnshareFlags::empty() };
    // Without a tree of its own it still is not to mount anything into the test's.
    match namespaces::split(own | view::NAMESPACE).unwrap() {
        Split::Parent(pid) => pid,
        Split::Child(()) => {
            let outcome = first_process(&stands, network, become_attacker);
            std::process::exit(outcome.unwrap_or(UNCONFINED))
        }
    }
}

/// As the agent's warden does: builds what is of all its processes, starts one, and waits.
fn first_process(
    stands: &dyn Fn(Wall) -> bool,
    network: BorrowedFd<'_>,
    become_attacker: impl FnOnce() -> std::io::Error,
) -> Result<i32, ConfineError> {
    if stands(Wall::Namespaces) {
        namespaces::settle(network, "agent")?;
    }
    if stands(Wall::Mounts) {
        view::build(Path::new(TREE), Anonymous::Executable)?;
    }
    let rules = files::open(&rules())?;
    match namespaces::split(rustix::thread::UnshareFlags::empty()).unwrap() {
        Split::Parent(pid) => {
            let (_, status) = rustix::process::waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
            Ok(status.exit_status().unwrap_or(UNCONFINED))
        }
        Split::Child(()) => {
            confine(stands, &rules)?;
            println!("{}", become_attacker());
            std::process::exit(UNCONFINED)
        }
    }
}

fn confine(stands: &dyn Fn(Wall) -> bool, rules: &files::Rules) -> Result<(), ConfineError> {
    rustix::process::setsid().unwrap();
    std::env::set_current_dir("/tmp").unwrap();
    if stands(Wall::Limits) {
        let limits = Limits { processes: stage::PROCESSES, open_files: stage::FILES, ..Limits::default() };
        limits::apply(&limits)?;
    }
    if stands(Wall::Identity) {
        identity::lower(stage::USER, stage::USER)?;
    }
    if stands(Wall::Landlock) {
        files::restrict(rules)?;
    }
    if stands(Wall::Seccomp) {
        calls::install(SeccompProfile::Agent)?;
    }
    Ok(())
}

/// As a policy's baseline grants them.
pub(super) fn rules() -> Vec<PathRule> {
    let rule = |path: &str, access| PathRule { path: path.to_owned(), access };
    let programs = ["/usr", "/bin", "/lib", "/lib64", "/sbin", "/opt"];
    let mut rules = programs.map(|path| rule(path, PathAccess::ReadExecute)).to_vec();
    rules.extend(["/etc", "/proc", "/sys"].map(|path| rule(path, PathAccess::Read)));
    rules.extend(["/dev", "/var/tmp"].map(|path| rule(path, PathAccess::ReadWrite)));
    rules.push(rule("/tmp", PathAccess::ReadWriteExecute));
    rules
}
