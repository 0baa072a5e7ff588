//! The virtual machine as KVM has it: memory, interrupt controller, wires to devices.

#![expect(unsafe_code, reason = "KVM is told of memory by address")]

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;

use kvm_bindings::{KVM_API_VERSION, KVM_MAX_CPUID_ENTRIES, kvm_cpuid_entry2, kvm_userspace_memory_region};
use kvm_ioctls::{Cap, IoEventAddress, Kvm, VcpuFd, VmFd};
use vm_memory::{GuestMemoryBackend, GuestMemoryRegion};
use vmm_arch::cpuid::Timer;
use vmm_arch::layout::{self, Gsi};
use vmm_sys_util::eventfd::EventFd;
use vmm_virtio::memory::Memory;

/// Why KVM did not give us a machine.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VmError {
    #[error("the kvm descriptor is not /dev/kvm, or its API version is not {KVM_API_VERSION} but {found}")]
    Version { found: i32 },
    #[error("KVM lacks {0:?}")]
    Capability(Cap),
    #[error("KVM refused to {0}")]
    Refused(&'static str, #[source] kvm_ioctls::Error),
}

/// A virtual machine without virtual CPUs.
#[derive(Debug)]
pub(crate) struct Vm {
    vm: VmFd,
    /// Kept because KVM reaches it by address for as long as the machine lives.
    _memory: Arc<Memory>,
    supported: Vec<kvm_cpuid_entry2>,
    timer: Timer,
}

const REQUIRED: [Cap; 7] =
    [Cap::Irqchip, Cap::Ioeventfd, Cap::Irqfd, Cap::UserMemory, Cap::SetTssAddr, Cap::ExtCpuid, Cap::MpState];

impl Vm {
    /// Makes a machine with this memory.
    pub(crate) fn create(kvm: OwnedFd, memory: &Arc<Memory>) -> Result<Self, VmError> {
        // SAFETY: the descriptor is open and owned; that it is KVM is asked in the next lines.
        let kvm = unsafe { Kvm::from_raw_fd(kvm.into_raw_fd()) };
        let found = kvm.get_api_version();
        if u32::try_from(found) != Ok(KVM_API_VERSION) {
            return Err(VmError::Version { found });
        }
        if let Some(missing) = REQUIRED.into_iter().find(|cap| !kvm.check_extension(*cap)) {
            return Err(VmError::Capability(missing));
        }
        let supported = kvm
            .get_supported_cpuid(KVM_MAX_CPUID_ENTRIES)
            .map_err(|error| VmError::Refused("tell the processor's features", error))?;
        let timer =
            if kvm.check_extension(Cap::TscDeadlineTimer) { Timer::TscDeadline } else { Timer::Periodic };
        let vm = kvm.create_vm().map_err(|error| VmError::Refused("make a virtual machine", error))?;
        let this = Self { vm, _memory: Arc::clone(memory), supported: supported.as_slice().to_vec(), timer };
        this.set_memory(memory)?;
        this.set_up_interrupts()?;
        Ok(this)
    }

    fn set_memory(&self, memory: &Memory) -> Result<(), VmError> {
        let refused = |error| VmError::Refused("take the guest's memory", error);
        for (slot, region) in (0_u32..).zip(memory.iter()) {
            let address = region.as_ptr() as usize;
            let region = kvm_userspace_memory_region {
                slot,
                flags: 0,
                guest_phys_addr: region.start_addr().0,
                memory_size: region.len(),
                userspace_addr: u64::try_from(address).expect("an address fits in 64 bits"),
            };
            // SAFETY: the range is mapped for as long as `self` lives, since `self` holds the mapping;
            // regions of one memory do not overlap; and each slot number is used once.
            unsafe { self.vm.set_user_memory_region(region) }.map_err(refused)?;
        }
        Ok(())
    }

    fn set_up_interrupts(&self) -> Result<(), VmError> {
        let address = usize::try_from(layout::KVM_TSS.0).expect("the address is below 4 GiB");
        self.vm
            .set_identity_map_address(layout::KVM_IDENTITY_MAP.0)
            .map_err(|error| VmError::Refused("place the identity map", error))?;
        self.vm.set_tss_address(address).map_err(|error| VmError::Refused("place the task state", error))?;
        self.vm.create_irq_chip().map_err(|error| VmError::Refused("make the interrupt controller", error))
    }

    pub(crate) fn create_vcpu(&self, index: u8) -> Result<VcpuFd, VmError> {
        self.vm.create_vcpu(u64::from(index)).map_err(|error| VmError::Refused("make a virtual CPU", error))
    }

    /// What KVM lets a guest see of the processor.
    pub(crate) fn supported_cpuid(&self) -> &[kvm_cpuid_entry2] {
        &self.supported
    }

    pub(crate) fn timer(&self) -> Timer {
        self.timer
    }

    /// Wires an event to an interrupt line.
    pub(crate) fn wire_interrupt(&self, event: &EventFd, line: Gsi) -> Result<(), VmError> {
        self.vm.register_irqfd(event, line.0).map_err(|error| VmError::Refused("wire an interrupt", error))
    }

    /// Turns the guest's 32-bit write of `value` to `address` into an event.
    pub(crate) fn wire_notification(&self, event: &EventFd, address: u64, value: u32) -> Result<(), VmError> {
        self.vm
            .register_ioevent(event, &IoEventAddress::Mmio(address), value)
            .map_err(|error| VmError::Refused("wire a notification", error))
    }
}
