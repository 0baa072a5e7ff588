//! The I/O ports: serial port, keyboard controller (reset only), ACPI sleep. Anything else reads as all
//! ones and ignores what is written, like an empty bus.

use std::sync::{Mutex, PoisonError};

use vmm_arch::layout;

use crate::console::Console;

/// What an access did to the machine as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing.
    None,
    /// The guest wants a reset, or power off: this machine ends with either.
    Stop,
}

/// The ports. The console is behind a lock because every virtual CPU may print, and the main thread
/// finishes it.
#[derive(Debug)]
pub(crate) struct Ports {
    console: Mutex<Console>,
}

impl Ports {
    pub(crate) fn new(console: Console) -> Self {
        Self { console: Mutex::new(console) }
    }

    pub(crate) fn read(&self, port: u16, data: &mut [u8]) {
        data.fill(match port {
            // The keyboard controller is always ready for its one command.
            layout::RESET_PORT | layout::SLEEP_CONTROL_PORT | layout::SLEEP_STATUS_PORT => 0,
            _ => 0xff,
        });
        if let ([byte], Some(register)) = (data, serial_register(port)) {
            *byte = self.console().read(register);
        }
    }

    pub(crate) fn write(&self, port: u16, data: &[u8]) -> Effect {
        // A string instruction brings many bytes for one port.
        if let Some(register) = serial_register(port) {
            let mut console = self.console();
            for byte in data {
                console.write(register, *byte);
            }
            return Effect::None;
        }
        match (port, data) {
            (layout::RESET_PORT, [layout::RESET_COMMAND]) => Effect::Stop,
            (layout::SLEEP_CONTROL_PORT, [layout::POWER_OFF_COMMAND]) => Effect::Stop,
            _ => Effect::None,
        }
    }

    /// Passes on what the console holds back; says how many bytes it lost.
    pub(crate) fn finish(&self) -> u64 {
        self.console().finish()
    }

    fn console(&self) -> std::sync::MutexGuard<'_, Console> {
        // A panic ends the process, so no thread ever sees a lock that a panicking one held.
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serial_register(port: u16) -> Option<u8> {
    let register = port.checked_sub(layout::SERIAL_PORT)?;
    u8::try_from(register).ok().filter(|_| register < layout::SERIAL_PORTS)
}

#[cfg(test)]
mod tests {
    use vmm_sys_util::eventfd::{EFD_NONBLOCK, EventFd};

    use super::*;
    use crate::notice::notices;

    fn ports() -> Ports {
        let (announcer, _notices) = notices().unwrap();
        let interrupt = EventFd::new(EFD_NONBLOCK).unwrap();
        Ports::new(Console::new(interrupt, tempfile::tempfile().unwrap(), announcer))
    }

    #[test]
    fn reset_and_power_off_stop_the_machine() {
        let ports = ports();
        assert_eq!(ports.write(0x64, &[0xfe]), Effect::Stop);
        assert_eq!(ports.write(0x600, &[0x34]), Effect::Stop);
        assert_eq!(ports.write(0x600, &[0x14]), Effect::None);
        assert_eq!(ports.write(0x64, &[0xfe, 0xfe]), Effect::None);
        assert_eq!(ports.write(0x80, &[0xfe]), Effect::None);
    }

    #[test]
    fn empty_bus_reads_as_ones() {
        let ports = ports();
        let mut data = [0; 4];
        ports.read(0xcf8, &mut data);
        assert_eq!(data, [0xff; 4]);
        ports.read(0x64, &mut data[..1]);
        assert_eq!(data[0], 0);
        ports.read(0x3fd, &mut data[..1]);
        assert_eq!(data[0], 0x60, "transmitter is empty");
        ports.read(0x400, &mut data[..1]);
        assert_eq!(data[0], 0xff, "one after the serial port");
    }

    #[test]
    fn odd_access_widths_are_harmless() {
        let ports = ports();
        let mut none: [u8; 0] = [];
        ports.read(0x3f8, &mut none);
        let mut two = [0; 2];
        ports.read(0x3f8, &mut two);
        assert_eq!(two, [0xff; 2]);
        assert_eq!(ports.write(0x3f8, b"string output"), Effect::None);
    }
}
