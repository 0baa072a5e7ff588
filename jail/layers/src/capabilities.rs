//! Gives up every capability, for good: ambient, inheritable, permitted, effective, and the bounding set
//! that would let a set-user-id program bring one back.

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, CapabilitySets};

/// Highest capability number that the kernel's 64-bit sets can hold.
const LAST_BIT: u32 = 63;

/// Empties the bounding set. Needs `CAP_SETPCAP`, so it comes before [`drop_all`].
///
/// # Errors
/// The kernel refused.
pub fn empty_bounding_set() -> Result<(), Errno> {
    for bit in 0..=LAST_BIT {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << bit)) {
            Ok(()) => {}
            // The kernel knows no capability of this number, nor of any higher one.
            Err(Errno::INVAL) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Empties the ambient, inheritable, permitted and effective sets of the calling thread.
///
/// # Errors
/// The kernel refused.
pub fn drop_all() -> Result<(), Errno> {
    rustix::thread::clear_ambient_capability_set()?;
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets)
}

/// Whether the calling thread may make namespaces without a user namespace of its own.
///
/// # Errors
/// The kernel refused.
pub fn may_administer() -> Result<bool, Errno> {
    Ok(rustix::thread::capabilities(None)?.effective.contains(CapabilitySet::SYS_ADMIN))
}

/// Whether the calling thread may empty its bounding set.
///
/// # Errors
/// The kernel refused.
pub fn may_shrink() -> Result<bool, Errno> {
    Ok(rustix::thread::capabilities(None)?.effective.contains(CapabilitySet::SETPCAP))
}
