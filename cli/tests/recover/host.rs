//! A user's directories with a log in them, and the real program.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use tempfile::TempDir;

pub(crate) struct Host(pub(crate) TempDir);

impl Host {
    pub(crate) fn new() -> Self {
        let host = Self(TempDir::new().unwrap());
        fs::create_dir_all(host.log()).unwrap();
        fs::create_dir(host.0.path().join("run")).unwrap();
        host
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.0.path().join("openshell/audit/test-0a1b2c3d")
    }

    pub(crate) fn audit(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell"));
        command.env("XDG_STATE_HOME", self.0.path()).env("XDG_CONFIG_HOME", self.0.path());
        command.env("XDG_RUNTIME_DIR", self.0.path().join("run"));
        command.arg("audit").args(arguments);
        command
    }

    /// What a command prints when its answer is yes.
    pub(crate) fn yes(&self, arguments: &[&str]) -> String {
        let output = self.audit(arguments);
        let [said, error] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}{error}");
        said
    }
}
