//! The archives of `ar`, which packages of Debian are: a head of 60 bytes before each member, which begins at an even byte.

use std::io::{Read, Take};

use super::inside::Stop;
use super::source::{drain, fill};

const MAGIC: &[u8] = b"!<arch>\n";
const HEAD: usize = 60;

/// Goes over the members.
pub(super) struct Members<'a> {
    source: &'a mut dyn Read,
    /// Whether the member before has an odd length.
    odd: bool,
}

impl<'a> Members<'a> {
    pub(super) fn new(source: &'a mut dyn Read) -> Result<Self, Stop> {
        let mut magic = [0; MAGIC.len()];
        source.read_exact(&mut magic)?;
        Ok(Self { source, odd: false })
    }

    /// The next member; the one before was read to its end.
    pub(super) fn next_member(&mut self) -> Result<Option<Take<&mut (dyn Read + 'a)>>, Stop> {
        let broken = || Stop::unreadable("an archive in it is broken");
        if std::mem::take(&mut self.odd) {
            drain(&mut (&mut *self.source).take(1))?;
        }
        let mut head = [0; HEAD];
        match fill(&mut *self.source, &mut head)? {
            0 => return Ok(None),
            HEAD if head.ends_with(b"`\n") => {}
            _ => return Err(broken()),
        }
        let size = std::str::from_utf8(&head[48..58]).ok().and_then(|size| size.trim_end().parse().ok());
        let size: u64 = size.ok_or_else(broken)?;
        self.odd = !size.is_multiple_of(2);
        Ok(Some((&mut *self.source).take(size)))
    }
}
