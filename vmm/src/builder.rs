//! The life of a machine up to its first instruction, as types that can only follow each other.
//!
//! ```text
//! Opened ── build ─► Built ── confine ─► Confined ── start ─► Running (running.rs)
//! ```
//! Everything that needs a descriptor, an ioctl outside the run loop, or a file happens before `confine`;
//! the guest runs its first instruction after it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use jail::host::{Profile, Root, Settings};
use vmm_arch::acpi;
use vmm_arch::cpuid::Topology;
use vmm_arch::layout;
use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};
use wire::machine::MachineEvent;

use crate::console::Console;
use crate::devices::{Backends, DeviceError, Devices};
use crate::failure::Failure;
use crate::guest_memory::{GuestMemoryError, GuestRam};
use crate::kernel::{self, KernelError, Payload};
use crate::notice::notices;
use crate::phases::Phases;
use crate::ports::Ports;
use crate::resources::{ResourceError, Resources};
use crate::running::{Machine, Running};
use crate::signals;
use crate::status::{self, Status};
use crate::vcpu::{Board, Vcpu};
use crate::vm::{Vm, VmError};

/// Descriptors that the process may have open: connections of the vsock device, mostly.
const OPEN_FILES: u64 = 16_384;

/// The manager's message was read and everything in it is ours.
#[derive(Debug)]
pub(crate) struct Opened {
    phases: Phases,
    resources: Resources,
}

/// The machine is whole: memory filled, devices wired, registers set.
#[derive(Debug)]
pub(crate) struct Built {
    phases: Phases,
    machine: Machine,
    root: Root,
    user: Option<wire::spawn::JailUser>,
}

/// The process is jailed, and still has one thread.
#[derive(Debug)]
pub(crate) struct Confined {
    phases: Phases,
    machine: Machine,
}

/// Why a machine could not be built.
#[derive(Debug, thiserror::Error)]
enum BuildError {
    #[error(transparent)]
    Resources(#[from] ResourceError),
    #[error(transparent)]
    Memory(#[from] GuestMemoryError),
    #[error(transparent)]
    Kernel(#[from] KernelError),
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error(transparent)]
    Devices(#[from] DeviceError),
    #[error("cannot make the machine's own events")]
    Events(#[source] std::io::Error),
    #[error("cannot be jailed")]
    Jail(#[from] jail::host::JailError),
}

impl Opened {
    /// Takes what the manager handed over.
    pub(crate) fn receive(mut phases: Phases) -> Result<Self, Failure> {
        let resources = Resources::receive().map_err(BuildError::from)?;
        phases.end("config");
        Ok(Self { phases, resources })
    }

    /// Builds the machine.
    pub(crate) fn build(self) -> Result<Built, Failure> {
        Ok(self.assemble()?)
    }

    fn assemble(self) -> Result<Built, BuildError> {
        let Self { mut phases, mut resources } = self;
        let terminate = signals::prepare().map_err(BuildError::Events)?;
        let (announcer, notices) = notices().map_err(BuildError::Events)?;

        let ram = GuestRam::map(resources.memory_mib)?;
        let vm = Vm::create(resources.kvm, &ram.memory)?;
        phases.end("memory");

        let (root, vsock_listener) = match resources.vsock {
            Some(vsock) => (Root::Directory(vsock.directory), Some(vsock.listener)),
            None => (Root::Empty, None),
        };
        let (disks, mounts) = (resources.disks, resources.mounts);
        let backends = Backends { disks, vsock_listener, mounts, announcer: announcer.clone() };
        let Devices { windows, workers } = Devices::attach(&vm, &ram.memory, backends)?;
        let interrupt = EventFd::new(EFD_NONBLOCK).map_err(BuildError::Events)?;
        vm.wire_interrupt(&interrupt, layout::SERIAL_GSI)?;
        never_block(&resources.serial).map_err(BuildError::Events)?;
        let ports = Ports::new(Console::new(interrupt, resources.serial, announcer.clone()));
        phases.end("devices");

        let acpi = acpi::tables(&acpi::Machine { vcpus: resources.vcpus, devices: windows.described() });
        let entry = kernel::load(
            &ram,
            Payload {
                kernel: &mut resources.kernel,
                initramfs: resources.initramfs.as_mut(),
                cmdline: &resources.cmdline,
                acpi: &acpi,
            },
        )?;
        phases.end("kernel");

        let board = Arc::new(Board { ports, windows, announcer, stop: AtomicBool::new(false) });
        let topology = Topology::new(resources.vcpus);
        let vcpus = (0..resources.vcpus)
            .map(|index| Vcpu::create(&vm, topology, index, &board))
            .collect::<Result<Vec<_>, _>>()?;
        vcpus.first().expect("a config without virtual CPUs is refused").enter_at(entry)?;
        phases.end("vcpus");

        let machine = Machine { vcpus, workers, board, notices, terminate, vm };
        Ok(Built { phases, machine, root, user: resources.user })
    }
}

impl Built {
    /// Gives up everything that running the machine does not need.
    pub(crate) fn confine(self, status: &Status) -> Result<Confined, Failure> {
        let Self { mut phases, machine, root, user } = self;
        let settings = Settings { status: status.fd(), root, user, open_files: OPEN_FILES };
        let report = jail::host::enter(Profile::Vmm, settings).map_err(BuildError::from)?;
        status::log(&report.to_string());
        phases.end("jail");
        Ok(Confined { phases, machine })
    }
}

impl Confined {
    /// Starts the threads and tells the manager.
    pub(crate) fn start(self, status: &Status) -> Result<Running, Failure> {
        let Self { phases, machine } = self;
        status.report(&MachineEvent::Ready { phases: phases.into_ended() });
        Running::start(machine)
    }
}

/// A reader of the console that does not read must not hold up the guest.
fn never_block(serial: &std::fs::File) -> std::io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(serial)?;
    rustix::fs::fcntl_setfl(serial, flags | rustix::fs::OFlags::NONBLOCK)?;
    Ok(())
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let remedy = match &error {
            BuildError::Resources(ResourceError::Vcpus { .. }) => "set resources.vcpus within the bounds",
            BuildError::Resources(_) => {
                "this is a fault of the manager: use one version of all openshell programs"
            }
            BuildError::Memory(GuestMemoryError::Plan(_))
            | BuildError::Kernel(KernelError::Memory(_) | KernelError::DoesNotFit { .. }) => {
                "set resources.memory to what the image needs"
            }
            BuildError::Memory(_) => "free memory on this host, or set resources.memory lower",
            BuildError::Kernel(KernelError::Cmdline(_)) => "shorten or correct the kernel command line",
            BuildError::Kernel(KernelError::Initramfs(_) | KernelError::InitramfsCopy(_)) => {
                "build the image again"
            }
            BuildError::Kernel(_) => "fetch or build the kernel image again",
            BuildError::Devices(DeviceError::TooMany { .. }) => "use fewer mounts",
            BuildError::Devices(DeviceError::Disk { .. }) => {
                "check that the image's files are readable and whole"
            }
            BuildError::Devices(DeviceError::Events(_)) | BuildError::Events(_) => {
                "raise this user's limit of open files (ulimit -n)"
            }
            BuildError::Devices(DeviceError::Vm(_)) | BuildError::Vm(_) => {
                "run `openshell doctor`: it tells what this host's KVM lacks"
            }
            BuildError::Jail(_) => "run `openshell doctor`: it tells what this host allows for a jail",
        };
        Self::new(&error, remedy)
    }
}
