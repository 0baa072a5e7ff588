//! Landlock: a jailed process opens nothing by name, so every file access is refused. It holds even where
//! the host refused namespaces.

use landlock::{ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetStatus, Scope};

use super::{Files, JailError, Profile};

/// The newest interface these rules were written and tested against; an older kernel enforces what it can.
const WRITTEN_FOR: ABI = ABI::V6;

pub(super) fn restrict(profile: Profile) -> Result<Files, JailError> {
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(WRITTEN_FOR))
        .and_then(|ruleset| match profile {
            Profile::Vmm | Profile::Audit => ruleset.handle_access(AccessNet::from_all(WRITTEN_FOR)),
            // These two dial, but everything they serve comes through sockets they were given.
            Profile::Proxy | Profile::Router => ruleset.handle_access(AccessNet::BindTcp),
        })
        .and_then(|ruleset| ruleset.scope(Scope::from_all(WRITTEN_FOR)))
        .and_then(Ruleset::create)
        .map_err(JailError::Landlock)?;
    let status = ruleset.restrict_self().map_err(JailError::Landlock)?;
    Ok(match status.ruleset {
        RulesetStatus::FullyEnforced => Files::Restricted,
        RulesetStatus::PartiallyEnforced => Files::PartlyRestricted,
        RulesetStatus::NotEnforced => Files::Unrestricted,
    })
}
