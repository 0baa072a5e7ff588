//! Landlock: a jailed process opens nothing by name, so every file access is refused; but the server of a mount has its
//! directory. It holds even where the host refused namespaces.

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, Scope, make_bitflags,
};
use rustix::fs::{CWD, Mode, OFlags};

use super::{Files, JailError, Profile};

/// The newest interface these rules were written and tested against; an older kernel enforces what it can.
const WRITTEN_FOR: ABI = ABI::V6;

pub(super) fn restrict(profile: Profile) -> Result<Files, JailError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(WRITTEN_FOR))
        .and_then(|ruleset| match profile {
            Profile::Vmm | Profile::Audit | Profile::Mount => {
                ruleset.handle_access(AccessNet::from_all(WRITTEN_FOR))
            }
            // These two dial, but everything they serve comes through sockets they were given.
            Profile::Proxy | Profile::Router => ruleset.handle_access(AccessNet::BindTcp),
        })
        .and_then(|ruleset| ruleset.scope(Scope::from_all(WRITTEN_FOR)))
        .and_then(Ruleset::create)
        .map_err(JailError::Landlock)?;
    let ruleset = match profile {
        Profile::Mount => with_directory(ruleset)?,
        Profile::Vmm | Profile::Proxy | Profile::Router | Profile::Audit => ruleset,
    };
    let status = ruleset.restrict_self().map_err(JailError::Landlock)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Files::Restricted,
        RulesetStatus::PartiallyEnforced => Files::PartlyRestricted,
        RulesetStatus::NotEnforced => Files::Unrestricted,
    })
}

/// What the server of a mount does with the files of its directory. It executes none, asks no device anything, and makes
/// neither device nodes nor sockets nor pipes.
fn served() -> BitFlags<AccessFs> {
    make_bitflags!(AccessFs::{
        ReadFile | ReadDir | WriteFile | Truncate | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSym | Refer
    })
}

/// The directory is the working directory, jailed or not.
fn with_directory(ruleset: RulesetCreated) -> Result<RulesetCreated, JailError> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::openat(CWD, ".", flags, Mode::empty())
        .map_err(|error| JailError::Root("open the directory that is served", error))?;
    ruleset.add_rule(PathBeneath::new(directory, served())).map_err(JailError::Landlock)
}
