//! What the manager handed over: the config, and every descriptor that it names.
//!
//! Descriptors are taken once, by number, and owned from then on; a number that is not open, that is
//! named twice, or that belongs to the config or the status pipe is refused before anything else happens.

#![expect(unsafe_code, reason = "descriptors are inherited by number")]

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd};

use wire::machine::{DiskAccess, MachineConfig};
use wire::spawn::{CONFIG_FD, FIRST_RESOURCE_FD, Fd, JailUser};

/// More virtual CPUs than the APIC ids and the interrupt controller of this machine are made for.
const MAX_VCPUS: u8 = 32;

/// The config's promise that a document has an end.
const MAX_CONFIG: u64 = 1024 * 1024;

/// Why the manager's message cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResourceError {
    #[error("cannot read the machine config")]
    Read(#[source] std::io::Error),
    #[error("the machine config is not valid")]
    Parse(#[source] serde_json::Error),
    #[error("the machine config has version {found}, this program speaks {}", wire::VERSION)]
    Version { found: u32 },
    #[error("{asked} virtual CPUs asked for, 1 to {MAX_VCPUS} possible")]
    Vcpus { asked: u8 },
    #[error("descriptor {fd} ({what}) is not open")]
    NotOpen { fd: i32, what: &'static str, source: rustix::io::Errno },
    #[error("descriptor {fd} ({what}) is not a resource of its own")]
    NotAResource { fd: i32, what: &'static str },
}

/// Everything that the machine is made of, owned.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) vcpus: u8,
    pub(crate) memory_mib: u32,
    pub(crate) kvm: OwnedFd,
    pub(crate) kernel: File,
    pub(crate) initramfs: Option<File>,
    pub(crate) cmdline: String,
    pub(crate) disks: Vec<(File, DiskAccess)>,
    pub(crate) vsock: Option<VsockResources>,
    pub(crate) mounts: Vec<MountResources>,
    pub(crate) serial: File,
    pub(crate) user: Option<JailUser>,
}

/// The two descriptors of the vsock device.
#[derive(Debug)]
pub(crate) struct VsockResources {
    pub(crate) directory: OwnedFd,
    pub(crate) listener: OwnedFd,
}

/// A directory that another process serves.
#[derive(Debug)]
pub(crate) struct MountResources {
    pub(crate) tag: String,
    pub(crate) lanes: Vec<OwnedFd>,
}

/// Takes descriptors, each once.
#[derive(Debug, Default)]
struct Taker(BTreeSet<i32>);

impl Resources {
    /// Reads the config from its descriptor and takes what it names.
    pub(crate) fn receive() -> Result<Self, ResourceError> {
        // SAFETY: the manager hands over this number for us alone, and `main` gets here once.
        let config = unsafe { File::from_raw_fd(CONFIG_FD.0) };
        let mut text = Vec::new();
        config.take(MAX_CONFIG).read_to_end(&mut text).map_err(ResourceError::Read)?;
        let config: MachineConfig = serde_json::from_slice(&text).map_err(ResourceError::Parse)?;
        Self::take(config)
    }

    fn take(config: MachineConfig) -> Result<Self, ResourceError> {
        if config.version != wire::VERSION {
            return Err(ResourceError::Version { found: config.version });
        }
        if !(1..=MAX_VCPUS).contains(&config.vcpus) {
            return Err(ResourceError::Vcpus { asked: config.vcpus });
        }
        let mut taker = Taker::default();
        let kvm = taker.take(config.kvm, "kvm")?;
        let kernel = taker.take(config.kernel, "kernel")?;
        let initramfs = config.initramfs.map(|fd| taker.take(fd, "initramfs")).transpose()?;
        let disks = config
            .disks
            .iter()
            .map(|disk| Ok((taker.take(disk.file, "disk")?.into(), disk.access)))
            .collect::<Result<_, _>>()?;
        let vsock = config.vsock.map(|vsock| {
            let directory = taker.take(vsock.directory, "vsock directory")?;
            let listener = taker.take(vsock.listener, "vsock listener")?;
            Ok(VsockResources { directory, listener })
        });
        let mounts = config.mounts.into_iter().map(|mount| {
            let lanes = mount.lanes.iter().map(|lane| taker.take(*lane, "mount's lane"));
            Ok(MountResources { tag: mount.tag, lanes: lanes.collect::<Result<_, _>>()? })
        });
        let mounts = mounts.collect::<Result<_, _>>()?;
        let serial = taker.take(config.serial, "serial")?;
        Ok(Self {
            vcpus: config.vcpus,
            memory_mib: config.memory_mib,
            kvm,
            kernel: kernel.into(),
            initramfs: initramfs.map(File::from),
            cmdline: config.cmdline,
            disks,
            vsock: vsock.transpose()?,
            mounts,
            serial: serial.into(),
            user: config.user,
        })
    }
}

impl Taker {
    fn take(&mut self, fd: Fd, what: &'static str) -> Result<OwnedFd, ResourceError> {
        if fd < FIRST_RESOURCE_FD || !self.0.insert(fd.0) {
            return Err(ResourceError::NotAResource { fd: fd.0, what });
        }
        // SAFETY: the number is at least 5, so it is not -1; whether it is open is asked in the next line,
        // and nothing closes it in between.
        let borrowed = unsafe { BorrowedFd::borrow_raw(fd.0) };
        rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)
            .map_err(|source| ResourceError::NotOpen { fd: fd.0, what, source })?;
        // SAFETY: the descriptor is open, the manager opened it for us, and each number is taken once.
        Ok(unsafe { OwnedFd::from_raw_fd(fd.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_twice_is_refused() {
        let mut taker = Taker::default();
        taker.0.insert(9);
        let error = taker.take(Fd(9), "kernel").unwrap_err();
        assert_eq!(error.to_string(), "descriptor 9 (kernel) is not a resource of its own");
    }

    #[test]
    fn standard_and_protocol_descriptors_are_refused() {
        for fd in [-1, 0, 3, 4] {
            assert!(matches!(Taker::default().take(Fd(fd), "kvm"), Err(ResourceError::NotAResource { .. })));
        }
    }

    #[test]
    fn closed_descriptor_is_named() {
        let error = Taker::default().take(Fd(4000), "initramfs").unwrap_err();
        assert_eq!(error.to_string(), "descriptor 4000 (initramfs) is not open");
    }
}
