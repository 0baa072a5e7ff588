//! One virtual CPU: a thread that is in one of three states.
//!
//! ```text
//!            ┌───────── exit handled ──────────┐
//!            ▼                                 │
//!  start ─► Running ── signal ─► Interrupted ──┘ (no order, or the process was stopped and goes on)
//!            │                        │
//!            │ the guest stops        │ order to stop
//!            └────────► Over ◄────────┘
//! ```
//! It must never know what stands behind a port or a window.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kvm_bindings::{CpuId, Msrs};
use kvm_ioctls::{VcpuExit, VcpuFd};
use vmm_arch::boot::Entry;
use vmm_arch::cpuid::{self, Topology};
use vmm_arch::{lapic, msr, registers};

use crate::devices::Windows;
use crate::ending::Ending;
use crate::notice::{Announcer, Notice};
use crate::ports::{Effect, Ports};
use crate::vm::{Vm, VmError};

/// KVM's `KVM_RUN` request.
const KVM_RUN: u32 = 0xae80;

/// KVM's `KVM_KVMCLOCK_CTRL` request.
const KVM_KVMCLOCK_CTRL: u32 = 0xaead;

/// The only requests that a running virtual CPU's thread makes.
pub(crate) const REQUESTS: [u32; 2] = [KVM_RUN, KVM_KVMCLOCK_CTRL];

/// A virtual CPU that has not started.
#[derive(Debug)]
pub(crate) struct Vcpu {
    fd: VcpuFd,
    board: Arc<Board>,
}

/// What all virtual CPUs of a machine share.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) ports: Ports,
    pub(crate) windows: Windows,
    pub(crate) announcer: Announcer,
    /// Set once, when the machine is to end; read by every virtual CPU when it is interrupted.
    pub(crate) stop: AtomicBool,
}

enum State {
    Running,
    Interrupted,
    Over(Option<Ending>),
}

impl Vcpu {
    /// Makes the virtual CPU with this index. The first one starts at `entry`; the others wait for it.
    pub(crate) fn create(
        vm: &Vm,
        topology: Topology,
        index: u8,
        board: &Arc<Board>,
    ) -> Result<Self, VmError> {
        let fd = vm.create_vcpu(index)?;
        let table = cpuid::for_vcpu(vm.supported_cpuid(), topology, index, vm.timer());
        let table = CpuId::from_entries(&table).expect("KVM's own table and three more fit");
        fd.set_cpuid2(&table).map_err(|error| VmError::Refused("take the processor's features", error))?;
        let wanted = msr::boot();
        let msrs = Msrs::from_entries(&wanted).expect("two registers fit");
        let set =
            fd.set_msrs(&msrs).map_err(|error| VmError::Refused("set model-specific registers", error))?;
        if set != wanted.len() {
            return Err(VmError::Refused(
                "set every model-specific register",
                kvm_ioctls::Error::new(libc::EINVAL),
            ));
        }
        let refused = |error| VmError::Refused("set up a local APIC", error);
        let wired = lapic::with_wires(&fd.get_lapic().map_err(refused)?);
        fd.set_lapic(&wired).map_err(refused)?;
        Ok(Self { fd, board: Arc::clone(board) })
    }

    /// Sets the registers for the kernel's entry.
    pub(crate) fn enter_at(&self, entry: Entry) -> Result<(), VmError> {
        let refused = |error| VmError::Refused("set registers", error);
        let reset = self.fd.get_sregs().map_err(refused)?;
        self.fd.set_sregs(&registers::system(entry, &reset)).map_err(refused)?;
        self.fd.set_regs(&registers::general(entry)).map_err(refused)
    }

    /// Runs until the machine is over; the thread's whole work.
    pub(crate) fn run(mut self) {
        let mut state = State::Running;
        loop {
            state = match state {
                State::Running => self.run_guest(),
                State::Interrupted if self.board.stop.load(Ordering::Acquire) => State::Over(None),
                State::Interrupted => {
                    // The process may have been stopped meanwhile, for hours: the guest's watchdogs are told that it was
                    // not their guest that hung. A guest without this clock needs no telling.
                    let _other_clock = self.fd.kvmclock_ctrl();
                    State::Running
                }
                State::Over(ending) => {
                    if let Some(ending) = ending {
                        self.board.announcer.announce(Notice::Ended(ending));
                    }
                    return;
                }
            };
        }
    }

    /// Ends the machine instead of running.
    pub(crate) fn give_up(self, cause: &str) {
        self.board.announcer.announce(Notice::Ended(Ending::Unrunnable(cause.to_owned())));
    }

    fn run_guest(&mut self) -> State {
        match self.fd.run() {
            Ok(exit) => after_exit(&self.board, exit),
            Err(error) => match error.errno() {
                // `EAGAIN`: a processor that waits for its start-up interrupt was woken.
                libc::EINTR | libc::EAGAIN => State::Interrupted,
                _ => State::Over(Some(Ending::Unrunnable(format!("KVM cannot run a virtual CPU: {error}")))),
            },
        }
    }
}

fn after_exit(board: &Board, exit: VcpuExit<'_>) -> State {
    match exit {
        VcpuExit::IoIn(port, data) => board.ports.read(port, data),
        VcpuExit::IoOut(port, data) => {
            if board.ports.write(port, data) == Effect::Stop {
                return State::Over(Some(Ending::Stopped));
            }
        }
        VcpuExit::MmioRead(address, data) => board.windows.read(address, data),
        VcpuExit::MmioWrite(address, data) => board.windows.write(address, data),
        VcpuExit::Intr => return State::Interrupted,
        // A triple fault. The kernel command line says that reset goes through a port, so this is a crash.
        VcpuExit::Shutdown => {
            let reason = "triple fault of a virtual CPU".to_owned();
            return State::Over(Some(Ending::Panicked(reason)));
        }
        VcpuExit::SystemEvent(..) => return State::Over(Some(Ending::Stopped)),
        other => {
            let cause = format!("KVM cannot go on with this guest: {other:?}");
            return State::Over(Some(Ending::Unrunnable(cause)));
        }
    }
    State::Running
}
