//! A network namespace that guest-init visits and does not live in.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;

use crate::sys;

/// Names the calling thread's namespace.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// A network namespace, kept alive by this descriptor.
#[derive(Debug)]
pub(crate) struct Namespace(OwnedFd);

impl Namespace {
    /// Makes a new one; the calling thread stays where it is.
    ///
    /// # Errors
    /// The kernel refused.
    pub(crate) fn create() -> Result<Self, Errno> {
        let home = Self::current()?;
        sys::leave_network()?;
        let new = Self::current();
        home.enter()?;
        new
    }

    /// Runs `work` with the calling thread in the namespace, and comes back.
    ///
    /// # Errors
    /// The thread could not go or not come back; in the latter case it must not go on.
    pub(crate) fn within<T>(&self, work: impl FnOnce() -> T) -> Result<T, Errno> {
        let home = Self::current()?;
        self.enter()?;
        let outcome = work();
        home.enter()?;
        Ok(outcome)
    }

    fn current() -> Result<Self, Errno> {
        rustix::fs::open(CURRENT, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map(Self)
    }

    fn enter(&self) -> Result<(), Errno> {
        rustix::thread::move_into_link_name_space(self.0.as_fd(), Some(LinkNameSpaceType::Network))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
