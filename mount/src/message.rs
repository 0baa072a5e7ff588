//! FUSE requests (`linux/fuse.h`, 7.31 and later): bytes of the guest's → a validated [`Request`], in a pure function.
//!
//! What a guest writes is checked here and nowhere else: names are single components, lengths are those of the message.

mod fields;
pub mod flags;
mod kinds;
#[cfg(test)]
pub(crate) mod testbed;
#[cfg(test)]
mod tests;

use std::ffi::CStr;

pub use fields::Fault;
use fields::Fields;

/// Bytes of a request's header.
pub const HEADER: usize = 40;

/// Longest name of one component.
const MAX_NAME: usize = 255;

/// Longest target of a symbolic link.
const MAX_TARGET: usize = 4095;

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<'a> {
    /// Its number, which its answer repeats.
    pub unique: u64,
    /// What it is about.
    pub node: NodeId,
    /// What is asked for.
    pub operation: Operation<'a>,
}

/// A file as both sides call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// An open file or directory as both sides call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Handle(pub u64);

/// One component of a path: neither empty nor `.` nor `..`, and without `/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a>(&'a CStr);

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// The session begins; everything before it is forgotten.
    Init(Init),
    /// The session is over.
    Destroy,
    /// Which node has this name in the directory.
    Lookup(Name<'a>),
    /// So many look-ups of nodes are forgotten.
    Forget(Vec<(NodeId, u64)>),
    /// The attributes; of what is open, if it says so.
    GetAttributes(Option<Handle>),
    /// Change attributes.
    SetAttributes(Changes),
    /// Where the symbolic link leads.
    ReadLink,
    /// Make a symbolic link.
    SymbolicLink(Name<'a>, &'a CStr),
    /// Make a file of this mode, type included.
    MakeNode(Name<'a>, u32),
    /// Make a directory.
    MakeDirectory(Name<'a>, u32),
    /// Remove a name that is no directory's.
    Unlink(Name<'a>),
    /// Remove an empty directory.
    RemoveDirectory(Name<'a>),
    /// Move what has the first name to the second one in that directory.
    Rename(Name<'a>, (NodeId, Name<'a>), Replacing),
    /// Give that node this name too.
    Link(NodeId, Name<'a>),
    /// Open the file with these flags.
    Open(u32),
    /// Make and open a file.
    Create(Name<'a>, Created),
    /// Read.
    Read(Range),
    /// Write.
    Write(Handle, Where, &'a [u8]),
    /// How full the file system is.
    Statistics,
    /// Close.
    Release(Handle),
    /// Write to the disk.
    Sync(Handle, Syncing),
    /// Open the directory.
    OpenDirectory,
    /// Read entries from this position on.
    ReadDirectory(Range, Listing),
    /// Give room to a file, or take it.
    Allocate(Handle, Allocation),
    /// Where data, or a hole, is.
    Seek(Handle, u64, Whence),
    /// Copy between files.
    CopyRange(Copying),
    /// Nothing is interrupted: nothing takes long.
    Interrupt,
    /// What this server does not offer.
    NotOffered,
}

/// What the guest's kernel speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Init {
    /// Major and minor version.
    pub version: (u32, u32),
    /// The most that it reads ahead.
    pub max_readahead: u32,
    /// What it can do.
    pub flags: u32,
}

/// New attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Permission bits; the type is as it was.
    pub mode: Option<u32>,
    /// Owner.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
    /// Length.
    pub size: Option<u64>,
    /// Last access.
    pub accessed: Option<Time>,
    /// Last change of content.
    pub modified: Option<Time>,
    /// Of what is open.
    pub handle: Option<Handle>,
}

/// A new time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// The host's present one.
    Now,
    /// Seconds and nanoseconds of its own.
    At(i64, u32),
}

/// What becomes of what has the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replacing {
    /// It is replaced.
    Yes,
    /// There must be nothing.
    Never,
    /// It gets the old name.
    Exchanged,
}

/// How a new file is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Created {
    /// Flags of `open`.
    pub flags: u32,
    /// Permission bits, from which the creator's mask is taken already.
    pub mode: u32,
}

/// A part of what is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// What is open.
    pub handle: Handle,
    /// From here,
    pub offset: u64,
    /// so many bytes at most.
    pub size: u32,
}

/// Where something is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Where {
    /// From there on.
    At(u64),
    /// After whatever the file has by then.
    End,
}

/// What of a file is written to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Syncing {
    /// All of it.
    All,
    /// What is needed to read its content.
    Content,
}

/// How much a listing tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Names and types.
    Names,
    /// As if every name had been looked up.
    Nodes,
}

/// A range to give room to, or to take it from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// From here,
    pub offset: u64,
    /// so many bytes.
    pub length: u64,
    /// As `fallocate` has it.
    pub mode: u32,
}

/// What is sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whence {
    /// The next data.
    Data,
    /// The next hole.
    Hole,
}

/// A copy between two open files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copying {
    /// From this file, at this offset,
    pub from: (Handle, u64),
    /// to that one,
    pub to: (Handle, u64),
    /// so many bytes.
    pub length: u64,
}

impl<'a> Request<'a> {
    /// Parses a message.
    ///
    /// # Errors
    /// It makes no sense. Its number is told if there is one to answer to.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, (Option<u64>, Fault)> {
        let mut fields = Fields(bytes);
        let header = (|| {
            let (length, opcode, unique) = (fields.u32()?, fields.u32()?, fields.u64()?);
            let node = NodeId(fields.u64()?);
            // Who asks is the guest's own matter: the mount is one user's.
            let (_uid, _gid, _pid) = (fields.u32()?, fields.u32()?, fields.u32()?);
            let extensions = fields.u16()?;
            let _padding = fields.u16()?;
            Ok((length, opcode, unique, node, extensions))
        })();
        let (length, opcode, unique, node, extensions) = header.map_err(|fault| (None, fault))?;
        if usize::try_from(length) != Ok(bytes.len()) || extensions != 0 {
            return Err((Some(unique), Fault::Length));
        }
        let operation = kinds::operation(opcode, node, fields).map_err(|fault| (Some(unique), fault))?;
        Ok(Self { unique, node, operation })
    }
}

impl<'a> Name<'a> {
    /// The name that these bytes begin with, up to their first zero.
    fn parse(text: &'a CStr) -> Result<Self, Fault> {
        let bytes = text.to_bytes();
        if bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/') {
            return Err(Fault::Name);
        }
        if bytes.len() > MAX_NAME {
            return Err(Fault::LongName);
        }
        Ok(Self(text))
    }

    /// The name.
    #[must_use]
    pub fn as_c_str(self) -> &'a CStr {
        self.0
    }
}
