//! The three ways into a Linux kernel, each as bytes for guest memory.
//!
//! | kernel | protocol | first instruction runs in |
//! |---|---|---|
//! | ELF with a PVH note | [`pvh`] | 32-bit protected mode without paging |
//! | ELF without one, bzImage | [`zero_page`] + [`paging`] | 64-bit mode |

pub mod elf;
pub mod paging;
pub mod pvh;
pub mod zero_page;

use vm_memory::GuestAddress;

use crate::cmdline::Cmdline;
use crate::memory::{MemoryPlan, Range};

/// What a kernel is told when it starts, whatever the protocol.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo<'a> {
    /// Where the RAM is.
    pub memory: &'a MemoryPlan,
    /// The command line; its blob goes to guest memory as well.
    pub cmdline: &'a Cmdline,
    /// Where the initramfs is, if there is one.
    pub initramfs: Option<Range>,
    /// The ACPI root pointer.
    pub rsdp: GuestAddress,
}

/// Where and how the first virtual CPU starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// 32-bit protected mode at this address, with the start info in a register.
    Pvh(GuestAddress),
    /// 64-bit mode at this address, with the boot parameters in a register.
    Linux64(GuestAddress),
}
