//! The root image as the kernel gives it out: only blocks whose hashes lead to the root hash that the host named.
//!
//! A block that does not is the end of the guest: whoever reads on after an error has read part of a file, and an agent
//! takes an error of its own disk for anything but what it is. The kernel panics with its reason, and the manager names it.

use std::fmt::Write;
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use wire::control::Verity;

use crate::sys::mapper;

/// Where the device mapper is told what to make.
const CONTROL: &str = "/dev/mapper/control";

/// Sectors of 512 bytes in a block.
const SECTORS: u64 = 8;

/// Makes the device that checks `image`, and returns its path.
///
/// # Errors
/// The kernel has no dm-verity, or refuses the tree.
pub(crate) fn open(image: &str, verity: &Verity) -> Result<String, Errno> {
    let control = rustix::fs::open(CONTROL, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let sectors = verity.data_blocks.checked_mul(SECTORS).ok_or(Errno::OVERFLOW)?;
    let number = mapper::map(control.as_fd(), "root", ("verity", sectors, &parameters(image, verity)))?;
    Ok(format!("/dev/dm-{number}"))
}

/// The target's parameters (the kernel's `Documentation/admin-guide/device-mapper/verity.rst`).
fn parameters(image: &str, verity: &Verity) -> String {
    let Verity { tree, root, salt, data_blocks } = verity;
    let (root, salt) = (hex(root), hex(salt));
    format!(
        "1 {image} {tree} 4096 4096 {data_blocks} 1 sha256 {root} {salt} 2 panic_on_corruption panic_on_error"
    )
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_the_whole_tree() {
        let verity =
            Verity { tree: "/dev/vdb".to_owned(), root: [0xab; 32], salt: [1; 32], data_blocks: 322 };
        let (root, salt) = ("ab".repeat(32), "01".repeat(32));
        assert_eq!(
            parameters("/dev/vda", &verity),
            format!(
                "1 /dev/vda /dev/vdb 4096 4096 322 1 sha256 {root} {salt} 2 panic_on_corruption panic_on_error"
            )
        );
    }
}
