//! A packet: 44 bytes of header, then data. Parsing what the guest sent, and writing what it gets.

use crate::memory::Segments;
use crate::queue::{Buffers, ChainFault};
use wire::vsock::{GUEST_CID, HOST_CID};

/// Bytes of a packet's header.
pub const HEADER_LEN: usize = 44;
/// Most bytes of data that one packet may carry (Linux sends no more either).
pub const MAX_DATA: usize = 64 * 1024;

const TYPE_STREAM: u16 = 1;
const SHUTDOWN_RECEIVE: u32 = 1;
const SHUTDOWN_SEND: u32 = 2;

/// A port of the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GuestPort(pub u32);

/// A port of the host, as the guest sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostPort(pub u32);

/// What names a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The guest's end.
    pub guest: GuestPort,
    /// The host's end.
    pub host: HostPort,
}

/// What one side says about its receive buffer; part of every packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credit {
    /// Size of the buffer.
    pub buffer: u32,
    /// Bytes taken out of it since the start, modulo 2³².
    pub taken: u32,
}

/// Which directions a side has closed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Halves {
    /// It will receive no more.
    pub receive: bool,
    /// It will send no more.
    pub send: bool,
}

/// What a packet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Asks for a connection.
    Request,
    /// Grants one.
    Response,
    /// Ends or refuses one.
    Reset,
    /// Closes directions.
    Shutdown(Halves),
    /// Carries data.
    Data,
    /// Tells credit.
    CreditUpdate,
    /// Asks for credit.
    CreditRequest,
}

/// A packet from the guest.
#[derive(Debug)]
pub struct Packet<'m> {
    /// Which connection it is about.
    pub link: Link,
    /// What it does; `None` for an operation or a socket type that does not exist here.
    pub operation: Option<Operation>,
    /// The guest's receive buffer.
    pub credit: Credit,
    /// The data, exactly as long as the header says.
    pub data: Segments<'m>,
}

/// A packet for the guest, less its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which connection it is about.
    pub link: Link,
    /// What it does.
    pub operation: Operation,
    /// Our receive buffer.
    pub credit: Credit,
    /// Bytes of data.
    pub len: u32,
}

/// Why a chain is no packet that could be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketFault {
    /// The chain itself is unusable.
    #[error(transparent)]
    Chain(#[from] ChainFault),
    /// Fewer than 44 bytes.
    #[error("header is too short")]
    NoHeader,
    /// From somebody else than the guest, or to somebody else than the host.
    #[error("packet from {source_cid} to {target_cid}")]
    Address {
        /// Who it says it is from.
        source_cid: u64,
        /// Who it is for.
        target_cid: u64,
    },
    /// The header promises more data than there is, or than may be.
    #[error("header promises {promised} bytes of data, {present} are there")]
    Length {
        /// What the header says.
        promised: u32,
        /// What the chain has.
        present: usize,
    },
    /// No room for a header in a chain that the guest offered for a packet.
    #[error("no room for a header")]
    NoRoom,
}

impl Link {
    /// The link that a packet with these ports from the guest is about.
    #[must_use]
    pub fn from_guest(source: u32, target: u32) -> Self {
        Self { guest: GuestPort(source), host: HostPort(target) }
    }
}

impl Halves {
    /// Both directions.
    pub const BOTH: Self = Self { receive: true, send: true };

    /// With what was closed before.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { receive: self.receive || other.receive, send: self.send || other.send }
    }

    fn flags(self) -> u32 {
        let receive = if self.receive { SHUTDOWN_RECEIVE } else { 0 };
        let send = if self.send { SHUTDOWN_SEND } else { 0 };
        receive | send
    }

    fn from_flags(flags: u32) -> Self {
        Self { receive: flags & SHUTDOWN_RECEIVE != 0, send: flags & SHUTDOWN_SEND != 0 }
    }
}

