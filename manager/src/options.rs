//! How the user wants a sandbox run: what the command line adds to `agent.yaml`.

use std::path::PathBuf;
use std::time::Duration;

/// How the user wants the sandbox run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether the agent gets a terminal.
    pub tty: Tty,
    /// Whether nobody watches.
    pub detached: Detached,
    /// Where the guest's console goes.
    pub console: ConsoleOutput,
    /// Whether the time of each phase is shown at the end.
    pub timings: Timings,
    /// How long the guest may take to say hello.
    pub boot_timeout: Duration,
    /// A kernel of the operator's own: an ELF `vmlinux` or a bzImage.
    pub kernel: Option<PathBuf>,
    /// An initial RAM file system of the operator's own.
    pub initramfs: Option<PathBuf>,
}

/// Whether the agent gets a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tty {
    /// Three pipes.
    No,
    /// A terminal, joined to ours.
    Yes,
}

/// Whether the time of each phase is shown at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timings {
    /// No.
    Hidden,
    /// As one line of JSON on standard error.
    Shown,
}

/// Where the guest's console goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleOutput {
    /// Kept, and shown when the boot fails.
    Kept,
    /// Also to standard error.
    Shown,
}

/// Whether nobody watches the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detached {
    /// Its streams are ours.
    No,
    /// They are kept for whoever attaches.
    Yes,
}
