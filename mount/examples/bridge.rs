//! Mounts a directory through the server by this machine's own FUSE client: what the kernel asks goes over the lanes as the guest's
//! requests do, with this process in place of the VMM. For measuring (`cargo xtask bench mounts`): it says what the server and the
//! protocol cost where no processor is emulated.
//!
//! `bridge SOURCE TARGET SECONDS`, as root; the client believes what it was told for so many seconds. Ends when TARGET is unmounted.

#![expect(clippy::unwrap_used, reason = "a measurement that fails is none")]

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use mount::directory::Directory;
use mount::kept::Kept;
use mount::process::serve_lane;
use mount::session::Session;
use rustix::io::Errno;
use rustix::mount::MountFlags;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use wire::mount::{LANES, MAX_CONTENT, MAX_HEADERS};
use wire::spawn::JailUser;

/// Requests that FUSE has no answer to: `FORGET`, `INTERRUPT`, `BATCH_FORGET`.
const UNANSWERED: [u32; 3] = [2, 36, 42];

fn main() {
    let [source, target, believed] = [1, 2, 3].map(|index| std::env::args().nth(index).unwrap());
    let directory = Directory::of(File::open(source).unwrap().into(), JailUser { uid: 0, gid: 0 }).unwrap();
    let session = Arc::new(Session::new(directory, Kept::default(), believed.parse().unwrap()));
    let device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let options = format!(
        "fd={},rootmode=40000,user_id=0,group_id=0,default_permissions,allow_other",
        device.as_raw_fd()
    );
    let options = std::ffi::CString::new(options).unwrap();
    rustix::mount::mount("bridge", target, "fuse", MountFlags::empty(), &*options).unwrap();
    thread::scope(|scope| {
        for _lane in 0..LANES {
            let lane = lane(&session);
            let device = &device;
            scope.spawn(move || carry(device, &lane));
        }
    });
}

/// A lane that a thread serves.
fn lane(session: &Arc<Session>) -> OwnedFd {
    let (ours, theirs) =
        rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .unwrap();
    let session = Arc::clone(session);
    thread::spawn(move || serve_lane(&session, &theirs));
    ours
}

/// Passes on one request after the other.
fn carry(device: &File, lane: &OwnedFd) {
    let longest = usize::try_from(MAX_CONTENT + MAX_HEADERS).unwrap();
    let (mut request, mut answer) = (vec![0; longest], vec![0; longest]);
    loop {
        let length = match rustix::io::read(device, &mut request[..]) {
            Ok(length) => length,
            Err(Errno::INTR | Errno::NOENT | Errno::AGAIN) => continue,
            Err(_unmounted) => return,
        };
        rustix::net::send(lane, &request[..length], SendFlags::empty()).unwrap();
        let (length, _) = rustix::net::recv(lane, &mut answer[..], RecvFlags::empty()).unwrap();
        let opcode = u32::from_le_bytes(request[4..8].try_into().unwrap());
        if UNANSWERED.contains(&opcode) {
            continue;
        }
        // Who asked may have been interrupted meanwhile.
        let written = rustix::io::write(device, &answer[..length]);
        assert!(written.is_ok() || written == Err(Errno::NOENT), "{opcode}: {written:?}");
    }
}
