//! Kernel, initramfs and root images.
