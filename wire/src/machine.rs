//! What the manager tells `openshell-vmm`, and what it hears back.

use serde::{Deserialize, Serialize};

use crate::spawn::{Fd, JailUser};

/// One microVM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MachineConfig {
    /// [`crate::VERSION`].
    pub version: u32,
    /// Virtual CPUs, 1 to 32.
    pub vcpus: u8,
    /// Guest memory in MiB.
    pub memory_mib: u32,
    /// `/dev/kvm`, opened by the manager.
    pub kvm: Fd,
    /// Kernel: an ELF `vmlinux` or a bzImage.
    pub kernel: Fd,
    /// Initial RAM file system, if any.
    pub initramfs: Option<Fd>,
    /// Kernel command line, without what the VMM adds itself.
    pub cmdline: String,
    /// Block devices in order: the first is `/dev/vda`.
    pub disks: Vec<Disk>,
    /// The vsock device, if any.
    pub vsock: Option<Vsock>,
    /// Directories that the guest mounts by their tags, each served by another process.
    pub mounts: Vec<LiveMount>,
    /// Where the serial console's bytes go (write end of a pipe or a file).
    pub serial: Fd,
    /// Who the process becomes.
    pub user: Option<JailUser>,
}

/// One virtio block device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Disk {
    /// The backing file.
    pub file: Fd,
    /// Whether the guest may write.
    pub access: DiskAccess,
}

/// What the guest may do with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DiskAccess {
    /// Reads only; the device says so, and writes fail.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// The vsock device, bridged to Unix sockets in one directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vsock {
    /// The directory, opened (`O_PATH`) by the manager: `<port>.sock` files for guest → host connections.
    pub directory: Fd,
    /// A listening Unix socket for host → guest connections, bound by the manager as `guest.sock`
    /// in the directory of the process that connects.
    pub listener: Fd,
}

/// One virtio file system device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveMount {
    /// What the guest mounts it by, at most [`crate::mount::MAX_TAG`] bytes.
    pub tag: String,
    /// One end of each lane to its server, see [`crate::mount`].
    pub lanes: Vec<Fd>,
}

/// What `openshell-vmm` reports, one JSON line each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case", deny_unknown_fields)]
pub enum MachineEvent {
    /// The machine is built and the process is jailed; the first guest instruction is next.
    Ready {
        /// Microseconds from the process's start to the end of each phase, in order.
        phases: Vec<Phase>,
    },
    /// The guest shut down or reset itself; the process exits with 0.
    Stopped,
    /// The guest's kernel panicked; the process exits with 0.
    Panicked {
        /// The kernel's own reason, from the serial console.
        reason: String,
    },
    /// The machine could not be built or run; the process exits with [`crate::spawn::EXIT_FAILED`].
    Failed {
        /// One line of cause.
        cause: String,
        /// One line of remedy.
        remedy: String,
    },
}

/// A phase of building the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// For example `memory`, `kernel`, `devices`, `jail`.
    pub name: String,
    /// Microseconds since the process started.
    pub end_us: u64,
}
