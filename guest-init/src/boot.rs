//! From the kernel's hand-over to a root tree in which an agent can start.
//!
//! ```text
//! early ──► modules ──► (Setup arrives) ──► clock ──► root ──► mounts ──► files, users, trust
//! ```
//! Each step is a module and says what failed. This module must never know what the agent is.

pub(crate) mod clock;
pub(crate) mod early;
pub(crate) mod files;
pub(crate) mod lockdown;
pub(crate) mod modules;
pub(crate) mod mounts;
pub(crate) mod power;
pub(crate) mod root;
pub(crate) mod users;
pub(crate) mod verity;
