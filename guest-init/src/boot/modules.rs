//! Kernel modules, in the order in which the image builder listed them. There is no modprobe in the
//! initramfs: what is not listed is not there.

use std::fs::File;
use std::io;
use std::path::Path;

use rustix::io::Errno;

/// Where the image builder put the list: one path per line.
pub(crate) const LIST: &str = "/modules.list";

/// Why the modules are not loaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModulesError {
    /// The list is missing or unreadable.
    #[error("cannot read {LIST}")]
    List(#[source] io::Error),
    /// A listed file is missing or unreadable.
    #[error("cannot open module {0}")]
    Open(String, #[source] io::Error),
    /// The kernel refused a module.
    #[error("cannot load module {0}")]
    Load(String, #[source] Errno),
}

/// Loads every module of the list at `list`.
///
/// # Errors
/// The list, a file, or the kernel's refusal.
pub(crate) fn load(list: &Path) -> Result<(), ModulesError> {
    let names = std::fs::read_to_string(list).map_err(ModulesError::List)?;
    for path in names.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let file = File::open(path).map_err(|error| ModulesError::Open(path.to_owned(), error))?;
        match rustix::system::finit_module(&file, c"", 0) {
            // Built into this kernel, loaded as part of another, or of use only to another processor. Who needs what is
            // not there then fails by its own name.
            Ok(()) | Err(Errno::EXIST | Errno::NODEV) => {}
            Err(error) => return Err(ModulesError::Load(path.to_owned(), error)),
        }
    }
    Ok(())
}
