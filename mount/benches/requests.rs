//! What a request costs the host: looked up in a tree of small files, over a lane as the machine speaks it, beside the system call
//! that it comes to; by one lane and by all. And content, read through a lane.
//!
//! `cargo xtask bench mounts` runs it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement that fails or prints nothing is none"
)]

use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mount::directory::Directory;
use mount::kept::Kept;
use mount::process::serve_lane;
use mount::session::Session;
use rustix::fs::{AtFlags, StatxFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use wire::mount::{LANES, MAX_CONTENT};
use wire::spawn::JailUser;

const FILES: u32 = 50_000;
const LONG: u64 = 256 << 20;

const LOOKUP: u32 = 1;
const OPEN: u32 = 14;
const READ: u32 = 15;

fn main() {
    let home = tempfile::tempdir().unwrap();
    let names: Vec<CString> =
        (0..FILES).map(|index| CString::new(format!("file{index}.js")).unwrap()).collect();
    for name in &names {
        fs::write(home.path().join(name.to_str().unwrap()), "x").unwrap();
    }
    let directory = File::open(home.path()).unwrap();
    println!("| measured | figure |\n|---|---|");
    let begun = Instant::now();
    for name in &names {
        rustix::fs::statx(&directory, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS).unwrap();
    }
    let alone = begun.elapsed() / FILES;
    println!("| `statx` itself | {} |", micros(alone));
    let agent = JailUser { uid: 1000, gid: 1000 };
    let directory = Directory::of(directory.into(), agent).unwrap();
    let session = Arc::new(Session::new(directory, Kept::default(), 1));
    let lanes: Vec<OwnedFd> = (0..LANES).map(|_| lane(&session)).collect();
    for count in [1, LANES] {
        let begun = Instant::now();
        thread::scope(|scope| {
            for (index, lane) in lanes.iter().take(count).enumerate() {
                let names = &names;
                scope.spawn(move || {
                    names.iter().skip(index).step_by(count).for_each(|name| look_up(lane, name))
                });
            }
        });
        let each = begun.elapsed() / FILES;
        println!(
            "| a look-up of {FILES}, by {count} lane(s) | {}, {:.0} a second |",
            micros(each),
            1.0 / each.as_secs_f64()
        );
    }
    println!("| content read by one lane | {:.0} MiB a second |", content(home.path(), &lanes));
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

fn ask(lane: &OwnedFd, (opcode, node): (u32, u64), rest: &[u8], answer: &mut [u8]) -> usize {
    let length = u32::try_from(40 + rest.len()).unwrap();
    let header = [&length.to_le_bytes()[..], &opcode.to_le_bytes(), &[0; 8], &node.to_le_bytes(), &[0; 16]];
    rustix::net::send(lane, &[&header.concat(), rest].concat(), SendFlags::empty()).unwrap();
    let (length, _) = rustix::net::recv(lane, &mut *answer, RecvFlags::empty()).unwrap();
    assert_eq!(answer[4..8], [0; 4], "it is answered");
    length
}

fn look_up(lane: &OwnedFd, name: &CString) {
    let mut answer = [0; 256];
    ask(lane, (LOOKUP, 1), name.as_bytes_with_nul(), &mut answer);
}

/// MiB a second.
fn content(home: &std::path::Path, lanes: &[OwnedFd]) -> f64 {
    File::create(home.join("long")).unwrap().set_len(LONG).unwrap();
    let mut answer = vec![0; 16 + usize::try_from(MAX_CONTENT).unwrap()];
    ask(&lanes[0], (LOOKUP, 1), b"long\0", &mut answer);
    let node = u64::from_le_bytes(answer[16..24].try_into().unwrap());
    ask(&lanes[0], (OPEN, node), &[0; 8], &mut answer);
    let handle: [u8; 8] = answer[16..24].try_into().unwrap();
    let begun = Instant::now();
    for offset in (0..LONG).step_by(usize::try_from(MAX_CONTENT).unwrap()) {
        let rest = [&handle[..], &offset.to_le_bytes(), &MAX_CONTENT.to_le_bytes(), &[0; 20]].concat();
        assert_eq!(ask(&lanes[0], (READ, node), &rest, &mut answer), answer.len());
    }
    (LONG >> 20) as f64 / begun.elapsed().as_secs_f64()
}

fn micros(time: Duration) -> String {
    format!("{:.1} µs", time.as_secs_f64() * 1e6)
}
