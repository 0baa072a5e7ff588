//! Answers, as bytes.

use rustix::io::Errno;

use crate::directory::Attributes;
use crate::message::NodeId;

/// Bytes of an answer's header.
const HEADER: usize = 16;

/// The most that an answer has beside its header.
const ROOM: usize = wire::mount::MAX_CONTENT as usize;

/// One answer, in a buffer that is used again.
#[derive(Debug)]
pub struct Answer {
    bytes: Box<[u8]>,
    length: usize,
    /// Seconds for which the guest may believe what it is told of names and attributes.
    believed: u64,
}

impl Default for Answer {
    fn default() -> Self {
        Self { bytes: vec![0; HEADER + ROOM].into_boxed_slice(), length: HEADER, believed: 0 }
    }
}

impl Answer {
    /// Empties it for the next one, which may be believed for so many seconds.
    pub fn begin(&mut self, believed: u32) {
        self.length = HEADER;
        self.believed = believed.into();
    }

    /// Appends bytes.
    ///
    /// # Panics
    /// There is no room: whoever appends has asked before, or has little.
    pub fn put(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        self.bytes.get_mut(self.length..end).expect("an answer has room for it").copy_from_slice(bytes);
        self.length = end;
    }

    /// Appends a number.
    pub fn u32(&mut self, number: u32) {
        self.put(&number.to_le_bytes());
    }

    /// Appends a number.
    pub fn u64(&mut self, number: u64) {
        self.put(&number.to_le_bytes());
    }

    /// Bytes beside the header so far.
    #[must_use]
    pub fn content(&self) -> usize {
        self.length - HEADER
    }

    /// Room for content of this size, or as much as there is; [`Self::filled`] says how much of it was used.
    pub fn room(&mut self, size: u32) -> &mut [u8] {
        let size = usize::try_from(size).map_or(ROOM, |size| size.min(ROOM));
        self.bytes.get_mut(HEADER..HEADER + size).expect("it is no more than there is")
    }

    /// So many bytes of the room were filled.
    pub fn filled(&mut self, count: usize) {
        self.length = HEADER + count.min(ROOM);
    }

    /// The node that was looked up (`fuse_entry_out`).
    pub fn entry(&mut self, node: NodeId, attributes: &Attributes) {
        self.u64(node.0);
        // Numbers are not used again, so there are no generations.
        self.u64(0);
        self.u64(self.believed);
        self.u64(self.believed);
        self.u64(0);
        self.attributes(attributes);
    }

    /// That a name has no node, which may be believed as long (`fuse_entry_out`).
    pub fn no_entry(&mut self) {
        let numbers = [0, 0, self.believed, 0, 0];
        numbers.into_iter().for_each(|number| self.u64(number));
        self.put(&[0; Attributes::LENGTH]);
    }

    /// Attributes of a node (`fuse_attr_out`).
    pub fn valid_attributes(&mut self, attributes: &Attributes) {
        self.u64(self.believed);
        self.u64(0);
        self.attributes(attributes);
    }

    /// `fuse_attr`.
    fn attributes(&mut self, a: &Attributes) {
        let long = [a.inode, a.size, a.blocks];
        let seconds = [a.accessed.0, a.modified.0, a.changed.0];
        long.into_iter().for_each(|number| self.u64(number));
        seconds.into_iter().for_each(|number| self.u64(number.cast_unsigned()));
        let short = [
            a.accessed.1,
            a.modified.1,
            a.changed.1,
            a.mode,
            a.links,
            a.uid,
            a.gid,
            /* device */ 0,
            a.block_size,
            /* flags */ 0,
        ];
        short.into_iter().for_each(|number| self.u32(number));
    }

    /// In place of a whole message that could not be sent: that the same request failed.
    pub fn instead(&mut self, error: Errno) -> &[u8] {
        let unique = self.bytes.get(8..HEADER).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        self.finish(u64::from_le_bytes(unique), Err(error))
    }

    /// The whole message, as what became of the request with this number.
    pub fn finish(&mut self, unique: u64, outcome: Result<(), Errno>) -> &[u8] {
        let error = match outcome {
            Ok(()) => 0,
            Err(error) => {
                self.length = HEADER;
                -error.raw_os_error()
            }
        };
        let length = u32::try_from(self.length).expect("an answer is short");
        let fields = length.to_le_bytes().into_iter().chain(error.to_le_bytes()).chain(unique.to_le_bytes());
        self.bytes.iter_mut().zip(fields).for_each(|(byte, field)| *byte = field);
        self.bytes.get(..self.length).expect("it is no more than there is")
    }
}
