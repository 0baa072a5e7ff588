//! Random bytes of the host's kernel, for names that must not meet and keys that must not be guessed.

use crate::failure::Failure;

pub(crate) fn random(bytes: &mut [u8]) -> Result<(), Failure> {
    let filled = rustix::rand::getrandom(&mut *bytes, rustix::rand::GetRandomFlags::empty());
    match filled {
        Ok(n) if n == bytes.len() => Ok(()),
        Ok(_) | Err(_) => Err(Failure::new(
            "the kernel gives no random bytes",
            "wait until the machine has finished its boot",
        )),
    }
}
