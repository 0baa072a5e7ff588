//! What other people's receivers have in common here: a port, an output, and an end that they are asked for.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::rig::STARTING;

/// A running receiver; killed when dropped.
pub(crate) struct Receiver {
    child: Child,
    output: PathBuf,
}

impl Receiver {
    /// Starts it; what it prints goes to `output`, and stands behind what others printed there.
    pub(crate) fn start(command: &mut Command, output: &Path) -> Self {
        let file = File::options().append(true).create(true).open(output).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let starting = STARTING.lock().unwrap();
        let child = command.spawn().expect("cargo xtask setup installs the receivers of the tests");
        drop(starting);
        Self { child, output: output.to_owned() }
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn stop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}: {}", fs::read_to_string(&self.output).unwrap());
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        // One that has ended is not killed again.
        let _ended = self.child.kill();
        self.child.wait().expect("it is ours");
    }
}

/// A port that nobody listens on now: these programs take no word of which one they got.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Where `cargo xtask setup` puts what no package of the system is: in the build directory.
pub(crate) fn tool(path: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(3).unwrap().join("tools").join(path)
}
