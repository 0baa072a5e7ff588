//! The machine's virtio devices: each a register window, an interrupt line and one notification event per
//! queue. Disks come first, so that the first of them is `/dev/vda`.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use vmm_arch::layout::{self, DeviceWindow};
use vmm_sys_util::eventfd::{EFD_CLOEXEC, EFD_NONBLOCK, EventFd};
use vmm_virtio::balloon::device::Balloon;
use vmm_virtio::block::backend::Disk;
use vmm_virtio::block::device::Block;
use vmm_virtio::block::request::Access;
use vmm_virtio::device::{Alarm, Device, QueueIndex, Wake};
use vmm_virtio::fs::backend::Server;
use vmm_virtio::fs::device::Fs;
use vmm_virtio::interrupt::Interrupt;
use vmm_virtio::memory::Memory;
use vmm_virtio::mmio::{QUEUE_NOTIFY, Transport};
use vmm_virtio::rng::device::Rng;
use vmm_virtio::vsock::backend::Bridge;
use vmm_virtio::vsock::device::Vsock;
use wire::machine::DiskAccess;

use crate::ending::Ending;
use crate::failure::Failure;
use crate::notice::{Announcer, Notice};
use crate::resources::MountResources;
use crate::vm::{Vm, VmError};
use crate::worker::Worker;

/// Why a device could not be attached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeviceError {
    #[error("{asked} devices are asked for, {} are possible", layout::MAX_DEVICES)]
    TooMany { asked: usize },
    #[error("cannot use disk {index}")]
    Disk { index: usize, source: io::Error },
    #[error("cannot make a device's events")]
    Events(#[source] io::Error),
    #[error(transparent)]
    Vm(#[from] VmError),
}

/// What the devices are made of.
#[derive(Debug)]
pub(crate) struct Backends {
    pub(crate) disks: Vec<(File, DiskAccess)>,
    pub(crate) vsock_listener: Option<OwnedFd>,
    pub(crate) mounts: Vec<MountResources>,
    /// Hears when a disk's file fails.
    pub(crate) announcer: Announcer,
}

/// The register windows, in order, without gaps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Windows {
    described: Vec<DeviceWindow>,
    transports: Vec<Arc<Transport>>,
}

/// The windows, and the workers behind them.
#[derive(Debug)]
pub(crate) struct Devices {
    pub(crate) windows: Windows,
    pub(crate) workers: Vec<Worker>,
}

/// An interrupt line as KVM sees it.
#[derive(Debug)]
struct Wire(EventFd);

impl Interrupt for Wire {
    fn raise(&self) {
        // The counter is at its end only if KVM has not looked at it for 2⁶⁴ interrupts.
        self.0.write(1).expect("an event counter that KVM reads does not overflow");
    }
}

/// The event that a worker gets when a device of its own is activated.
#[derive(Clone, Debug)]
struct Waker(Arc<EventFd>);

impl Wake for Waker {
    fn wake(&self) {
        self.0.write(1).expect("an event counter that the worker reads does not overflow");
    }
}

/// Ends the machine when the host cannot read or write a disk: a guest that goes on does so without what it has
/// written, and its agent may never hear of it.
#[derive(Debug)]
struct DiskAlarm {
    /// What the operator calls the disk.
    disk: String,
    announcer: Announcer,
}

impl Alarm for DiskAlarm {
    fn host_failed(&self, error: &io::Error) {
        let remedy = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                "free space on the host's disk that holds openshell's state (XDG_STATE_HOME), or set resources.disk lower"
            }
            _other => "check the host's disk: its kernel's log (dmesg) says more",
        };
        let cause = format!("the host failed to serve {}: {error}", self.disk);
        let failure = Failure { cause, remedy: remedy.to_owned() };
        self.announcer.announce(Notice::Ended(Ending::Failed(failure)));
    }
}

