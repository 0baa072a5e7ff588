//! The serial port: what the guest prints goes to the manager line by line, and is watched for the
//! kernel's last words.
//!
//! The guest must not be able to stall or fill the host: a line is at most [`LINE`] bytes, and what the
//! manager does not take in time is dropped and counted.

use std::fs::File;
use std::io::{self, Write};

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};
use vmm_sys_util::eventfd::EventFd;

use crate::notice::{Announcer, Notice};

/// What precedes the reason on the console when a Linux kernel panics.
const PANIC: &str = "Kernel panic - not syncing: ";

/// Longest piece that is held back while waiting for the end of a line.
const LINE: usize = 512;

/// The serial port's registers.
pub(crate) struct Console {
    serial: Serial<Interrupt, NoEvents, Lines>,
}

/// Raises the port's interrupt.
struct Interrupt(EventFd);

/// Where the output goes.
struct Lines {
    out: File,
    line: Vec<u8>,
    watch: Option<Announcer>,
    dropped: u64,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}

impl Console {
    /// A port that raises `interrupt` and prints to `out`.
    pub(crate) fn new(interrupt: EventFd, out: File, announcer: Announcer) -> Self {
        let lines = Lines { out, line: Vec::with_capacity(LINE), watch: Some(announcer), dropped: 0 };
        Self { serial: Serial::new(Interrupt(interrupt), lines) }
    }

    pub(crate) fn read(&mut self, register: u8) -> u8 {
        self.serial.read(register)
    }

    /// A write that fails has lost output, which was counted, or an interrupt, which the driver's own
    /// polling makes up for; the guest goes on in either case.
    pub(crate) fn write(&mut self, register: u8, value: u8) {
        let _lost = self.serial.write(register, value);
    }

    /// Passes on what is held back; says how many bytes were lost since the start.
    pub(crate) fn finish(&mut self) -> u64 {
        let lines = self.serial.writer_mut();
        lines.pass_on();
        lines.dropped
    }
}

impl Trigger for Interrupt {
    type E = io::Error;

    fn trigger(&self) -> Result<(), io::Error> {
        self.0.write(1)
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' || self.line.len() >= LINE {
                self.look_for_panic();
                self.pass_on();
            }
        }
        Ok(bytes.len())
    }

    /// The port flushes after every byte; a line is passed on when it is whole.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn pass_on(&mut self) {
        // An error means that the other end is full, or gone: nothing was taken.
        let written = self.out.write(&self.line).unwrap_or_default();
        let lost = self.line.len() - written;
        self.dropped = self.dropped.saturating_add(u64::try_from(lost).expect("a length fits in 64 bits"));
        self.line.clear();
    }

    fn look_for_panic(&mut self) {
        let Some(reason) = panic_reason(&self.line) else { return };
        // The first one counts: a panic while panicking is not the reason.
        if let Some(announcer) = self.watch.take() {
            announcer.announce(Notice::PanicSeen(reason));
        }
    }
}

/// The kernel's reason, if this line is its last words. Control characters of the guest stay out of it.
fn panic_reason(line: &[u8]) -> Option<String> {
    let at = line.windows(PANIC.len()).position(|window| window == PANIC.as_bytes())?;
    let reason = String::from_utf8_lossy(&line[at + PANIC.len()..]);
    Some(reason.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};

    use vmm_sys_util::eventfd::EFD_NONBLOCK;

    use super::*;
    use crate::notice::notices;

    fn print(text: &[u8]) -> (String, Vec<Notice>) {
        let mut file = tempfile::tempfile().unwrap();
        let (announcer, notices) = notices().unwrap();
        let interrupt = EventFd::new(EFD_NONBLOCK).unwrap();
        let mut console = Console::new(interrupt, file.try_clone().unwrap(), announcer);
        for byte in text {
            console.write(0, *byte);
        }
        assert_eq!(console.finish(), 0);
        let mut printed = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut printed).unwrap();
        (printed, std::iter::from_fn(|| notices.next()).collect())
    }

    #[test]
    fn output_arrives_whole() {
        let long = "x".repeat(3 * LINE + 7);
        let (printed, seen) = print(format!("one\n{long}").as_bytes());
        assert_eq!(printed, format!("one\n{long}"));
        assert!(seen.is_empty());
    }

    #[test]
    fn first_panic_is_reported_with_its_reason() {
        let text = b"[    0.5] Kernel panic - not syncing: VFS: \x1b[1mno root\r\n[ 0.6] Kernel panic - not syncing: again\n";
        let (_, seen) = print(text);
        assert_eq!(seen, [Notice::PanicSeen("VFS: ?[1mno root".to_owned())]);
    }

    #[test]
    fn output_that_nobody_takes_is_dropped_and_counted() {
        let (_reader, writer) = std::io::pipe().unwrap();
        let writer = File::from(std::os::fd::OwnedFd::from(writer));
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
        let (announcer, _notices) = notices().unwrap();
        let mut console = Console::new(EventFd::new(EFD_NONBLOCK).unwrap(), writer, announcer);
        for _ in 0..200_000 {
            console.write(0, b'x');
        }
        assert!(console.finish() > 0);
    }
}
