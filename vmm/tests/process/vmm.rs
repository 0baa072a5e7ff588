//! Starts the process as the manager does and collects what it says.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use command_fds::{CommandFdExt, FdMapping};
use wire::machine::{MachineConfig, MachineEvent};
use wire::spawn::Fd;

use super::guest::Guest;

/// A process to be started.
pub(crate) struct Vmm {
    pub(crate) kvm: File,
    pub(crate) kernel: Vec<u8>,
    pub(crate) initramfs: Option<Vec<u8>>,
    pub(crate) cmdline: String,
    pub(crate) vcpus: u8,
    pub(crate) memory_mib: u32,
    /// Ask the process to end once the console shows this.
    pub(crate) stop_at: Option<&'static str>,
}

/// What it came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) events: Vec<MachineEvent>,
    pub(crate) console: String,
    pub(crate) log: String,
    pub(crate) code: Option<i32>,
}

/// This machine's KVM.
pub(crate) fn kvm() -> File {
    let opened = File::options().read(true).write(true).open("/dev/kvm");
    opened.expect("these tests run where a KVM is: cargo xtask test")
}

impl Default for Vmm {
    fn default() -> Self {
        Self {
            kvm: File::open("/dev/null").unwrap(),
            kernel: Guest::default().kernel(),
            initramfs: None,
            cmdline: String::new(),
            vcpus: 1,
            memory_mib: 64,
            stop_at: None,
        }
    }
}

impl Vmm {
    /// The config, as JSON: descriptors 5 (KVM), 6 (kernel), 7 (serial), 8 (initramfs).
    pub(crate) fn document(&self) -> String {
        let config = MachineConfig {
            version: wire::VERSION,
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            kvm: Fd(5),
            kernel: Fd(6),
            initramfs: self.initramfs.is_some().then_some(Fd(8)),
            cmdline: self.cmdline.clone(),
            disks: Vec::new(),
            vsock: None,
            mounts: Vec::new(),
            serial: Fd(7),
            user: None,
        };
        serde_json::to_string(&config).unwrap()
    }

    pub(crate) fn run(self) -> Outcome {
        let document = self.document();
        self.run_with(&document)
    }

    pub(crate) fn run_with(self, document: &str) -> Outcome {
        let (config, mut config_writer) = std::io::pipe().unwrap();
        let (status, status_writer) = std::io::pipe().unwrap();
        let (console, serial) = std::io::pipe().unwrap();
        let mut fds: Vec<OwnedFd> = vec![
            config.into(),
            status_writer.into(),
            self.kvm.into(),
            file(&self.kernel).into(),
            serial.into(),
        ];
        fds.extend(self.initramfs.as_deref().map(|bytes| OwnedFd::from(file(bytes))));
        let mappings =
            (3..).zip(fds).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
        let mut command = Command::new(env!("CARGO_BIN_EXE_openshell-vmm"));
        command.stdin(Stdio::null()).stderr(Stdio::piped()).fd_mappings(mappings).unwrap();
        let mut child = command.spawn().unwrap();
        drop(command);
        config_writer.write_all(document.as_bytes()).unwrap();
        drop(config_writer);
        let process = rustix::process::Pid::from_child(&child);
        let stop_at = self.stop_at;
        let console = std::thread::spawn(move || {
            let mut text = String::new();
            let mut console = BufReader::new(console);
            while console.read_line(&mut text).unwrap() > 0 {
                if stop_at.is_some_and(|mark| text.ends_with(mark)) {
                    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
                }
            }
            text
        });
        let events = BufReader::new(status)
            .lines()
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        let mut log = String::new();
        child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        let code = child.wait().unwrap().code();
        Outcome { events, console: console.join().unwrap(), log, code }
    }
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}
