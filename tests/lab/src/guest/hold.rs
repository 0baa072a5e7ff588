//! Keeps KVM in use for the lab's life.
//!
//! When the only virtual machine is created and dropped again and again, kvm-amd switches SVM off and on with it;
//! under emulation that ended once in about forty boots in an oops (`int3` in `__schedule`, a jump label being
//! patched). With one idle machine held it did not happen in ninety.

use kvm_ioctls::{Kvm, VcpuFd, VmFd};

/// The idle machine. It has no memory and never runs.
#[derive(Debug)]
pub(super) struct Held {
    _cpu: VcpuFd,
    _machine: VmFd,
    _kvm: Kvm,
}

/// Creates the idle machine, which also shows that KVM works.
pub(super) fn hold() -> Result<Held, kvm_ioctls::Error> {
    let kvm = Kvm::new()?;
    let machine = kvm.create_vm()?;
    let cpu = machine.create_vcpu(0)?;
    Ok(Held { _cpu: cpu, _machine: machine, _kvm: kvm })
}
