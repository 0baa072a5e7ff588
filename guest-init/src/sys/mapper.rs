//! The device mapper's calls: a device of one target. The layout is that of `struct dm_ioctl` and `struct dm_target_spec` in the
//! kernel's `include/uapi/linux/dm-ioctl.h`, version 4.0.0, which every later kernel takes.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::last_error;

/// Bytes of `struct dm_ioctl`, and where its fields are.
const HEAD: usize = 312;
const SIZE: usize = 12;
const DATA_START: usize = 16;
const TARGETS: usize = 20;
const FLAGS: usize = 28;
const DEVICE: usize = 40;
const NAME: usize = 48;
const NAME_BYTES: usize = 128;

/// Bytes of `struct dm_target_spec`, and of the target's name in it.
const SPEC: usize = 40;
const KIND: usize = 24;
const KIND_BYTES: usize = 16;

/// The device can only be read.
const READ_ONLY: u32 = 1;

/// What is asked for.
#[derive(Clone, Copy)]
enum Command {
    Create = 3,
    Resume = 6,
    Load = 9,
}

/// Makes the read-only device `name` of one target: its kind, its length in sectors, its parameters. Returns the minor
/// number of the device, which is `/dev/dm-<number>`.
pub(crate) fn map(
    control: BorrowedFd<'_>,
    name: &str,
    (kind, sectors, parameters): (&str, u64, &str),
) -> Result<u32, Errno> {
    let created = call(control, Command::Create, request(name, (READ_ONLY, 0), &[])?)?;
    call(control, Command::Load, request(name, (READ_ONLY, 1), &target(kind, sectors, parameters)?)?)?;
    call(control, Command::Resume, request(name, (0, 0), &[])?)?;
    minor(&created).ok_or(Errno::PROTO)
}

/// The message of a call.
fn request(name: &str, (flags, targets): (u32, u32), data: &[u8]) -> Result<Vec<u8>, Errno> {
    let mut message = vec![0; HEAD];
    let size = u32::try_from(HEAD + data.len()).map_err(|_long| Errno::TOOBIG)?;
    let start = u32::try_from(HEAD).map_err(|_long| Errno::TOOBIG)?;
    for (at, value) in [(0, 4), (SIZE, size), (DATA_START, start), (TARGETS, targets), (FLAGS, flags)] {
        put(&mut message, at, &value.to_ne_bytes())?;
    }
    // Its end is a NUL.
    if name.len() >= NAME_BYTES {
        return Err(Errno::NAMETOOLONG);
    }
    put(&mut message, NAME, name.as_bytes())?;
    message.extend_from_slice(data);
    Ok(message)
}

/// A table of one target, from the first sector on.
fn target(kind: &str, sectors: u64, parameters: &str) -> Result<Vec<u8>, Errno> {
    let mut table = vec![0; SPEC];
    put(&mut table, 8, &sectors.to_ne_bytes())?;
    if kind.len() >= KIND_BYTES || parameters.bytes().any(|byte| byte == 0) {
        return Err(Errno::INVAL);
    }
    put(&mut table, KIND, kind.as_bytes())?;
    table.extend_from_slice(parameters.as_bytes());
    table.push(0);
    table.resize(table.len().next_multiple_of(8), 0);
    Ok(table)
}

fn put(message: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), Errno> {
    message.get_mut(at..at + bytes.len()).ok_or(Errno::INVAL)?.copy_from_slice(bytes);
    Ok(())
}

/// The minor number in an answer: the kernel's `huge_encode_dev`, of which these are the bits below and above the major.
fn minor(answer: &[u8]) -> Option<u32> {
    let device = u64::from_ne_bytes(answer.get(DEVICE..DEVICE + 8)?.try_into().ok()?);
    u32::try_from((device & 0xff) | ((device >> 12) & 0xf_ff00)).ok()
}

fn call(control: BorrowedFd<'_>, command: Command, mut message: Vec<u8>) -> Result<Vec<u8>, Errno> {
    let size = u64::try_from(HEAD).map_err(|_long| Errno::TOOBIG)?;
    // `_IOWR(0xfd, command, struct dm_ioctl)`.
    let number = (3 << 30) | (size << 16) | (0xfd << 8) | command as u64;
    // SAFETY: the kernel reads and writes at most as many bytes as the message's own field says, which is its length; it
    // lives through the call, and nobody else has it.
    let outcome = unsafe { libc::ioctl(control.as_raw_fd(), number, message.as_mut_ptr()) };
    if outcome == 0 { Ok(message) } else { Err(last_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_its_fields_where_the_kernel_looks() {
        let table = target("verity", 2576, "1 /dev/vda").unwrap();
        assert_eq!(
            (table.len(), &table[24..31], &table[40..51]),
            (56, &b"verity\0"[..], &b"1 /dev/vda\0"[..])
        );
        assert_eq!(table[8..16], 2576_u64.to_ne_bytes());
        let message = request("root", (READ_ONLY, 1), &table).unwrap();
        let word = |at: usize| u32::from_ne_bytes(message[at..at + 4].try_into().unwrap());
        assert_eq!([word(0), word(12), word(16), word(20), word(28)], [4, 312 + 56, 312, 1, 1]);
        assert_eq!(&message[48..53], b"root\0");
        assert_eq!(message[312..], table);
    }

    #[test]
    fn names_that_do_not_fit_are_refused() {
        assert_eq!(request(&"n".repeat(128), (0, 0), &[]), Err(Errno::NAMETOOLONG));
        assert_eq!(target("a-kind-too-long-", 1, ""), Err(Errno::INVAL));
        assert_eq!(target("verity", 1, "a\0b"), Err(Errno::INVAL));
    }

    #[test]
    fn a_device_is_known_by_its_minor_number() {
        let mut answer = vec![0; HEAD];
        // 253:259.
        answer[DEVICE..DEVICE + 8].copy_from_slice(&0x10_fd03_u64.to_ne_bytes());
        assert_eq!(minor(&answer), Some(259));
        assert_eq!(minor(&answer[..40]), None);
    }
}
