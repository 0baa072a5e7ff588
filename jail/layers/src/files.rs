//! Landlock: the agent reaches the paths of its rules, in the way each grants, and nothing else.
//!
//! The kernel must enforce all of it: a guest whose kernel is too old does not start an agent.

use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, Scope, make_bitflags,
};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use wire::confinement::{PathAccess, PathRule};

use crate::ConfineError;

/// Linux 6.12, the guest's kernel: files, truncation, device ioctls, abstract sockets and signals.
const REQUIRED: ABI = ABI::V6;

/// Rules whose paths are open.
#[derive(Debug)]
pub struct Rules(Vec<(OwnedFd, BitFlags<AccessFs>)>);

/// Opens the path of each rule. One that does not exist grants nothing.
///
/// # Errors
/// A path could not be opened.
pub fn open(rules: &[PathRule]) -> Result<Rules, ConfineError> {
    let mut opened = Vec::with_capacity(rules.len());
    for rule in rules {
        let failed = |cause| ConfineError::Rule { path: rule.path.clone(), cause };
        let path = match rustix::fs::open(&rule.path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()) {
            Ok(path) => path,
            Err(Errno::NOENT | Errno::NOTDIR) => continue,
            Err(error) => return Err(failed(error)),
        };
        let kind = FileType::from_raw_mode(rustix::fs::fstat(&path).map_err(failed)?.st_mode);
        let access = granted(rule.access);
        let access =
            if kind == FileType::Directory { access } else { access & AccessFs::from_file(REQUIRED) };
        opened.push((path, access));
    }
    Ok(Rules(opened))
}

/// Puts the rules in force for the calling thread and everything it starts.
///
/// # Errors
/// The kernel cannot enforce all of them.
pub fn restrict(rules: &Rules) -> Result<(), ConfineError> {
    let mut ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(REQUIRED))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(REQUIRED)))
        .and_then(Ruleset::create)
        .map_err(ConfineError::Landlock)?;
    for (path, access) in &rules.0 {
        ruleset = ruleset.add_rule(PathBeneath::new(path, *access)).map_err(ConfineError::Landlock)?;
    }
    ruleset.restrict_self().map(drop).map_err(ConfineError::Landlock)
}

fn granted(access: PathAccess) -> BitFlags<AccessFs> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    // Device nodes can be made by nobody: not listed anywhere.
    let write = make_bitflags!(AccessFs::{
        WriteFile | Truncate | IoctlDev | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo
            | MakeSym | Refer
    });
    match access {
        PathAccess::Read => read,
        PathAccess::ReadExecute => read | AccessFs::Execute,
        PathAccess::ReadWrite => read | write,
        PathAccess::ReadWriteExecute => read | write | AccessFs::Execute,
    }
}
