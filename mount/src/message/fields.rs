//! Numbers and names of a message, one after the other.

use std::ffi::CStr;

use super::{MAX_TARGET, Name};

/// Why a message makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is not as long as it says, or shorter than its fields.
    #[error("the message is not as long as it says")]
    Length,
    /// A name is none.
    #[error("a name is empty, '.', '..' or has a '/'")]
    Name,
    /// A name is longer than any file system's.
    #[error("a name is too long")]
    LongName,
    /// A field has a value that it cannot have.
    #[error("a field has no meaning")]
    Value,
}

/// What is left of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    fn bytes<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (bytes, rest) = self.0.split_first_chunk::<N>().ok_or(Fault::Length)?;
        self.0 = rest;
        Ok(*bytes)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Fault> {
        self.bytes().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Result<u32, Fault> {
        self.bytes().map(u32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Result<u64, Fault> {
        self.bytes().map(u64::from_le_bytes)
    }

    fn text(&mut self) -> Result<&'a CStr, Fault> {
        let text = CStr::from_bytes_until_nul(self.0).map_err(|_endless| Fault::Length)?;
        self.0 = self.0.get(text.to_bytes_with_nul().len()..).unwrap_or_default();
        Ok(text)
    }

    pub(super) fn name(&mut self) -> Result<Name<'a>, Fault> {
        Name::parse(self.text()?)
    }

    pub(super) fn target(&mut self) -> Result<&'a CStr, Fault> {
        let target = self.text()?;
        match target.count_bytes() {
            0 => Err(Fault::Name),
            length if length > MAX_TARGET => Err(Fault::LongName),
            _ => Ok(target),
        }
    }

    /// Exactly so many bytes, and nothing after them.
    pub(super) fn content(self, size: u32) -> Result<&'a [u8], Fault> {
        if usize::try_from(size) == Ok(self.0.len()) { Ok(self.0) } else { Err(Fault::Length) }
    }
}
