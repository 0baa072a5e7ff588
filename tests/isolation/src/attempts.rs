//! The attempts, by what they go for, and the calls that they are made of.

mod files;
mod kernel;
mod network;
mod processes;
mod resources;

use std::io;

use rustix::io::Errno;

use crate::{Attempt, Wall};

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Attempt> {
    [files::ATTEMPTS, processes::ATTEMPTS, kernel::ATTEMPTS, network::ATTEMPTS, resources::ATTEMPTS]
        .into_iter()
        .flatten()
}

const NAMESPACES: &[Wall] = &[Wall::Namespaces];
const MOUNTS: &[Wall] = &[Wall::Mounts];
const IDENTITY: &[Wall] = &[Wall::Identity];
const LANDLOCK: &[Wall] = &[Wall::Landlock];
const SECCOMP: &[Wall] = &[Wall::Seccomp];
const SETTINGS: &[Wall] = &[Wall::Settings];
/// A `/proc` of the agent's own processes: neither the namespace nor the mount is enough.
const OWN_PROC: &[Wall] = &[Wall::Namespaces, Wall::Mounts];
/// `hidepid`, which root passes over.
const HIDDEN: &[Wall] = &[Wall::Mounts, Wall::Identity];

fn call(number: libc::c_long, arguments: [i64; 6]) -> Result<i64, Errno> {
    let [a, b, c, d, e, f] = arguments;
    // SAFETY: each attempt passes numbers, or pointers to what outlives the call.
    let outcome = unsafe { libc::syscall(number, a, b, c, d, e, f) };
    if outcome >= 0 { Ok(outcome) } else { Err(last_error()) }
}

fn last_error() -> Errno {
    errno(&io::Error::last_os_error())
}

fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::BADMSG)
}

/// The address of what a call is to read or write.
fn address<T: ?Sized>(of: *const T) -> i64 {
    i64::try_from(of.cast::<u8>().addr()).unwrap_or_default()
}

/// An error that only who got past every check is told.
fn reached(outcome: Result<i64, Errno>, told: &[Errno]) -> Result<(), Errno> {
    match outcome {
        Ok(_) => Ok(()),
        Err(error) if told.contains(&error) => Ok(()),
        Err(error) => Err(error),
    }
}

/// What there was to read must be the thing itself.
fn holds(found: bool) -> Result<(), Errno> {
    if found { Ok(()) } else { Err(Errno::NOENT) }
}

fn read(path: &str) -> Result<Vec<u8>, Errno> {
    std::fs::read(path).map_err(|error| errno(&error))
}

/// Divides the process: the child does `work`, and its outcome is its exit status.
pub fn apart(work: impl FnOnce() -> Result<(), Errno>) -> Result<i32, Errno> {
    // SAFETY: the attacker has one thread.
    let child = unsafe { libc::fork() };
    match child {
        -1 => Err(last_error()),
        0 => std::process::exit(work().map_or_else(Errno::raw_os_error, |()| 0)),
        child => wait(child),
    }
}

/// How a child ended: its status, or the signal below zero.
fn wait(child: i32) -> Result<i32, Errno> {
    let mut status = 0;
    // SAFETY: the pointer is to a live number.
    let outcome = unsafe { libc::waitpid(child, &raw mut status, 0) };
    if outcome < 0 {
        return Err(last_error());
    }
    Ok(if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -libc::WTERMSIG(status) })
}

/// Becomes an ordinary user, by no wall's means: some attempts are what such a user makes of himself.
fn as_ordinary_user() -> Result<(), Errno> {
    let user = i64::from(crate::stage::USER);
    call(libc::SYS_setresgid, [user, user, user, 0, 0, 0])?;
    call(libc::SYS_setresuid, [user, user, user, 0, 0, 0]).map(drop)
}

fn victim() -> i64 {
    number(crate::stage::VICTIM)
}

fn number(variable: &str) -> i64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).expect("the test says who the victim is")
}
