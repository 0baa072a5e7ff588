//! The KVM lab: a machine with real KVM, on any Linux machine.
//!
//! QEMU emulates a processor with SVM and boots the stock Debian kernel on it; `kvm-amd` inside then offers the
//! real KVM API. The lab sees this machine's own files at the same paths (read-only underneath, a private writable
//! layer above), so a program that was built here runs there unchanged. Nothing that it writes reaches the host but
//! the results that the caller names.
//!
//! Two halves share one channel: [`Lab`] on the host, [`guest`] as the first process inside, and between them the
//! frames of [`frame`]. The life of a lab: [`Planned`] → [`Lab`] → any number of [`Lab::run`] → dropped, which ends
//! its two processes and removes its folder. Even root inside can write none of the host's files; it can read them all.

pub mod frame;
pub mod guest;
pub mod host;
pub mod smoke;

mod initramfs;
mod machine;
mod options;
mod session;

pub use images::kernel::{PACKAGE as KERNEL_PACKAGE, default_cache};
pub use machine::MachineError;
pub use options::{Clock, Input, Options, RunOptions};
pub use session::{Ended, Interrupter, Lab, LabError, Planned, Stream};
