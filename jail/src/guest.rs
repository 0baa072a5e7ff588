//! Confines the agent's command in the guest.
//!
//! Each state is a type, each step consumes it, and only the legal order type-checks:
//!
//! ```text
//! Plan ──split──► Inside ──build_view──► Viewed ──split──► Newborn
//! (guest-init)    first process of the   its mounts        the agent's process
//!                 new namespaces
//!                                                          │ limit        rlimits
//!                                                          ▼
//!                                                        Limited
//!                                                          │ lower        bounding set, groups, user,
//!                                                          ▼              capabilities, no_new_privs
//!                                                        Lowered
//!                                                          │ restrict     Landlock
//!                                                          ▼
//!                                                        Restricted
//!                                                          │ filter       seccomp
//!                                                          ▼
//!                                                        Confined ──execute──► the agent's program
//! ```
//! The first process stays root *in the guest*, outside Landlock and the filter: it reaps, forwards
//! signals, and its end takes every process of the agent with it. This module must never know what the
//! command is, nor choose what is granted.

mod program;

use std::os::fd::BorrowedFd;
use std::path::Path;

use jail_layers::view::{self, Anonymous};
use jail_layers::{calls, files, identity, leavings, limits, namespaces};
use rustix::thread::UnshareFlags;
use wire::confinement::{Confinement, SeccompProfile};

pub use jail_layers::ConfineError;
pub use jail_layers::namespaces::Split;

pub use program::{NotExecuted, Program};

/// What the agent will be put into.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    /// What its policy grants.
    pub confinement: &'a Confinement,
    /// The directory that becomes its `/`.
    pub root: &'a Path,
    /// The name it sees as its host's.
    pub hostname: &'a str,
    /// The network namespace that was prepared for it.
    pub network: BorrowedFd<'a>,
}

/// The first process of the new namespaces, still seeing guest-init's files.
#[derive(Debug)]
pub struct Inside<'a>(Plan<'a>);

/// The first process, with the agent's view of the file tree.
#[derive(Debug)]
pub struct Viewed<'a> {
    confinement: &'a Confinement,
    /// Opened before the agent can put other files in their place: what it moves later on gets no other process more.
    files: files::Rules,
}

/// The agent's process: root still, everything open.
#[derive(Debug)]
pub struct Newborn<'a>(&'a Confinement, &'a files::Rules);

/// Its resources are bounded.
#[derive(Debug)]
pub struct Limited<'a>(&'a Confinement, &'a files::Rules);

/// It is the agent's user, without a privilege or a way to one.
#[derive(Debug)]
pub struct Lowered<'a> {
    files: &'a files::Rules,
    profile: SeccompProfile,
}

/// It reaches the files of its rules and no other.
#[derive(Debug)]
pub struct Restricted(SeccompProfile);

/// Everything holds; all that is left is to become the agent's program.
#[derive(Debug)]
pub struct Confined(());

impl<'a> Plan<'a> {
    /// Starts the first process of the agent's namespaces.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn split(self) -> Result<Split<Inside<'a>>, ConfineError> {
        match namespaces::split(namespaces::AGENT | view::NAMESPACE).map_err(ConfineError::Namespaces)? {
            Split::Parent(pid) => Ok(Split::Parent(pid)),
            Split::Child(()) => Ok(Split::Child(Inside(self))),
        }
    }
}

impl<'a> Inside<'a> {
    /// Enters the prepared network and builds the agent's file tree: its root, a minimal `/dev`, a `/proc`
    /// of its own processes, a read-only `/sys`. Then opens the paths of its rules.
    ///
    /// # Errors
    /// The step that failed.
    pub fn build_view(self) -> Result<Viewed<'a>, ConfineError> {
        let Plan { confinement, root, hostname, network } = self.0;
        namespaces::settle(network, hostname)?;
        view::build(root, Anonymous::for_agent(confinement))?;
        Ok(Viewed { confinement, files: files::open(&confinement.filesystem)? })
    }
}

impl Viewed<'_> {
    /// Leaves behind what processes of the agent that are gone have left in memory. Nobody but the caller may be in the namespaces.
    ///
    /// # Errors
    /// The step that failed.
    pub fn renew(&self) -> Result<(), ConfineError> {
        leavings::remove()
    }

    /// Starts the agent's process.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn split(&self) -> Result<Split<Newborn<'_>>, ConfineError> {
        match namespaces::split(UnshareFlags::empty()).map_err(ConfineError::Namespaces)? {
            Split::Parent(pid) => Ok(Split::Parent(pid)),
            Split::Child(()) => Ok(Split::Child(Newborn(self.confinement, &self.files))),
        }
    }
}

impl<'a> Newborn<'a> {
    /// The user that the process will become.
    #[must_use]
    pub fn user(&self) -> u32 {
        self.0.user.uid
    }

    /// Takes every remaining step.
    ///
    /// # Errors
    /// The step that failed.
    pub fn confine(self) -> Result<Confined, ConfineError> {
        self.limit()?.lower()?.restrict()?.filter()
    }

    /// Bounds the process's resources.
    ///
    /// # Errors
    /// A limit was refused.
    pub fn limit(self) -> Result<Limited<'a>, ConfineError> {
        limits::apply(&self.0.limits)?;
        Ok(Limited(self.0, self.1))
    }
}

impl<'a> Limited<'a> {
    /// Gives up every privilege.
    ///
    /// # Errors
    /// A privilege could not be given up.
    pub fn lower(self) -> Result<Lowered<'a>, ConfineError> {
        identity::lower(self.0.user.uid, self.0.user.gid)?;
        Ok(Lowered { files: self.1, profile: self.0.seccomp })
    }
}

impl Lowered<'_> {
    /// Puts the Landlock rules in force.
    ///
    /// # Errors
    /// The kernel cannot enforce all of them.
    pub fn restrict(self) -> Result<Restricted, ConfineError> {
        files::restrict(self.files)?;
        Ok(Restricted(self.profile))
    }
}

impl Restricted {
    /// Installs the system call filter.
    ///
    /// # Errors
    /// The kernel refused it.
    pub fn filter(self) -> Result<Confined, ConfineError> {
        calls::install(self.0)?;
        Ok(Confined(()))
    }
}

impl Confined {
    /// Becomes the agent's program; returns only if that failed.
    #[must_use]
    pub fn execute(self, program: &Program) -> NotExecuted {
        program.execute()
    }
}
