//! Where random bytes come from: the host's kernel.

use rustix::rand::{GetRandomFlags, getrandom};

use super::request::Request;

/// Most bytes for one request. The driver asks again; a guest cannot make the host work for long at once.
const MOST: usize = 4096;

/// Fills a request; returns the number of bytes.
///
/// # Panics
/// The host's kernel always has random bytes once it has started.
#[must_use]
pub fn fill(request: &Request<'_>) -> u32 {
    let mut bytes = [0_u8; MOST];
    let wanted = request.room.len().min(MOST);
    let mut done = 0;
    while done < wanted {
        match getrandom(&mut bytes[done..wanted], GetRandomFlags::empty()) {
            Ok(count) => done += count,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("the kernel has no random bytes: {error}"),
        }
    }
    u32::try_from(request.room.copy_from(&bytes[..wanted])).expect("at most 4096")
}