impl Devices {
    /// Makes the devices and wires them. Disks have a thread of their own, because their files may make
    /// them wait, and so has the balloon, because dropping what is reported at a time (128 MiB) may take
    /// 20 ms, and each live mount, whose every request somebody waits for; everything else shares one.
    pub(crate) fn attach(vm: &Vm, memory: &Arc<Memory>, backends: Backends) -> Result<Self, DeviceError> {
        let mut devices = Self { windows: Windows::default(), workers: Vec::new() };
        if !backends.disks.is_empty() {
            let mut worker = Worker::new("disks").map_err(DeviceError::Events)?;
            for (index, (file, access)) in backends.disks.into_iter().enumerate() {
                let alarm = DiskAlarm { disk: title(access, index), announcer: backends.announcer.clone() };
                let disk = disk(file, access, index).map_err(|source| DeviceError::Disk { index, source })?;
                devices.add(vm, memory, &mut worker, Box::new(Block::new(disk, Box::new(alarm))))?;
            }
            devices.workers.push(worker);
        }
        let mut worker = Worker::new("devices").map_err(DeviceError::Events)?;
        if let Some(listener) = backends.vsock_listener {
            let bridge = Bridge::new(listener).map_err(DeviceError::Events)?;
            devices.add(vm, memory, &mut worker, Box::new(Vsock::new(bridge)))?;
        }
        devices.add(vm, memory, &mut worker, Box::new(Rng::default()))?;
        devices.workers.push(worker);
        let mut worker = Worker::new("memory").map_err(DeviceError::Events)?;
        devices.add(vm, memory, &mut worker, Box::new(Balloon::default()))?;
        devices.workers.push(worker);
        for MountResources { tag, lanes } in backends.mounts {
            let mut worker = Worker::new("mount").map_err(DeviceError::Events)?;
            let server = Server::new(lanes).map_err(DeviceError::Events)?;
            devices.add(vm, memory, &mut worker, Box::new(Fs::new(server, &tag)))?;
            devices.workers.push(worker);
        }
        Ok(devices)
    }

    fn add(
        &mut self,
        vm: &Vm,
        memory: &Arc<Memory>,
        worker: &mut Worker,
        device: Box<dyn Device>,
    ) -> Result<(), DeviceError> {
        let count = self.windows.described.len();
        let index = u32::try_from(count).map_err(|_huge| DeviceError::TooMany { asked: count })?;
        let window = layout::device_window(index).ok_or(DeviceError::TooMany { asked: count + 1 })?;
        let line = event().map_err(DeviceError::Events)?;
        vm.wire_interrupt(&line, window.gsi)?;
        let activated = Waker(Arc::new(event().map_err(DeviceError::Events)?));
        let wake = Box::new(activated.clone());
        let transport = Arc::new(Transport::new(device, Arc::clone(memory), Box::new(Wire(line)), wake));
        worker.watch_activation(&transport, activated.0).map_err(DeviceError::Events)?;
        for queue in 0..transport.queue_count() {
            let notification = event().map_err(DeviceError::Events)?;
            let value = u32::try_from(queue).expect("a device has a handful of queues");
            vm.wire_notification(&notification, u64::from(window.base + QUEUE_NOTIFY), value)?;
            worker.watch_queue(&transport, QueueIndex(queue), notification).map_err(DeviceError::Events)?;
        }
        worker.watch_backend(&transport).map_err(DeviceError::Events)?;
        self.windows.described.push(window);
        self.windows.transports.push(transport);
        Ok(())
    }
}

impl Windows {
    /// Where the windows are, for the tables that tell the guest.
    pub(crate) fn described(&self) -> &[DeviceWindow] {
        &self.described
    }

    /// The guest reads; where no device is, it reads ones.
    pub(crate) fn read(&self, address: u64, data: &mut [u8]) {
        match self.find(address) {
            Some((transport, offset)) => transport.read(offset, data),
            None => data.fill(0xff),
        }
    }

    /// The guest writes; where no device is, nothing happens.
    pub(crate) fn write(&self, address: u64, data: &[u8]) {
        if let Some((transport, offset)) = self.find(address) {
            transport.write(offset, data);
        }
    }

    /// Requests of the guest that made no sense, over all devices.
    pub(crate) fn misbehaviour(&self) -> u64 {
        self.transports.iter().map(|transport| transport.misbehaviour()).sum()
    }

    fn find(&self, address: u64) -> Option<(&Transport, u32)> {
        let distance = u32::try_from(address.checked_sub(layout::DEVICE_WINDOWS.0)?).ok()?;
        let index = usize::try_from(distance / layout::DEVICE_WINDOW_SIZE).ok()?;
        let transport = self.transports.get(index)?;
        Some((transport, distance % layout::DEVICE_WINDOW_SIZE))
    }
}

fn disk(file: File, access: DiskAccess, index: usize) -> io::Result<Disk> {
    let access = match access {
        DiskAccess::ReadOnly => Access::ReadOnly,
        DiskAccess::ReadWrite => Access::ReadWrite,
    };
    Disk::new(file, access, &format!("openshell-disk-{index}"))
}

fn title(access: DiskAccess, index: usize) -> String {
    match access {
        DiskAccess::ReadOnly => format!("the sandbox's read-only disk {index}"),
        DiskAccess::ReadWrite => "the sandbox's writable disk".to_owned(),
    }
}

fn event() -> io::Result<EventFd> {
    EventFd::new(EFD_NONBLOCK | EFD_CLOEXEC)
}
