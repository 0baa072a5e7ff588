//! Kernel, initramfs and root images: everything that a microVM boots from, made on this machine from Debian
//! packages and kept in a cache.
//!
//! * [`kernel`] — the stock kernel and its modules, by package name.
//! * [`initramfs`] — guest-init and modules, as the kernel unpacks them.
//! * [`root`] — what `image:` in agent.yaml means: a built-in recipe, a root tree, an EROFS file.
//! * [`registry`] — where this machine's package clients fetch from, for the variables of policies.
//! * [`store`] — where finished root images are kept, by content.
//! * [`verity`] — the hash trees by which the guest checks its root image.
//! * [`tree`] and [`scratch`] — the other disks of a sandbox: directories to read, space to write.
//!
//! *Invariant:* no file of this crate spells the host of a package registry; apt knows them.

#![forbid(unsafe_code)]

mod apt;
mod bootstrap;
mod cpio;
mod destination;
mod digest;
mod erofs;
pub mod initramfs;
pub mod kernel;
pub mod manifest;
mod recipe;
pub mod registry;
pub mod root;
pub mod scratch;
mod stop;
pub mod store;
mod tool;
pub mod tree;
pub mod verity;

pub use digest::{Digest, DigestError};
pub use kernel::{Kernel, default_cache};
pub use manifest::{ImageName, Manifest};
pub use stop::Stop;
pub use store::{Image, Sealed, Store, StoreError};
pub use tool::ToolError;
