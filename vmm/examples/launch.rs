//! Plays the manager for one machine: opens what is named on the command line, starts `openshell-vmm`,
//! prints the guest's console to standard output and the events to standard error.
//!
//! `launch VMM --kernel FILE [--initramfs FILE] [--cmdline TEXT] [--vcpus N] [--memory MIB]
//!  [--disk FILE | --disk-rw FILE]... [--vsock DIRECTORY] [--user UID] [--stop-after SECONDS]`

#![expect(clippy::print_stderr, reason = "a tool for developers that prints what it sees")]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use wire::machine::{Disk, DiskAccess, MachineConfig, Vsock};
use wire::spawn::{CONFIG_FD, FIRST_RESOURCE_FD, Fd, JailUser, STATUS_FD};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Resources in the order of their numbers in the child.
#[derive(Default)]
struct Handover(Vec<OwnedFd>);

impl Handover {
    fn add(&mut self, fd: OwnedFd) -> Fd {
        self.0.push(fd);
        Fd(FIRST_RESOURCE_FD.0 + i32::try_from(self.0.len()).expect("a handful of files") - 1)
    }

    fn open(&mut self, path: &Path) -> Result<Fd> {
        let file = File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(self.add(file.into()))
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("launch: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let program = arguments.next().ok_or("the VMM's path is missing")?;
    let mut handover = Handover::default();
    let (console, serial) = std::io::pipe()?;
    let mut stop_after = None;
    let mut config = MachineConfig {
        version: wire::VERSION,
        vcpus: 1,
        memory_mib: 256,
        kvm: {
            let kvm = File::options().read(true).write(true).open("/dev/kvm")?;
            handover.add(kvm.into())
        },
        kernel: Fd(-1),
        initramfs: None,
        cmdline: String::new(),
        disks: Vec::new(),
        vsock: None,
        mounts: Vec::new(),
        serial: handover.add(serial.into()),
        user: None,
    };
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--kernel" => config.kernel = handover.open(value.as_ref())?,
            "--initramfs" => config.initramfs = Some(handover.open(value.as_ref())?),
            "--cmdline" => config.cmdline = value,
            "--vcpus" => config.vcpus = value.parse()?,
            "--memory" => config.memory_mib = value.parse()?,
            "--disk" => {
                let disk = Disk { file: handover.open(value.as_ref())?, access: DiskAccess::ReadOnly };
                config.disks.push(disk);
            }
            "--disk-rw" => {
                let file = handover.add(File::options().read(true).write(true).open(value)?.into());
                config.disks.push(Disk { file, access: DiskAccess::ReadWrite });
            }
            "--vsock" => config.vsock = Some(vsock(&mut handover, value.as_ref())?),
            "--user" => config.user = Some(JailUser { uid: value.parse()?, gid: value.parse()? }),
            "--stop-after" => stop_after = Some(Duration::from_secs(value.parse()?)),
            _ => return Err(format!("unknown option {option}").into()),
        }
    }
    start(&program, &config, handover, console, stop_after)
}

fn vsock(handover: &mut Handover, directory: &Path) -> Result<Vsock> {
    let path: PathBuf = directory.join(wire::vsock::GUEST_SOCKET);
    let _absent = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)?;
    Ok(Vsock { directory: handover.open(directory)?, listener: handover.add(listener.into()) })
}

fn start(
    program: &str,
    config: &MachineConfig,
    handover: Handover,
    console: std::io::PipeReader,
    stop_after: Option<Duration>,
) -> Result<ExitCode> {
    let (config_reader, mut config_writer) = std::io::pipe()?;
    let (status_reader, status_writer) = std::io::pipe()?;
    let mut mappings = vec![
        FdMapping { parent_fd: config_reader.into(), child_fd: CONFIG_FD.0 },
        FdMapping { parent_fd: status_writer.into(), child_fd: STATUS_FD.0 },
    ];
    mappings.extend(
        (FIRST_RESOURCE_FD.0..)
            .zip(handover.0)
            .map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }),
    );
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).fd_mappings(mappings)?;
    let mut child = command.spawn()?;
    // The command still owns our ends of what the child has.
    drop(command);
    config_writer.write_all(&serde_json::to_vec(config)?)?;
    drop(config_writer);
    let printer =
        std::thread::spawn(move || std::io::copy(&mut BufReader::new(console), &mut std::io::stdout()));
    if let Some(after) = stop_after {
        let process = rustix::process::Pid::from_child(&child);
        std::thread::spawn(move || {
            std::thread::sleep(after);
            let _gone = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        });
    }
    for line in BufReader::new(status_reader).lines() {
        eprintln!("event: {}", line?);
        report_memory(child.id());
    }
    let status = child.wait()?;
    let _copied = printer.join();
    eprintln!("exit: {status}");
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What the process holds beside the guest's own pages.
fn report_memory(pid: u32) {
    if let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/status")) {
        let wanted = text.lines().filter(|line| line.starts_with("VmRSS") || line.starts_with("Rss"));
        eprintln!("memory: {}", wanted.collect::<Vec<_>>().join(", ").replace('\t', " "));
    }
}
