//! The lab's two processes on the host: `virtiofsd`, which serves this machine's tree, and QEMU, which is the
//! machine. Both die with the thread that started them. QEMU's stdin and stdout are the lab's channel, so there
//! is no socket to race for; its console goes to a file that errors quote.

mod files;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use images::Stop;
use images::kernel::{Kernel, KernelError};
use tempfile::TempDir;

use crate::initramfs;
use crate::options::{Clock, Options};
use files::{FileServer, Route};

const QEMU: &str = "qemu-system-x86_64";
/// Console lines that an error quotes.
const QUOTED: usize = 12;
/// What the lab itself needs: its writable layer and KVM.
const MODULES: [&str; 2] = ["overlay", "kvm-amd"];

/// Why the lab's machine does not run.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// There is no kernel for it.
    #[error("the lab has no kernel")]
    Kernel(#[source] KernelError),
    /// The initramfs could not be built.
    #[error("cannot build the lab's initramfs (are busybox-static and cpio installed?)")]
    Initramfs(#[source] io::Error),
    /// A temporary folder or file could not be made.
    #[error("cannot prepare the lab's folder")]
    Folder(#[source] io::Error),
    /// A program did not start.
    #[error("cannot start {program} (is the package {package} installed?)")]
    Start {
        /// The program.
        program: &'static str,
        /// The Debian package that holds it.
        package: &'static str,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file server needs rights that the caller has no way to get.
    #[error("the lab's file server needs root: run as root, or let sudo work without a password")]
    NoRoute,
    /// The file server ended at once.
    #[error("virtiofsd did not start: {0}")]
    FileServer(String),
}

/// A running machine. Dropped, it ends both processes and removes its folder.
#[derive(Debug)]
pub(crate) struct Machine {
    qemu: Child,
    /// Dropped after QEMU is gone, which is what ends it.
    _files: FileServer,
    folder: TempDir,
}

/// The machine's ends of the channel.
pub(crate) type Channel = (ChildStdin, ChildStdout);

impl Machine {
    pub(crate) fn start(options: &Options) -> Result<(Self, Channel), MachineError> {
        let kernel = Kernel::ensure(&options.cache, &Stop::never()).map_err(MachineError::Kernel)?;
        let names: Vec<&str> =
            MODULES.into_iter().chain(options.modules.iter().map(String::as_str)).collect();
        let modules = kernel.module_closure(&names).map_err(MachineError::Kernel)?;
        let route = Route::find()?;
        let folder = tempfile::Builder::new().prefix("lab-").tempdir().map_err(MachineError::Folder)?;
        let initrd =
            initramfs::build(folder.path(), &modules, &options.guest).map_err(MachineError::Initramfs)?;

        let files = FileServer::start(route, folder.path())?;
        let errors = File::create(folder.path().join("qemu.log")).map_err(MachineError::Folder)?;
        let mut qemu = dying_with_us(QEMU)
            .args(arguments(options, &kernel.vmlinux, &initrd, folder.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            // Ctrl-C is ours to hand to the command inside.
            .process_group(0)
            .spawn()
            .map_err(|source| MachineError::Start { program: QEMU, package: "qemu-system-x86", source })?;
        let stdin = qemu.stdin.take().expect("stdin was asked for as a pipe");
        let stdout = qemu.stdout.take().expect("stdout was asked for as a pipe");
        Ok((Self { qemu, _files: files, folder }, (stdin, stdout)))
    }

    /// Removes what was only needed to boot: whoever is killed leaves little behind.
    pub(crate) fn booted(&self) {
        initramfs::remove(self.folder.path());
    }

    /// The last lines of the processes' messages and of the machine's console; up to a panic, if there was one.
    pub(crate) fn last_words(&self) -> String {
        let text = ["files.log", "qemu.log", "console.log"].map(|name| self.log(name)).concat();
        let lines: Vec<&str> = text.lines().filter(|line| is_news(line)).collect();
        let end = lines
            .iter()
            .position(|line| line.contains("Kernel panic"))
            .map_or(lines.len(), |panic| panic + 1);
        lines[end.saturating_sub(QUOTED)..end].join("\n")
    }

    /// The first line of trouble that the lab's own kernel reported, if any.
    pub(crate) fn trouble(&self) -> Option<String> {
        let console = self.log("console.log");
        console
            .lines()
            .find(|line| ["Oops", "BUG: ", "kernel BUG"].iter().any(|word| line.contains(word)))
            .map(str::to_owned)
    }

    fn log(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It holds nothing worth saving, and may already be gone.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}

/// A command whose process gets SIGKILL when the thread that spawned it ends. (`setpriv` is part of util-linux,
/// which every Debian has.)
fn dying_with_us(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

fn arguments(options: &Options, vmlinux: &Path, initrd: &Path, folder: &Path) -> Vec<OsString> {
    let (accelerator, cpus) = match options.clock {
        Clock::Wall => ("tcg,thread=multi,tb-size=1024", options.cpus),
        Clock::Instructions => ("tcg,thread=single,tb-size=1024", 1),
    };
    let memory = options.memory_mib;
    let mut arguments: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: OsString| arguments.extend([OsString::from(name), value]);
    add("-machine", "q35,memory-backend=memory".into());
    add("-accel", accelerator.into());
    add("-cpu", "max".into());
    add("-smp", cpus.to_string().into());
    add("-m", format!("{memory}M").into());
    add("-object", format!("memory-backend-memfd,id=memory,size={memory}M,share=on").into());
    add("-kernel", vmlinux.into());
    add("-initrd", initrd.into());
    add("-append", "console=ttyS0 quiet panic=-1 mitigations=off".into());
    add("-display", "none".into());
    add("-serial", joined("file:", folder.join("console.log")));
    add("-chardev", joined("socket,id=files,path=", folder.join("files.sock")));
    add("-device", "vhost-user-fs-pci,chardev=files,tag=root,queue-size=1024".into());
    add("-chardev", "stdio,id=lab,signal=off".into());
    add("-device", "virtio-serial-pci".into());
    add("-device", "virtserialport,chardev=lab,name=lab".into());
    if options.clock == Clock::Instructions {
        add("-icount", "shift=0,sleep=off".into());
    }
    arguments.extend(["-nodefaults", "-no-user-config", "-no-reboot"].map(OsString::from));
    arguments
}

/// Not the empty lines, nor what the file server says when all is well.
fn is_news(line: &str) -> bool {
    !line.trim().is_empty() && !line.starts_with("virtio_") && !line.starts_with("fv_")
}

fn joined(prefix: &str, path: PathBuf) -> OsString {
    let mut text = OsString::from(prefix);
    text.push(path);
    text
}
