//! Copies as tar archives: of standard input, which is the operator's, and to standard output, from what a sandbox sends.

use std::io::{self, Read, Write};
use std::time::SystemTime;

use super::Unsent;
use ::copy::{Amount, Limits, Sink};
use tar::{EntryType, Header};
use wire::copy::{Attributes, Item, MAX_DATA, Name, Permissions, Target, Time};

/// Size of a block.
const BLOCK: u64 = 512;

/// What GNU tar calls an entry that holds a name too long for a header.
const LONG: &[u8] = b"././@LongLink";

/// Longest name that a header holds.
const SHORT: usize = 100;

/// Permissions of a directory that an archive implies.
const IMPLIED: u32 = 0o755;

/// Writes an archive.
pub(super) struct Archive<W> {
    out: W,
    /// What the one thing is called that was asked for.
    name: Option<Name>,
    limits: Limits,
    open: Vec<Name>,
    /// Of the root and of each directory that is open: the last name in it. Names ascend, so none comes twice.
    last: Vec<Option<Name>>,
    file: Option<Part>,
    amount: Amount,
    ended: bool,
}

/// Of a file that is being written.
struct Part {
    at: u64,
    size: u64,
}

/// Why an item cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum ArchiveError {
    #[error("the archive cannot be written")]
    Write(#[from] io::Error),
    #[error("the sandbox sends more than may come ({0} entries, {1} bytes)")]
    TooMuch(u64, u64),
    #[error("what the sandbox sends is no copy")]
    OutOfTurn,
}

impl<W: Write> Archive<W> {
    /// One thing called `name`, or without a name any number of things.
    pub(super) fn new(out: W, name: Option<Name>, limits: Limits) -> Self {
        Self {
            out,
            name,
            limits,
            open: Vec::new(),
            last: vec![None],
            file: None,
            amount: Amount::default(),
            ended: false,
        }
    }

