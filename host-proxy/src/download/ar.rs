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
            // Bytes that are no text could be the end of a zip archive.
            HEAD if head.ends_with(b"`\n")
                && head[..HEAD - 1].iter().all(|byte| matches!(byte, b' '..=b'~')) => {}
            _ => return Err(broken()),
        }
        // The name stands before the content, and for other readers it is content.
        if head.starts_with(b"#1/") {
            return Err(Stop::unreadable("an archive in it has names in the content of its members"));
        }
        let size = std::str::from_utf8(&head[48..58]).ok().map(str::trim_end);
        let size = size.filter(|size| size.bytes().all(|byte| byte.is_ascii_digit()));
        let size: u64 = size.and_then(|size| size.parse().ok()).ok_or_else(broken)?;
        self.odd = !size.is_multiple_of(2);
        Ok(Some((&mut *self.source).take(size)))
    }
}
