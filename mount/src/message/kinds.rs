//! The kinds of requests, by their numbers.

use super::fields::{Fault, Fields};
use super::flags::{self, change};
use super::{
    Allocation, Changes, Copying, Created, Handle, Init, Listing, NodeId, Operation, Range, Replacing,
    Syncing, Time, Whence, Where,
};

const NANOSECONDS: u32 = 1_000_000_000;

/// What the number `opcode` asks for, with the fields that follow the header.
pub(super) fn operation(opcode: u32, node: NodeId, mut fields: Fields<'_>) -> Result<Operation<'_>, Fault> {
    Ok(match opcode {
        1 => Operation::Lookup(fields.name()?),
        2 => Operation::Forget(vec![(node, fields.u64()?)]),
        3 => Operation::GetAttributes(attributes_of(&mut fields)?),
        4 => Operation::SetAttributes(changes(&mut fields)?),
        5 => Operation::ReadLink,
        16 => write(fields)?,
        17 => Operation::Statistics,
        26 => Operation::Init(init(&mut fields)?),
        38 => Operation::Destroy,
        36 => Operation::Interrupt,
        42 => Operation::Forget(forgotten(&mut fields)?),
        6 | 8..=13 | 35 | 45 => naming(opcode, &mut fields)?,
        14 | 15 | 18 | 20 | 27..=30 | 43 | 44 | 46 | 47 => opened(opcode, &mut fields)?,
        _ => Operation::NotOffered,
    })
}

/// What makes, moves and removes names.
fn naming<'a>(opcode: u32, fields: &mut Fields<'a>) -> Result<Operation<'a>, Fault> {
    Ok(match opcode {
        6 => {
            let name = fields.name()?;
            Operation::SymbolicLink(name, fields.target()?)
        }
        8 => {
            let mode = fields.u32()?;
            let (_device, _mask, _padding) = (fields.u32()?, fields.u32()?, fields.u32()?);
            Operation::MakeNode(fields.name()?, mode)
        }
        9 => {
            let (mode, _mask) = (fields.u32()?, fields.u32()?);
            Operation::MakeDirectory(fields.name()?, mode)
        }
        10 => Operation::Unlink(fields.name()?),
        11 => Operation::RemoveDirectory(fields.name()?),
        12 => {
            let directory = NodeId(fields.u64()?);
            Operation::Rename(fields.name()?, (directory, fields.name()?), Replacing::Yes)
        }
        13 => {
            let node = NodeId(fields.u64()?);
            Operation::Link(node, fields.name()?)
        }
        35 => {
            let (flags, mode) = (fields.u32()?, fields.u32()?);
            let (_mask, _open_flags) = (fields.u32()?, fields.u32()?);
            Operation::Create(fields.name()?, Created { flags, mode })
        }
        _rename2 => {
            let directory = NodeId(fields.u64()?);
            let replacing = match (fields.u32()?, fields.u32()?) {
                (0, _padding) => Replacing::Yes,
                (1, _padding) => Replacing::Never,
                (2, _padding) => Replacing::Exchanged,
                _ => return Err(Fault::Value),
            };
            Operation::Rename(fields.name()?, (directory, fields.name()?), replacing)
        }
    })
}

