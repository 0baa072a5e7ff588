//! Clocks: the wall clock comes from the host, because a microVM has no battery-backed one.

use rustix::io::Errno;
use rustix::time::{ClockId, Timespec};

const NANOSECONDS: u64 = 1_000_000_000;

/// Nanoseconds since the kernel started.
pub(crate) fn since_kernel_start() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds * NANOSECONDS + u64::try_from(now.tv_nsec).unwrap_or_default()
}

/// Sets the wall clock to `ns` nanoseconds since the Unix epoch.
///
/// # Errors
/// The kernel refused the time.
pub(crate) fn set_wall(ns: u64) -> Result<(), Errno> {
    let seconds = i64::try_from(ns / NANOSECONDS).map_err(|_beyond| Errno::OVERFLOW)?;
    let rest = i64::try_from(ns % NANOSECONDS).map_err(|_beyond| Errno::OVERFLOW)?;
    rustix::time::clock_settime(ClockId::Realtime, Timespec { tv_sec: seconds, tv_nsec: rest })
}
