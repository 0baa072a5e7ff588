//! The x86-64 machine as data: from a configuration to the bytes in guest memory and the registers that
//! start a Linux kernel.
//!
//! Everything here is a pure function. Nothing here holds a file descriptor, talks to KVM, or knows which
//! devices stand behind the windows that it describes to the guest.

pub mod acpi;
pub mod blob;
pub mod boot;
pub mod cmdline;
pub mod cpuid;
pub mod lapic;
pub mod layout;
pub mod memory;
pub mod msr;
pub mod registers;