    pub(super) fn amount(&self) -> Amount {
        self.amount
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    fn act(&mut self, item: Item) -> Result<(), ArchiveError> {
        match item {
            Item::Data { offset, bytes } => return self.data(offset, &bytes),
            // What is written cannot be taken back: the rest is zeros, and the sandbox says what is wrong.
            Item::Void if self.file.is_some() => return self.complete(),
            ref _other => self.complete()?,
        }
        match item {
            Item::Directory { name, attributes } => {
                let name = self.named(name)?;
                self.open.push(name);
                self.last.push(None);
                self.head(None, &header(EntryType::Directory, attributes, 0))
            }
            Item::File { name, attributes, size } => {
                let name = self.named(name)?;
                self.head(Some(&name), &header(EntryType::Regular, attributes, size))?;
                self.file = Some(Part { at: 0, size });
                Ok(())
            }
            Item::Link { name, target, modified } => {
                let (name, permissions) = (self.named(name)?, Permissions::from(0o777));
                let header = header(EntryType::Symlink, Attributes { permissions, modified }, 0);
                self.link(&name, &target, header)
            }
            Item::Leave => {
                self.last.truncate(self.open.len().max(1));
                self.open.pop().map(drop).ok_or(ArchiveError::OutOfTurn)
            }
            Item::End if self.open.is_empty() => {
                self.ended = true;
                self.out.write_all(&[0; 2 * 512])?;
                Ok(self.out.flush()?)
            }
            Item::End | Item::Data { .. } | Item::Void => Err(ArchiveError::OutOfTurn),
        }
    }

    fn named(&mut self, name: Name) -> Result<Name, ArchiveError> {
        let last = self.last.last_mut().ok_or(ArchiveError::OutOfTurn)?;
        if last.as_ref().is_some_and(|last| *last >= name) {
            return Err(ArchiveError::OutOfTurn);
        }
        *last = Some(name.clone());
        match &self.name {
            Some(_ours) if self.open.is_empty() && self.amount.entries() > 0 => Err(ArchiveError::OutOfTurn),
            Some(ours) if self.open.is_empty() => Ok(ours.clone()),
            _within => Ok(name),
        }
    }

    fn data(&mut self, offset: u64, bytes: &[u8]) -> Result<(), ArchiveError> {
        let Some(Part { at, size }) = self.file else { return Err(ArchiveError::OutOfTurn) };
        let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if offset < at || end > size || bytes.is_empty() {
            return Err(ArchiveError::OutOfTurn);
        }
        self.zeros(offset - at)?;
        self.out.write_all(bytes)?;
        self.file = Some(Part { at: end, size });
        Ok(())
    }

    fn complete(&mut self) -> Result<(), ArchiveError> {
        let Some(Part { at, size }) = self.file.take() else { return Ok(()) };
        self.zeros(size - at)?;
        self.zeros(size.next_multiple_of(BLOCK) - size)
    }

    fn zeros(&mut self, count: u64) -> Result<(), ArchiveError> {
        io::copy(&mut io::repeat(0).take(count), &mut self.out)?;
        Ok(())
    }

    fn link(&mut self, name: &Name, target: &Target, mut header: Header) -> Result<(), ArchiveError> {
        if header.set_link_name_literal(target.as_bytes()).is_err() {
            self.long(EntryType::GNULongLink, target.as_bytes())?;
            let start = target.as_bytes().get(..SHORT).unwrap_or_default();
            header.set_link_name_literal(start)?;
        }
        self.head(Some(name), &header)
    }

    /// Writes a header with its name: the directories that are open, and `last`; without it, the last of them itself.
    fn head(&mut self, last: Option<&Name>, header: &Header) -> Result<(), ArchiveError> {
        let names: Vec<&[u8]> = self.open.iter().chain(last).map(Name::as_bytes).collect();
        let mut path = names.join(&b'/');
        if last.is_none() {
            path.push(b'/');
        }
        if path.len() > SHORT {
            self.long(EntryType::GNULongName, &path)?;
            path.truncate(SHORT);
        }
        self.block(header, &path)
    }

    /// An entry that holds what is too long for the next one's header.
    fn long(&mut self, kind: EntryType, bytes: &[u8]) -> Result<(), ArchiveError> {
        let size = u64::try_from(bytes.len() + 1).unwrap_or(u64::MAX);
        let attributes = Attributes { permissions: Permissions::from(0o644), modified: epoch() };
        self.block(&header(kind, attributes, size), LONG)?;
        self.out.write_all(bytes)?;
        self.zeros(size.next_multiple_of(BLOCK) - size + 1)
    }

    fn block(&mut self, header: &Header, path: &[u8]) -> Result<(), ArchiveError> {
        let mut header = header.clone();
        if let Some(place) = header.as_old_mut().name.get_mut(..path.len()) {
            place.copy_from_slice(path);
        }
        header.set_cksum();
        Ok(self.out.write_all(header.as_bytes())?)
    }
}

impl<W: Write> Sink for Archive<W> {
    type Error = ArchiveError;

