//! The end of the guest: everything written, everything unmounted, power off.

use std::path::Path;

use rustix::mount::UnmountFlags;
use rustix::system::RebootCommand;

/// Writes out and detaches what lies under `root`, then turns the machine off. Errors change nothing: the
/// machine goes off in any case.
pub(crate) fn off(root: Option<&Path>) -> ! {
    if let Some(root) = root {
        rustix::fs::sync();
        let _ = rustix::mount::unmount(root, UnmountFlags::DETACH);
    }
    // The VMM takes the keyboard controller's reset line for "off". It works with every kernel, and unlike
    // ACPI needs no interpreter; if it does not, ACPI is tried.
    let _ = rustix::system::reboot(RebootCommand::Restart);
    let _ = rustix::system::reboot(RebootCommand::PowerOff);
    // Only in a process that is no init: nothing is left to do.
    std::process::exit(1)
}
