//! Kernel, initramfs and root images.

pub mod kernel;
