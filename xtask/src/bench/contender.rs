//! Who is measured, and how each is started. Both get the same kernel, initramfs, memory and command line,
//! less what each needs to find its own console and devices.

use std::fs::File;
use std::io::{PipeReader, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use command_fds::{CommandFdExt, FdMapping};
use serde::{Deserialize, Serialize};

use super::boot::Plan;

/// Guest memory.
pub(super) const MEMORY_MIB: u32 = 256;
const CMDLINE: &str = "quiet";

/// A virtual machine monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Contender {
    /// `openshell-vmm`.
    Ours,
    /// `qemu-system-x86_64 -M microvm`.
    Qemu,
}

/// A started one.
pub(super) struct Started {
    pub(super) child: Child,
    /// What the guest prints.
    pub(super) console: PipeReader,
    /// What it says of itself, if anything.
    pub(super) status: Option<PipeReader>,
}

impl Contender {
    pub(super) const ALL: [Self; 2] = [Self::Ours, Self::Qemu];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "openshell-vmm",
            Self::Qemu => "qemu microvm",
        }
    }

    /// Opens what it needs and returns the act of starting it, so that only that is measured.
    pub(super) fn prepare(self, plan: &Plan) -> Result<Box<dyn FnOnce() -> Result<Started>>> {
        match self {
            Self::Ours => ours(plan),
            Self::Qemu => qemu(plan),
        }
    }
}

fn ours(plan: &Plan) -> Result<Box<dyn FnOnce() -> Result<Started>>> {
    let (console, serial) = std::io::pipe()?;
    let (status, status_writer) = std::io::pipe()?;
    let (config_reader, mut config) = std::io::pipe()?;
    let kvm = File::options().read(true).write(true).open("/dev/kvm").context("cannot open /dev/kvm")?;
    let resources: [OwnedFd; 6] = [
        config_reader.into(),
        status_writer.into(),
        kvm.into(),
        File::open(&plan.kernel)?.into(),
        File::open(&plan.initramfs)?.into(),
        serial.into(),
    ];
    let document = serde_json::json!({
        "version": wire::VERSION, "vcpus": 1, "memory_mib": MEMORY_MIB, "kvm": 5, "kernel": 6, "initramfs": 7,
        "cmdline": CMDLINE, "disks": [], "vsock": null, "serial": 8, "user": null,
    });
    config.write_all(document.to_string().as_bytes())?;
    drop(config);
    let mut command = Command::new(&plan.vmm);
    let mappings =
        (3..).zip(resources).map(|(child_fd, parent_fd)| FdMapping { parent_fd, child_fd }).collect();
    command.stdin(Stdio::null()).stderr(Stdio::null()).fd_mappings(mappings)?;
    Ok(Box::new(move || {
        let child = command.spawn().context("cannot start openshell-vmm")?;
        Ok(Started { child, console, status: Some(status) })
    }))
}

fn qemu(plan: &Plan) -> Result<Box<dyn FnOnce() -> Result<Started>>> {
    let (console, serial) = std::io::pipe()?;
    let mut command = Command::new("qemu-system-x86_64");
    command
        // As small and quick as we could make it: its own small firmware, no timer, no old controllers.
        // Without ACPI, with SeaBIOS and with the machine's defaults it took as long, within 3 %.
        .args(["-M", "microvm,pit=off,pic=off,rtc=off,acpi=on", "-enable-kvm", "-cpu", "host", "-smp", "1"])
        .args([
            "-m",
            &format!("{MEMORY_MIB}M"),
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args(["-bios", "qboot.rom", "-serial", "stdio"])
        .arg("-kernel")
        .arg(&plan.kernel)
        .arg("-initrd")
        .arg(&plan.initramfs)
        .args(["-append", &format!("console=ttyS0 8250.nr_uarts=1 reboot=k panic=-1 pci=off {CMDLINE}")])
        .stdin(Stdio::null())
        .stdout(serial)
        .stderr(Stdio::inherit());
    Ok(Box::new(move || {
        let child = command.spawn().context("cannot start QEMU")?;
        Ok(Started { child, console, status: None })
    }))
}
