//! A kernel that says it has less of Landlock than the rules need: nobody is confined by a part of them.
//!
//! The kernel's answer is changed on the way, as by whoever stands between: of all calls, the question for the version is
//! answered by the test.

#![expect(unsafe_code, reason = "a filter that asks a supervisor has no safe wrapper")]

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::mpsc;

use jail_layers::ConfineError;
use jail_layers::files;
use wire::confinement::{PathAccess, PathRule};

/// `_IOWR('!', 0, struct seccomp_notif)` and `_IOWR('!', 1, struct seccomp_notif_resp)`.
const RECEIVE: libc::Ioctl = 0xc050_2100;
const SEND: libc::Ioctl = 0xc018_2101;
const _: () =
    assert!(size_of::<libc::seccomp_notif>() == 0x50 && size_of::<libc::seccomp_notif_resp>() == 0x18);

/// `LANDLOCK_CREATE_RULESET_VERSION`.
const VERSION: u64 = 1;

/// What became of the rules where the kernel says that it has this version, and whether a file that no rule names can still be read.
struct Outcome {
    restricted: Result<(), ConfineError>,
    reads: bool,
}

#[test]
fn no_older_version_is_taken() {
    let own = own_version();
    assert!(own >= 6, "the machine's own kernel has version {own}: nothing is shown here");
    for version in 1..6 {
        let Outcome { restricted, reads } = under(version);
        assert!(matches!(restricted, Err(ConfineError::Landlock(_))), "version {version}: {restricted:?}");
        assert!(reads, "version {version}: a part of the rules is in force");
    }
}

#[test]
fn the_version_that_is_there_is_taken() {
    let Outcome { restricted, reads } = under(own_version());
    assert!(restricted.is_ok() && !reads, "{restricted:?}, reads: {reads}");
}

fn own_version() -> i64 {
    // SAFETY: the question takes no memory.
    unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, VERSION) }
}

/// On a thread of its own, as rules and filters stay until its end.
fn under(version: i64) -> Outcome {
    let (listening, listener) = mpsc::channel();
    let confined = std::thread::spawn(move || {
        listening.send(ask_supervisor()).expect("the test listens");
        let rules = [PathRule { path: "/usr".to_owned(), access: PathAccess::ReadExecute }];
        let restricted = files::open(&rules).and_then(|rules| files::restrict(&rules));
        Outcome { restricted, reads: std::fs::read("/etc/passwd").is_ok() }
    });
    let listener = listener.recv().expect("the filter is installed");
    answer(listener, version);
    confined.join().expect("the thread ends")
}

/// Every question for Landlock's version is answered by whoever has the result.
fn ask_supervisor() -> OwnedFd {
    let step =
        |code: u32, jt, jf, k| libc::sock_filter { code: u16::try_from(code).expect("16 bits"), jt, jf, k };
    let (load, equal) =
        (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);
    let give = libc::BPF_RET | libc::BPF_K;
    let number = u32::try_from(libc::SYS_landlock_create_ruleset).expect("it is small");
    // The call's number, then the lower half of its third argument.
    let mut steps = [
        step(load, 0, 0, 0),
        step(equal, 0, 3, number),
        step(load, 0, 0, 32),
        step(equal, 0, 1, u32::try_from(VERSION).expect("it is small")),
        step(give, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        step(give, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let length = u16::try_from(steps.len()).expect("they are few");
    let program = libc::sock_fprog { len: length, filter: steps.as_mut_ptr() };
    rustix::thread::set_no_new_privs(true).expect("it is always allowed");
    let (set, listen) = (libc::SECCOMP_SET_MODE_FILTER, libc::SECCOMP_FILTER_FLAG_NEW_LISTENER);
    // SAFETY: the program's pointer and length are those of a live array, which the kernel copies.
    let listener = unsafe { libc::syscall(libc::SYS_seccomp, set, listen, &raw const program) };
    assert!(listener >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the kernel just returned this descriptor, and nobody else knows it.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(listener).expect("descriptors are small")) }
}

/// Says `version` once: whoever asks remembers it. One more question would find nobody.
fn answer(listener: OwnedFd, version: i64) {
    // SAFETY: all bits zero is a value of both, and what the kernel wants to find in the first.
    let (mut asked, mut said): (libc::seccomp_notif, libc::seccomp_notif_resp) =
        unsafe { std::mem::zeroed() };
    // SAFETY: the kernel writes one `seccomp_notif`, which lives through the call.
    let received = unsafe { libc::ioctl(listener.as_raw_fd(), RECEIVE, &raw mut asked) };
    assert_eq!(received, 0, "{}", std::io::Error::last_os_error());
    (said.id, said.val) = (asked.id, version);
    // SAFETY: the kernel reads one `seccomp_notif_resp`, which lives through the call.
    let sent = unsafe { libc::ioctl(listener.as_raw_fd(), SEND, &raw mut said) };
    assert_eq!(sent, 0, "{}", std::io::Error::last_os_error());
    drop(listener);
}
