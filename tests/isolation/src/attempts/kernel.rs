//! The kernel itself: calls that change it, show it, or have been the way into it.

use rustix::io::Errno;

use super::{IDENTITY, SECCOMP, SETTINGS, address, call, errno, reached};
use crate::{Attempt, Wall};

/// The kernel's default: an interface that asks for no capability, and gives none.
const SURFACE: &str =
    "opens nothing by itself: the call is kept away because kernels were attacked through it";

pub(super) const ATTEMPTS: &[Attempt] = &[
    Attempt {
        name: "load a module",
        make: || {
            let outcome = call(
                libc::SYS_init_module,
                [address(&raw const NO_MODULE), 4, address(c"".as_ptr()), 0, 0, 0],
            );
            reached(outcome, &[Errno::NOEXEC])
        },
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "load another kernel",
        make: || reached(call(libc::SYS_kexec_load, [0, 0, 0, 1 << 40, 0, 0]), &[Errno::INVAL]),
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "turn the machine off",
        make: || reached(call(libc::SYS_reboot, [1, 2, 3, 4, 0, 0]), &[Errno::INVAL]),
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "read the kernel's messages",
        make: || {
            let mut text = [0_u8; 64];
            call(libc::SYS_syslog, [3, address(&raw mut text), 64, 0, 0, 0]).map(drop)
        },
        held_by: &[SECCOMP, &[Wall::Identity, Wall::Settings]],
        alone: "",
    },
    Attempt { name: "set the clock", make: set_clock, held_by: &[IDENTITY, SECCOMP], alone: "" },
    Attempt {
        name: "reach ports of the machine",
        make: || call(libc::SYS_ioperm, [0x80, 1, 1, 0, 0, 0]).map(drop),
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "look through loaded BPF programs",
        make: || {
            let attributes = [0_u64; 16];
            let outcome = call(libc::SYS_bpf, [11, address(&raw const attributes), 12, 0, 0, 0]);
            reached(outcome, &[Errno::NOENT])
        },
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "watch the machine by perf",
        make: || call(libc::SYS_perf_event_open, [address(&raw const CLOCK), -1, 0, -1, 0, 0]).map(drop),
        held_by: &[IDENTITY, SECCOMP],
        alone: "",
    },
    Attempt {
        name: "make calls by io_uring",
        make: || {
            let mut parameters = [0_u8; 120];
            call(libc::SYS_io_uring_setup, [1, address(&raw mut parameters), 0, 0, 0, 0]).map(drop)
        },
        held_by: &[SECCOMP, SETTINGS],
        alone: "",
    },
    Attempt {
        name: "stop the kernel at a page of its choice",
        make: || call(libc::SYS_userfaultfd, [0; 6]).map(drop),
        held_by: &[SECCOMP, &[Wall::Identity, Wall::Settings]],
        alone: "",
    },
    Attempt {
        name: "use the kernel's keys",
        make: || call(libc::SYS_keyctl, [0, -3, 1, 0, 0, 0]).map(drop),
        held_by: &[SECCOMP],
        alone: SURFACE,
    },
    Attempt {
        name: "call by the 32-bit table",
        make: by_old_table,
        held_by: &[SECCOMP],
        alone: "every other wall stands behind the call, whichever table it was found in",
    },
    Attempt {
        name: "move a file's blocks",
        make: move_blocks,
        held_by: &[SECCOMP],
        alone: "what the agent may move is what it may write: it changes without its times, and its digest in the log is told as before",
    },
    Attempt {
        name: "type into a terminal",
        make: type_into,
        held_by: &[SECCOMP, &[Wall::Identity, Wall::Settings]],
        alone: "",
    },
];

/// Not a module.
static NO_MODULE: [u8; 4] = *b"none";

/// `struct perf_event_attr`: the processor's clock, the kernel's time in it.
static CLOCK: [u32; 16] = [1, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// What is set is what it is.
fn set_clock() -> Result<(), Errno> {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
    rustix::time::clock_settime(rustix::time::ClockId::Realtime, now)
}

fn by_old_table() -> Result<(), Errno> {
    let number: i64 = 20;
    let outcome: i64;
    // SAFETY: getpid by the 32-bit table takes no argument; the kernel keeps every register but the result's.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") number => outcome, out("r8") _, out("r9") _, out("r10") _, out("r11") _)
    };
    if outcome > 0 { Ok(()) } else { Err(Errno::NOSYS) }
}

/// Who is told that the file system knows no such request, or that the arguments are wrong, has asked the file system.
fn move_blocks() -> Result<(), Errno> {
    let file = std::fs::File::open("/etc/passwd").map_err(|error| errno(&error))?;
    let (from, exchange) = (std::os::fd::AsRawFd::as_raw_fd(&file), [0_u64; 5]);
    let outcome = call(libc::SYS_ioctl, [from.into(), 0xc028_660f, address(&raw const exchange), 0, 0, 0]);
    reached(outcome, &[Errno::NOTTY, Errno::BADF, Errno::INVAL, Errno::OPNOTSUPP])
}

/// As if somebody had typed it, into the terminal that the attacker sits at.
fn type_into() -> Result<(), Errno> {
    use rustix::fs::{Mode, OFlags};
    let master = rustix::fs::open("/dev/ptmx", OFlags::RDWR | OFlags::NOCTTY, Mode::empty())?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let name = name.to_str().map_err(|_invalid| Errno::BADMSG)?;
    let terminal =
        std::fs::File::options().read(true).write(true).open(name).map_err(|error| errno(&error))?;
    // The test's own session may lead a process group.
    let _leads_already = rustix::process::setsid();
    rustix::process::ioctl_tiocsctty(&terminal)?;
    let letter = b'x';
    let fd = std::os::fd::AsRawFd::as_raw_fd(&terminal);
    let outcome = call(libc::SYS_ioctl, [fd.into(), 0x5412, address(&raw const letter), 0, 0, 0]);
    // Its end would end who sits at the other side.
    std::mem::forget(master);
    outcome.map(drop)
}