impl<'m> Packet<'m> {
    /// Reads a chain of the transmit queue as a packet.
    ///
    /// # Errors
    /// When it is none that could be answered.
    pub fn parse(chain: Result<Buffers<'m>, ChainFault>) -> Result<Self, PacketFault> {
        let mut readable = chain?.readable;
        let mut bytes = [0; HEADER_LEN];
        if readable.copy_to(&mut bytes) < HEADER_LEN {
            return Err(PacketFault::NoHeader);
        }
        let mut data = readable.split_off(HEADER_LEN);
        let raw = RawHeader::decode(&bytes);
        if raw.source_cid != u64::from(GUEST_CID) || raw.target_cid != u64::from(HOST_CID) {
            return Err(PacketFault::Address { source_cid: raw.source_cid, target_cid: raw.target_cid });
        }
        let present = data.len();
        let promised = usize::try_from(raw.len).expect("32 bits fit");
        if promised > present || promised > MAX_DATA {
            return Err(PacketFault::Length { promised: raw.len, present });
        }
        // A driver may send more buffer than data; the rest is not part of the packet.
        drop(data.split_off(promised));
        Ok(Self {
            link: Link::from_guest(raw.source_port, raw.target_port),
            operation: raw.operation(),
            credit: raw.credit,
            data,
        })
    }
}

impl Header {
    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let (operation, flags) = match self.operation {
            Operation::Request => (1, 0),
            Operation::Response => (2, 0),
            Operation::Reset => (3, 0),
            Operation::Shutdown(halves) => (4, halves.flags()),
            Operation::Data => (5, 0),
            Operation::CreditUpdate => (6, 0),
            Operation::CreditRequest => (7, 0),
        };
        RawHeader {
            source_cid: u64::from(HOST_CID),
            target_cid: u64::from(GUEST_CID),
            source_port: self.link.host.0,
            target_port: self.link.guest.0,
            len: self.len,
            socket_type: TYPE_STREAM,
            operation,
            flags,
            credit: self.credit,
        }
        .encode()
    }
}

/// The header's fields as numbers, in the order of the specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct RawHeader {
    source_cid: u64,
    target_cid: u64,
    source_port: u32,
    target_port: u32,
    len: u32,
    socket_type: u16,
    operation: u16,
    flags: u32,
    credit: Credit,
}

impl RawHeader {
    fn decode(bytes: &[u8; HEADER_LEN]) -> Self {
        let mut at = 0;
        let mut take = |len: usize| {
            let mut value = [0; 8];
            value[..len].copy_from_slice(&bytes[at..at + len]);
            at += len;
            u64::from_le_bytes(value)
        };
        let mut long = || take(8);
        let (source_cid, target_cid) = (long(), long());
        let mut word = || u32::try_from(take(4)).expect("four bytes");
        let (source_port, target_port, len) = (word(), word(), word());
        let mut short = || u16::try_from(take(2)).expect("two bytes");
        let (socket_type, operation) = (short(), short());
        let mut word = || u32::try_from(take(4)).expect("four bytes");
        let (flags, buffer, taken) = (word(), word(), word());
        let credit = Credit { buffer, taken };
        Self { source_cid, target_cid, source_port, target_port, len, socket_type, operation, flags, credit }
    }

    fn encode(self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut at = 0;
        let mut put = |value: &[u8]| {
            bytes[at..at + value.len()].copy_from_slice(value);
            at += value.len();
        };
        put(&self.source_cid.to_le_bytes());
        put(&self.target_cid.to_le_bytes());
        put(&self.source_port.to_le_bytes());
        put(&self.target_port.to_le_bytes());
        put(&self.len.to_le_bytes());
        put(&self.socket_type.to_le_bytes());
        put(&self.operation.to_le_bytes());
        put(&self.flags.to_le_bytes());
        put(&self.credit.buffer.to_le_bytes());
        put(&self.credit.taken.to_le_bytes());
        bytes
    }

    fn operation(self) -> Option<Operation> {
        if self.socket_type != TYPE_STREAM {
            return None;
        }
        Some(match self.operation {
            1 => Operation::Request,
            2 => Operation::Response,
            3 => Operation::Reset,
            4 => Operation::Shutdown(Halves::from_flags(self.flags)),
            5 => Operation::Data,
            6 => Operation::CreditUpdate,
            7 => Operation::CreditRequest,
            _ => return None,
        })
    }
}
