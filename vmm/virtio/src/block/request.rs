//! A block request: a header, data, one byte of status.

use crate::memory::Segments;
use crate::queue::{Buffers, ChainFault};

/// Unit of positions and lengths, whatever the file's own block size.
pub const SECTOR: u64 = 512;
/// Length of the answer to [`Operation::Identify`].
pub const ID_LEN: usize = 20;

const HEADER: usize = 16;
const TYPE_IN: u32 = 0;
const TYPE_OUT: u32 = 1;
const TYPE_FLUSH: u32 = 4;
const TYPE_GET_ID: u32 = 8;

/// Why a chain is no request at all: it has no place for a status, so it can only be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestFault {
    /// The chain itself is unusable.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// Fewer than 16 bytes of header.
    #[error("header is too short")]
    NoHeader,
    /// Nothing to write the status to.
    #[error("no room for a status")]
    NoStatus,
}

/// Why a request that has a place for its status fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The data is not whole sectors.
    #[error("{len} bytes are not whole sectors")]
    NotSectors {
        /// Bytes of data.
        len: usize,
    },
    /// The data lies beyond the disk's end.
    #[error("sector {sector} and {len} bytes are beyond the end")]
    BeyondEnd {
        /// First sector.
        sector: u64,
        /// Bytes of data.
        len: usize,
    },
    /// No room for the identity.
    #[error("{len} bytes do not hold an identity")]
    NoRoomForId {
        /// Bytes of room.
        len: usize,
    },
    /// A write to a disk that the guest may only read.
    #[error("disk is read-only")]
    ReadOnly,
    /// A type that the device does not know.
    #[error("unknown request type {0}")]
    Unknown(u32),
}

/// What is to be done.
#[derive(Debug)]
pub enum Operation<'m> {
    /// Read at this byte into these buffers.
    Read(u64, Segments<'m>),
    /// Write these buffers at this byte.
    Write(u64, Segments<'m>),
    /// Say whether what was written has been kept so far: no disk outlives its machine, so nothing is made to last.
    Flush,
    /// Say who the disk is.
    Identify(Segments<'m>),
}

/// What a disk is like, as far as a request can be wrong about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of the disk.
    pub sectors: u64,
    /// Whether writes are refused.
    pub access: Access,
}

/// What the guest may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads.
    ReadOnly,
    /// Reads and writes.
    ReadWrite,
}

/// A request whose operation, if it has one, is within the disk.
#[derive(Debug)]
pub struct Request<'m> {
    /// What to do, or why not.
    pub operation: Result<Operation<'m>, Refusal>,
    /// Where the status goes: one byte, the last that the device may write.
    pub status: Segments<'m>,
}

impl<'m> Request<'m> {
    /// Reads a chain as a request.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(chain: Result<Buffers<'m>, ChainFault>, limits: Limits) -> Result<Self, RequestFault> {
        let Buffers { mut readable, mut writable } = chain?;
        let mut header = [0; HEADER];
        if readable.copy_to(&mut header) < HEADER {
            return Err(RequestFault::NoHeader);
        }
        let data_out = readable.split_off(HEADER);
        let room = writable.len().checked_sub(1).ok_or(RequestFault::NoStatus)?;
        let status = writable.split_off(room);
        let (kind, sector) = fields(header);
        let operation = match kind {
            TYPE_IN => limits.position(sector, writable.len()).map(|at| Operation::Read(at, writable)),
            TYPE_OUT if limits.access == Access::ReadOnly => Err(Refusal::ReadOnly),
            TYPE_OUT => limits.position(sector, data_out.len()).map(|at| Operation::Write(at, data_out)),
            TYPE_FLUSH => Ok(Operation::Flush),
            TYPE_GET_ID if room < ID_LEN => Err(Refusal::NoRoomForId { len: room }),
            TYPE_GET_ID => Ok(Operation::Identify(writable)),
            other => Err(Refusal::Unknown(other)),
        };
        Ok(Self { operation, status })
    }
}

impl Limits {
    /// The byte at which a transfer starts, if all of it is within the disk.
    fn position(self, sector: u64, len: usize) -> Result<u64, Refusal> {
        let bytes = u64::try_from(len).expect("a length fits in 64 bits");
        if !bytes.is_multiple_of(SECTOR) {
            return Err(Refusal::NotSectors { len });
        }
        let end = sector.checked_add(bytes / SECTOR).filter(|end| *end <= self.sectors);
        let start = end.and_then(|_within| sector.checked_mul(SECTOR));
        start.ok_or(Refusal::BeyondEnd { sector, len })
    }
}

/// Type and sector; the four bytes between them are reserved.
fn fields(header: [u8; HEADER]) -> (u32, u64) {
    let [t0, t1, t2, t3, _, _, _, _, s0, s1, s2, s3, s4, s5, s6, s7] = header;
    (u32::from_le_bytes([t0, t1, t2, t3]), u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]))
}
