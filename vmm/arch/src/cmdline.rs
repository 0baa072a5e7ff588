//! The kernel command line: what the manager asked for, then what this machine needs.

use crate::blob::Blob;
use crate::layout;

/// Longest command line that an x86 kernel reads, with its terminating zero (`COMMAND_LINE_SIZE`).
pub const MAX_LEN: usize = 2048;

/// What every kernel on this machine must know:
/// * the serial port is the console, and only one such port need be looked for;
/// * reset goes through the keyboard controller's port, which the machine watches, and a panic resets at
///   once so that the machine can report it;
/// * there is no PCI bus to scan.
const MACHINE: &str = "console=ttyS0 8250.nr_uarts=1 reboot=k panic=-1 pci=off";

/// Why a command line cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CmdlineError {
    /// Longer than the kernel reads.
    #[error("kernel command line has {len} bytes, more than {}", MAX_LEN - 1)]
    TooLong {
        /// Length in bytes without the terminating zero.
        len: usize,
    },
    /// Something that is not printable ASCII.
    #[error("kernel command line has the byte {byte:#04x} at {position}, which is not printable ASCII")]
    NotPrintable {
        /// The byte.
        byte: u8,
        /// Its index.
        position: usize,
    },
}

/// A validated command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cmdline(String);

impl Cmdline {
    /// Joins what the machine needs and what was asked for; what was asked for comes last and wins.
    ///
    /// # Errors
    /// When the result is too long or not printable ASCII.
    pub fn new(asked: &str) -> Result<Self, CmdlineError> {
        let asked = asked.trim();
        if let Some((position, byte)) =
            asked.bytes().enumerate().find(|(_, byte)| !(0x20..0x7f).contains(byte))
        {
            return Err(CmdlineError::NotPrintable { byte, position });
        }
        let line = if asked.is_empty() { MACHINE.to_owned() } else { format!("{MACHINE} {asked}") };
        if line.len() >= MAX_LEN {
            return Err(CmdlineError::TooLong { len: line.len() });
        }
        Ok(Self(line))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The bytes for the guest, zero-terminated.
    #[must_use]
    pub fn blob(&self) -> Blob {
        let mut bytes = self.0.clone().into_bytes();
        bytes.push(0);
        Blob { address: layout::CMDLINE, bytes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_comes_last() {
        let line = Cmdline::new(" quiet panic=5 ").unwrap();
        assert!(line.as_str().starts_with("console=ttyS0 "));
        assert!(line.as_str().ends_with(" quiet panic=5"));
        assert_eq!(line.blob().bytes.last(), Some(&0));
        assert_eq!(line.blob().address, layout::CMDLINE);
    }

    #[test]
    fn longest_line_fits_and_one_more_does_not() {
        let room = MAX_LEN - 1 - MACHINE.len() - 1;
        assert_eq!(Cmdline::new(&"a".repeat(room)).unwrap().blob().bytes.len(), MAX_LEN);
        assert_eq!(Cmdline::new(&"a".repeat(room + 1)), Err(CmdlineError::TooLong { len: MAX_LEN }));
    }

    #[test]
    fn control_characters_are_refused() {
        assert_eq!(Cmdline::new("a\nb"), Err(CmdlineError::NotPrintable { byte: b'\n', position: 1 }));
        assert_eq!(Cmdline::new("a\0b"), Err(CmdlineError::NotPrintable { byte: 0, position: 1 }));
    }
}
