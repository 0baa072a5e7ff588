//! The file behind a disk.

use std::fs::File;
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsFd;

use super::request::{Access, ID_LEN, Limits, Operation, Request, SECTOR};
use super::write_back;

const STATUS_OK: u8 = 0;
const STATUS_ERROR: u8 = 1;
const STATUS_UNSUPPORTED: u8 = 2;

/// A file that a guest uses as a disk.
#[derive(Debug)]
pub struct Disk {
    file: File,
    limits: Limits,
    id: [u8; ID_LEN],
}

/// What became of a request.
#[derive(Debug)]
pub struct Outcome {
    /// Bytes that the device wrote to guest memory, the status included.
    pub written: u32,
    /// Whether the request was one that a sane driver makes.
    pub verdict: Verdict,
}

/// Whose fault it was, if any.
#[derive(Debug)]
pub enum Verdict {
    /// Nobody's.
    Fine,
    /// The guest's: the request made no sense.
    Refused,
    /// The host's: the file could not be read or written.
    Failed(io::Error),
}

impl Disk {
    /// Takes a file, or a block device, as large as it is now; a last part of a sector is left out.
    ///
    /// # Errors
    /// When its size cannot be found out.
    pub fn new(mut file: File, access: Access, id: &str) -> io::Result<Self> {
        // A block device has no length in its metadata, but an end to seek to.
        let sectors = file.seek(SeekFrom::End(0))? / SECTOR;
        let mut bytes = [0; ID_LEN];
        for (byte, value) in bytes.iter_mut().zip(id.bytes()) {
            *byte = value;
        }
        Ok(Self { file, limits: Limits { sectors, access }, id: bytes })
    }

    /// The disk's bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Does what a request asks for and writes its status.
    #[must_use]
    pub fn perform(&self, request: Request<'_>) -> Outcome {
        let (status, data, verdict) = match request.operation {
            Ok(operation) => match self.operate(operation) {
                Ok(data) => (STATUS_OK, data, Verdict::Fine),
                Err(error) => (STATUS_ERROR, 0, Verdict::Failed(error)),
            },
            Err(super::request::Refusal::Unknown(_)) => (STATUS_UNSUPPORTED, 0, Verdict::Refused),
            Err(_refusal) => (STATUS_ERROR, 0, Verdict::Refused),
        };
        request.status.copy_from(&[status]);
        // A chain is shorter than 4 GiB, so its data and one byte fit.
        let written = u32::try_from(data).unwrap_or(u32::MAX).saturating_add(1);
        Outcome { written, verdict }
    }

    /// Returns the bytes of data written to guest memory.
    fn operate(&self, operation: Operation<'_>) -> io::Result<usize> {
        match operation {
            Operation::Read(at, into) => {
                let len = into.len();
                into.read_exact_at(self.file.as_fd(), at).map(|()| len)
            }
            Operation::Write(at, from) => from.write_all_at(self.file.as_fd(), at).map(|()| 0),
            Operation::Flush => write_back::outcome(&self.file).map(|()| 0),
            Operation::Identify(into) => Ok(into.copy_from(&self.id)),
        }
    }
}