    fn put(&mut self, item: Item) -> Result<(), ArchiveError> {
        let mut total = self.amount;
        // In an archive holes are zeros.
        let bytes = if let Item::File { size, .. } = &item { *size } else { 0 };
        total += Amount { bytes, ..Amount::of(&item) };
        if total.entries() > self.limits.entries || total.bytes > self.limits.bytes {
            return Err(ArchiveError::TooMuch(self.limits.entries, self.limits.bytes));
        }
        self.act(item)?;
        self.amount = total;
        Ok(())
    }
}

fn header(kind: EntryType, attributes: Attributes, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(attributes.permissions.bits());
    header.set_mtime(u64::try_from(attributes.modified.seconds()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    Time::new(seconds, since.subsec_nanos()).unwrap_or_else(|_never| epoch())
}

fn epoch() -> Time {
    Time::new(0, 0).expect("no nanosecond is fewer than a second of them")
}

/// Puts what the archive `from` holds into `sink`, and [`Item::End`]. `left_out` hears of what is not in it.
pub(super) fn unpack(
    from: impl Read,
    sink: &mut impl Sink<Error = wire::frame::FrameError>,
    left_out: &mut dyn FnMut(String),
) -> Result<(), Unsent> {
    let mut archive = tar::Archive::new(from);
    let unreadable = |error: io::Error| Unsent::Cause(format!("the archive cannot be read: {error}"));
    let mut walk = Walk { sink, open: Vec::new() };
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path_bytes().into_owned();
        let shown = format!("{:?}", String::from_utf8_lossy(&path));
        let mut names = parse(&path)
            .ok_or_else(|| Unsent::Cause(format!("the archive names {shown}, which leads elsewhere")))?;
        let Some(name) = names.pop() else { continue };
        let seconds =
            entry.header().mtime().ok().and_then(|seconds| i64::try_from(seconds).ok()).unwrap_or(0);
        let modified = Time::new(seconds, 0).unwrap_or_else(|_never| epoch());
        let permissions = Permissions::from(entry.header().mode().unwrap_or(0o644));
        let attributes = Attributes { permissions, modified };
        let target = entry.link_name_bytes().and_then(|target| Target::try_from(target.into_owned()).ok());
        match (entry.header().entry_type(), target) {
            (EntryType::Directory, _) => {
                walk.go(&names)?;
                walk.enter(name, attributes)?;
            }
            (EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse, _) => {
                walk.go(&names)?;
                walk.put(Item::File { name, attributes, size: entry.size() })?;
                walk.content(&mut entry, &shown)?;
            }
            (EntryType::Symlink, Some(target)) => {
                walk.go(&names)?;
                walk.put(Item::Link { name, target, modified })?;
            }
            _other => left_out(format!(
                "{shown} is left out: it is neither a file nor a directory nor a symbolic link"
            )),
        }
    }
    walk.go(&[])?;
    walk.put(Item::End)
}

/// Turns paths into steps from directory to directory.
struct Walk<'a, S> {
    sink: &'a mut S,
    open: Vec<Name>,
}

impl<S: Sink<Error = wire::frame::FrameError>> Walk<'_, S> {
    fn put(&mut self, item: Item) -> Result<(), Unsent> {
        self.sink.put(item).map_err(|_only_the_line_fails| Unsent::Gone)
    }

    fn enter(&mut self, name: Name, attributes: Attributes) -> Result<(), Unsent> {
        self.open.push(name.clone());
        self.put(Item::Directory { name, attributes })
    }

    /// Leaves and enters until exactly these directories are open.
    fn go(&mut self, names: &[Name]) -> Result<(), Unsent> {
        let same = self.open.iter().zip(names).take_while(|(open, wanted)| open == wanted).count();
        while self.open.len() > same {
            self.open.pop();
            self.put(Item::Leave)?;
        }
        let implied = Attributes { permissions: Permissions::from(IMPLIED), modified: now() };
        names.iter().skip(same).try_for_each(|name| self.enter(name.clone(), implied))
    }

    /// What is zeros only becomes a hole.
    fn content(&mut self, from: &mut impl Read, shown: &str) -> Result<(), Unsent> {
        let mut offset = 0;
        loop {
            let mut bytes = Vec::with_capacity(MAX_DATA);
            let most = u64::try_from(MAX_DATA).unwrap_or(u64::MAX);
            let length = from
                .take(most)
                .read_to_end(&mut bytes)
                .map_err(|error| Unsent::Cause(format!("{shown} cannot be read: {error}")))?;
            if length == 0 {
                return Ok(());
            }
            if bytes.iter().any(|byte| *byte != 0) {
                self.put(Item::Data { offset, bytes })?;
            }
            offset += u64::try_from(length).unwrap_or(u64::MAX);
        }
    }
}

/// The names of a path in an archive; `None` if it leads out of it.
fn parse(path: &[u8]) -> Option<Vec<Name>> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.map(|part| Name::try_from(part.to_vec()).ok()).collect()
}

#[cfg(test)]
mod tests;