/// What opens, and what is done with what is open.
fn opened<'a>(opcode: u32, fields: &mut Fields<'a>) -> Result<Operation<'a>, Fault> {
    Ok(match opcode {
        14 => Operation::Open(fields.u32()?),
        15 => Operation::Read(range(fields)?),
        18 | 29 => Operation::Release(Handle(fields.u64()?)),
        20 | 30 => {
            let (handle, how) = (Handle(fields.u64()?), fields.u32()?);
            let content = how & flags::SYNC_CONTENT != 0;
            Operation::Sync(handle, if content { Syncing::Content } else { Syncing::All })
        }
        27 => Operation::OpenDirectory,
        28 => Operation::ReadDirectory(range(fields)?, Listing::Names),
        44 => Operation::ReadDirectory(range(fields)?, Listing::Nodes),
        43 => {
            let (handle, offset, length) = (Handle(fields.u64()?), fields.u64()?, fields.u64()?);
            Operation::Allocate(handle, Allocation { offset, length, mode: fields.u32()? })
        }
        46 => {
            let (handle, offset) = (Handle(fields.u64()?), fields.u64()?);
            let whence = match fields.u32()? {
                3 => Whence::Data,
                4 => Whence::Hole,
                _ => return Err(Fault::Value),
            };
            Operation::Seek(handle, offset, whence)
        }
        _copy_range => {
            let from = (Handle(fields.u64()?), fields.u64()?);
            let _node = fields.u64()?;
            let to = (Handle(fields.u64()?), fields.u64()?);
            Operation::CopyRange(Copying { from, to, length: fields.u64()? })
        }
    })
}

fn init(fields: &mut Fields<'_>) -> Result<Init, Fault> {
    let version = (fields.u32()?, fields.u32()?);
    Ok(Init { version, max_readahead: fields.u32()?, flags: fields.u32()? })
}

fn range(fields: &mut Fields<'_>) -> Result<Range, Fault> {
    Ok(Range { handle: Handle(fields.u64()?), offset: fields.u64()?, size: fields.u32()? })
}

fn write(mut fields: Fields<'_>) -> Result<Operation<'_>, Fault> {
    let Range { handle, offset, size } = range(&mut fields)?;
    let (how, _owner) = (fields.u32()?, fields.u64()?);
    let (file, _padding) = (fields.u32()?, fields.u32()?);
    let appends = file & flags::APPEND != 0 && how & flags::WRITE_CACHED == 0;
    let place = if appends { Where::End } else { Where::At(offset) };
    Ok(Operation::Write(handle, place, fields.content(size)?))
}

fn forgotten(fields: &mut Fields<'_>) -> Result<Vec<(NodeId, u64)>, Fault> {
    let (count, _padding) = (fields.u32()?, fields.u32()?);
    // A count beyond the message's end is found out by its end.
    (0..count).map(|_| Ok((NodeId(fields.u64()?), fields.u64()?))).collect()
}

fn attributes_of(fields: &mut Fields<'_>) -> Result<Option<Handle>, Fault> {
    let (how, _padding, handle) = (fields.u32()?, fields.u32()?, fields.u64()?);
    Ok((how & flags::ATTRIBUTES_OF_HANDLE != 0).then_some(Handle(handle)))
}

fn changes(fields: &mut Fields<'_>) -> Result<Changes, Fault> {
    let (valid, _padding, handle) = (fields.u32()?, fields.u32()?, fields.u64()?);
    let (size, _owner) = (fields.u64()?, fields.u64()?);
    let seconds = [fields.u64()?, fields.u64()?, fields.u64()?];
    let nanoseconds = [fields.u32()?, fields.u32()?, fields.u32()?];
    let (mode, _unused, uid, gid) = (fields.u32()?, fields.u32()?, fields.u32()?, fields.u32()?);
    let time = |index: usize, given, now| match (valid & given != 0, valid & now != 0) {
        (_, true) => Ok(Some(Time::Now)),
        (true, false) if nanoseconds[index] < NANOSECONDS => {
            Ok(Some(Time::At(seconds[index].cast_signed(), nanoseconds[index])))
        }
        (true, false) => Err(Fault::Value),
        (false, false) => Ok(None),
    };
    Ok(Changes {
        mode: (valid & change::MODE != 0).then_some(mode),
        uid: (valid & change::UID != 0).then_some(uid),
        gid: (valid & change::GID != 0).then_some(gid),
        size: (valid & change::SIZE != 0).then_some(size),
        accessed: time(0, change::ACCESSED, change::ACCESSED_NOW)?,
        modified: time(1, change::MODIFIED, change::MODIFIED_NOW)?,
        handle: (valid & change::HANDLE != 0).then_some(Handle(handle)),
    })
}
