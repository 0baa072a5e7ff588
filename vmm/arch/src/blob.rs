//! Bytes with the guest address where they belong.

use vm_memory::GuestAddress;

/// Bytes for guest memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// First byte's address.
    pub address: GuestAddress,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A little-endian record being written field by field, in the order of its specification.
#[derive(Debug, Default)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.extend_from_slice(&value.to_le_bytes());
        self
    }

    pub(crate) fn at(self, address: GuestAddress) -> Blob {
        Blob { address, bytes: self.0 }
    }
}
