//! The walls around the agent, one module each: every one binds the calling process, and knows of no other.
//!
//! | wall | module |
//! |---|---|
//! | namespaces | [`namespaces`] |
//! | mounts | [`view`] |
//! | limits | [`limits`]; those of all processes together are a control group's, which guest-init makes |
//! | identity | [`identity`]: user, groups, capabilities, `no_new_privs` |
//! | Landlock | [`files`] |
//! | seccomp | [`calls`] |
//! | between two lives | [`leavings`] |
//! | kernel settings | [`settings`]: of the whole machine |
//!
//! Which walls stand, and in which order they are put up, is not this crate's: `jail` puts up all of them, and nobody who
//! ships may go past it (`cargo xtask ci layers`). The escape suite (`tests/isolation`) puts up all but one, and only one,
//! to see what each of them holds alone.

pub mod calls;
pub mod capabilities;
pub mod files;
pub mod filter;
pub mod identity;
pub mod leavings;
pub mod limits;
pub mod namespaces;
pub mod settings;
pub mod view;

use rustix::io::Errno;

/// Why the agent could not be confined.
#[derive(Debug, thiserror::Error)]
pub enum ConfineError {
    /// The process could not be divided into new namespaces.
    #[error("cannot start a process in new namespaces")]
    Namespaces(#[source] Errno),
    /// The prepared network could not be entered.
    #[error("cannot enter the agent's network")]
    Network(#[source] Errno),
    /// The host name was refused.
    #[error("cannot set the host name")]
    Hostname(#[source] Errno),
    /// A part of the agent's file tree could not be built.
    #[error("cannot {action} {path}")]
    View {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: String,
        /// Why it failed.
        #[source]
        cause: Errno,
    },
    /// What outlived its processes could not be removed.
    #[error("cannot {0}")]
    Leavings(&'static str, #[source] Errno),
    /// The kernel cannot keep files without a name from being executed.
    #[error("cannot forbid to execute anonymous files")]
    Anonymous(#[source] std::io::Error),
    /// A resource limit was refused.
    #[error("cannot set the limit on {0}")]
    Limit(&'static str, #[source] Errno),
    /// The user could not be changed or the capabilities not be given up.
    #[error("cannot give up privileges: {0}")]
    Identity(&'static str, #[source] Errno),
    /// The kernel's Landlock cannot enforce the rules.
    #[error("cannot restrict files with Landlock")]
    Landlock(#[source] landlock::RulesetError),
    /// A path of a rule could not be opened.
    #[error("cannot open {path} for its rule")]
    Rule {
        /// The rule's path.
        path: String,
        /// Why it failed.
        #[source]
        cause: Errno,
    },
    /// The system call filter could not be installed.
    #[error("cannot install the seccomp filter")]
    Seccomp(#[from] filter::FilterError),
}
