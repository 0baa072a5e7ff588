//! What a caller may choose: for the lab as a whole, and for one command in it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::frame::User;

/// How time passes in the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// As fast as the host allows, on several threads. For humans and tests.
    Wall,
    /// One instruction is one nanosecond, on one processor, the same on every run: `CLOCK_MONOTONIC` inside is
    /// the figure to judge by. It sees no cache and no exit cost. Waiting for the host lasts any time at all, and
    /// opening a host file is such a wait: see [`crate::Lab::settle`].
    Instructions,
}

/// A lab.
#[derive(Clone, Debug)]
pub struct Options {
    /// How time passes.
    pub clock: Clock,
    /// Its memory, in MiB.
    pub memory_mib: u32,
    /// Its processors; one under [`Clock::Instructions`], whatever stands here.
    pub cpus: u8,
    /// Kernel modules to load beside KVM's own.
    pub modules: Vec<String>,
    /// How long it may take until the first command is welcome; tried twice.
    pub start_limit: Duration,
    /// Where the kernel is kept.
    pub cache: PathBuf,
    /// Program and arguments that end in [`crate::guest::enter`]; absolute, and visible on this machine.
    pub guest: Vec<OsString>,
}

/// Where a command's stdin comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// It is empty.
    Empty,
    /// This process's own stdin.
    Inherit,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// How one command runs.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Who runs it.
    pub user: User,
    /// Its working folder; this process's own by default.
    pub cwd: PathBuf,
    /// Its environment; this process's own by default, with `OPENSHELL_LAB=1`.
    pub env: Vec<(String, String)>,
    /// How long it may take.
    pub time_limit: Duration,
    /// Its stdin.
    pub input: Input,
}

impl Options {
    /// A lab with two processors and 4 GiB, whose guest half is `guest`.
    #[must_use]
    pub fn new(guest: Vec<OsString>) -> Self {
        Self {
            clock: Clock::Wall,
            memory_mib: 4096,
            cpus: 2,
            modules: Vec::new(),
            start_limit: Duration::from_secs(90),
            cache: images::kernel::default_cache(),
            guest,
        }
    }
}

impl Default for RunOptions {
    fn default() -> Self {
        // What is not UTF-8 cannot be sent and is left out.
        let own = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self {
            user: User::Root,
            cwd: std::env::current_dir().unwrap_or_else(|_gone| PathBuf::from("/")),
            env: own.chain([("OPENSHELL_LAB".to_owned(), "1".to_owned())]).collect(),
            time_limit: Duration::from_secs(300),
            input: Input::Empty,
        }
    }
}
