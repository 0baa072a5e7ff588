//! Shows that `/dev/kvm` works: what it offers, and that a virtual processor really runs.
//!
//! The machine has no memory at all. Its processor starts at the reset vector, faults on the first fetch and comes
//! back with that news: entry, nested paging and exit have worked, and no guest memory was needed for it.

use kvm_ioctls::{Cap, Kvm, VcpuExit};

/// Why KVM does not work here.
#[derive(Debug, thiserror::Error)]
pub enum SmokeError {
    /// An ioctl failed.
    #[error("KVM cannot {doing}")]
    Ioctl {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        #[source]
        source: kvm_ioctls::Error,
    },
    /// A stock kernel needs it.
    #[error("KVM lacks {0:?}")]
    Lacks(Cap),
    /// The processor did something that a processor without memory cannot do.
    #[error("the processor came back with {0}")]
    Exit(String),
}

/// Runs the check and says in one line what was seen.
///
/// # Errors
/// KVM is missing, lacks something, or does not run a processor.
pub fn check() -> Result<String, SmokeError> {
    let kvm = Kvm::new().map_err(cannot("open /dev/kvm"))?;
    for needed in
        [Cap::UserMemory, Cap::Irqchip, Cap::Irqfd, Cap::Ioeventfd, Cap::ExtCpuid, Cap::TscDeadlineTimer]
    {
        if !kvm.check_extension(needed) {
            return Err(SmokeError::Lacks(needed));
        }
    }
    let machine = kvm.create_vm().map_err(cannot("create a machine"))?;
    let mut processor = machine.create_vcpu(0).map_err(cannot("create a processor"))?;
    let exit = match processor.run().map_err(cannot("run a processor"))? {
        VcpuExit::InternalError => "an internal error at its first fetch",
        VcpuExit::MmioRead(..) => "a read from where memory would be",
        other => return Err(SmokeError::Exit(format!("{other:?}"))),
    };
    Ok(format!("KVM API {}; a processor without memory ran and came back with {exit}", kvm.get_api_version()))
}

fn cannot(doing: &'static str) -> impl Fn(kvm_ioctls::Error) -> SmokeError {
    move |source| SmokeError::Ioctl { doing, source }
}
