//! Starts processes with their configuration and their descriptors, as the manager does.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use serde::Serialize;
use wire::audit::{OnFull, SignConfig, SignResumed, SigningKey};
use wire::spawn::{CONFIG_FD, FIRST_RESOURCE_FD, Fd, STATUS_FD};

pub(crate) const SANDBOX: &str = "test-0a1b2c3d";

/// A process that was started, and what it reports.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) events: BufReader<File>,
}

/// The descriptors that a process inherits beside its configuration and status.
#[derive(Default)]
pub(crate) struct Resources(Vec<OwnedFd>);

/// What a signer signs with, how often, and what was signed before.
pub(crate) struct Signing {
    pub(crate) key: SigningKey,
    pub(crate) interval_ms: u32,
    pub(crate) resumed: Option<SignResumed>,
}

impl Resources {
    pub(crate) fn add(&mut self, fd: impl Into<OwnedFd>) -> Fd {
        self.0.push(fd.into());
        Fd(FIRST_RESOURCE_FD.0 + i32::try_from(self.0.len() - 1).unwrap())
    }
}

impl Started {
    pub(crate) fn event<E: serde::de::DeserializeOwned>(&mut self) -> E {
        let mut line = String::new();
        self.events.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

impl Signing {
    /// Starts the signer, which `set` may change, on these files of checkpoints.
    pub(crate) fn start(
        self,
        leaves: UnixStream,
        checkpoints: &[PathBuf],
        set: impl FnOnce(&mut Command),
    ) -> Started {
        let mut resources = Resources::default();
        let open = |path: &PathBuf| File::options().append(true).create(true).open(path).unwrap();
        let config = SignConfig {
            version: wire::VERSION,
            sandbox: SANDBOX.to_owned().try_into().unwrap(),
            name: "test".to_owned(),
            key: self.key,
            leaves: resources.add(leaves),
            resumed: self.resumed,
            checkpoints: checkpoints.iter().map(|path| resources.add(open(path))).collect(),
            interval_ms: self.interval_ms,
            on_full: OnFull::Deny,
            user: None,
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-sign"));
        set(&mut command);
        start(command, &config, resources)
    }
}

pub(crate) fn start(
    mut command: Command,
    config: &impl Serialize,
    Resources(resources): Resources,
) -> Started {
    let (config_read, mut config_write) = std::io::pipe().unwrap();
    config_write.write_all(&serde_json::to_vec(config).unwrap()).unwrap();
    drop(config_write);
    let (status_read, status_write) = std::io::pipe().unwrap();
    let fixed = [(CONFIG_FD.0, OwnedFd::from(config_read)), (STATUS_FD.0, status_write.into())];
    let numbered = (FIRST_RESOURCE_FD.0..).zip(resources);
    let mappings = fixed.into_iter().chain(numbered);
    let mappings = mappings.map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
    command.fd_mappings(mappings).unwrap().stdin(Stdio::null()).stderr(Stdio::null());
    // The command holds the child's ends, and goes here: only without it does the end of the child end the pipe.
    let child = command.spawn().unwrap();
    Started { child, events: BufReader::new(File::from(OwnedFd::from(status_read))) }
}
