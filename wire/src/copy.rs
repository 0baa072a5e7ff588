//! Files and trees on their way into a sandbox or out of it: one stream of [`Item`]s, each a frame of at most
//! [`crate::frame::SMALL`] bytes, on the streams of a session.
//!
//! ```text
//! Directory ─ … what is in it … ─ Leave      a tree
//! File ─ Data … (─ Void)                     ends with the next item
//! Link
//! End                                        the last one: a stream without it was cut off
//! ```
//! *Invariant:* an item names one entry of the directory that is open, by a [`Name`]: no item can say where else it is to go.
//! What may not travel (devices, pipes, owners, set-user-ID bits) has no field here.

use serde::{Deserialize, Serialize};

/// Longest content of one [`Item::Data`], in bytes.
pub const MAX_DATA: usize = 32 * 1024;

/// Directories within one another, at most.
pub const MAX_DEPTH: usize = 200;

/// Longest [`Name`], in bytes: no file system of Linux's has longer ones.
const MAX_NAME: usize = 255;

/// Longest [`Target`], in bytes, as the kernel takes it.
const MAX_TARGET: usize = 4095;

/// What is to be copied, as a process in the guest is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Copy {
    /// Out of the sandbox.
    Out {
        /// The path in the guest; one that ends in `/.` means what is in the directory.
        path: String,
    },
    /// Into it.
    In {
        /// Where to, in the guest: into this directory, or as this path if there is none.
        path: String,
        /// What the one thing that comes is called where it goes into a directory; `None`: whatever comes is for the directory.
        name: Option<Name>,
    },
}

/// One step of a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Item {
    /// A directory; what follows is in it, until [`Item::Leave`].
    Directory {
        /// Its name.
        name: Name,
        /// Its permissions and time.
        attributes: Attributes,
    },
    /// The directory is whole.
    Leave,
    /// A file. What no [`Item::Data`] covers is a hole.
    File {
        /// Its name.
        name: Name,
        /// Its permissions and time.
        attributes: Attributes,
        /// Its length in bytes.
        size: u64,
    },
    /// A part of the file; parts come in their order.
    Data {
        /// Where it begins.
        offset: u64,
        /// At least one byte, at most [`MAX_DATA`].
        bytes: Vec<u8>,
    },
    /// The file could not be read to its end: it is not to be kept.
    Void,
    /// A symbolic link.
    Link {
        /// Its name.
        name: Name,
        /// Where it leads.
        target: Target,
        /// When it was made.
        modified: Time,
    },
    /// That was all.
    End,
}

/// One entry of a directory: 1 to 255 bytes, not `.` or `..`, without `/` and NUL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Name(Vec<u8>);

/// Where a symbolic link leads: 1 to 4095 bytes without NUL. Whoever copies never goes there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<u8>", into = "Vec<u8>")]
pub struct Target(Vec<u8>);

/// What a file or a directory has beside its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Who may read, write and execute it.
    pub permissions: Permissions,
    /// When its content changed last.
    pub modified: Time,
}

/// The nine permission bits, and no other bit of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub struct Permissions(u32);

/// A moment of a file's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(i64, u32)", into = "(i64, u32)")]
pub struct Time {
    seconds: i64,
    nanoseconds: u32,
}

/// Why bytes are not a part of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Not the name of an entry of a directory.
    #[error("a name is empty, too long, '.' or '..', or holds '/' or NUL")]
    Name,
    /// Not where a link can lead.
    #[error("where a link leads is empty, too long, or holds NUL")]
    Target,
    /// No moment.
    #[error("a time has more than a second of nanoseconds")]
    Time,
}

impl Name {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Target {
    /// Its bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl Permissions {
    /// As the bits of a mode.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl Time {
    /// `seconds` since the Unix epoch and `nanoseconds`.
    ///
    /// # Errors
    /// More than a second of nanoseconds.
    pub fn new(seconds: i64, nanoseconds: u32) -> Result<Self, CopyError> {
        Self::try_from((seconds, nanoseconds))
    }

    /// Seconds since the Unix epoch.
    #[must_use]
    pub fn seconds(self) -> i64 {
        self.seconds
    }

    /// Nanoseconds beyond them.
    #[must_use]
    pub fn nanoseconds(self) -> u32 {
        self.nanoseconds
    }
}

impl TryFrom<Vec<u8>> for Name {
    type Error = CopyError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, CopyError> {
        let own = bytes == b"." || bytes == b"..";
        if bytes.is_empty() || bytes.len() > MAX_NAME || own || bytes.iter().any(|b| matches!(b, 0 | b'/')) {
            return Err(CopyError::Name);
        }
        Ok(Self(bytes))
    }
}

impl From<Name> for Vec<u8> {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl TryFrom<Vec<u8>> for Target {
    type Error = CopyError;

    fn try_from(bytes: Vec<u8>) -> Result<Self, CopyError> {
        if bytes.is_empty() || bytes.len() > MAX_TARGET || bytes.contains(&0) {
            return Err(CopyError::Target);
        }
        Ok(Self(bytes))
    }
}

impl From<Target> for Vec<u8> {
    fn from(target: Target) -> Self {
        target.0
    }
}

impl From<u32> for Permissions {
    fn from(mode: u32) -> Self {
        Self(mode & 0o777)
    }
}

impl From<Permissions> for u32 {
    fn from(permissions: Permissions) -> Self {
        permissions.0
    }
}

impl TryFrom<(i64, u32)> for Time {
    type Error = CopyError;

    fn try_from((seconds, nanoseconds): (i64, u32)) -> Result<Self, CopyError> {
        if nanoseconds >= 1_000_000_000 {
            return Err(CopyError::Time);
        }
        Ok(Self { seconds, nanoseconds })
    }
}

impl From<Time> for (i64, u32) {
    fn from(time: Time) -> Self {
        (time.seconds, time.nanoseconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;

    #[test]
    fn a_name_leads_nowhere_else() {
        for bad in [&b""[..], b".", b"..", b"a/b", b"/", b"../x", b"a\0", &[b'a'; 256]] {
            assert_eq!(Name::try_from(bad.to_vec()), Err(CopyError::Name), "{bad:?}");
        }
        for good in [&b"a"[..], b"...", b"..a", b"\x1b[2J\n", b"\xff\xfe", &[b'a'; 255]] {
            assert_eq!(Name::try_from(good.to_vec()).unwrap().as_bytes(), good);
        }
    }

    /// What is not valid does not decode either: the wire has no other way to such a value.
    #[test]
    fn what_is_not_valid_does_not_decode() {
        #[derive(Serialize)]
        enum Raw {
            Directory {
                name: Vec<u8>,
                attributes: (u32, (i64, u32)),
            },
            #[expect(dead_code, reason = "it holds the place of `Leave`")]
            Leave,
            File {
                name: Vec<u8>,
                attributes: (u32, (i64, u32)),
                size: u64,
            },
        }
        let decoded = |raw: &Raw| frame::decode::<Item>(&postcard::to_stdvec(raw).unwrap());
        for name in [b"..".to_vec(), b"/etc/x".to_vec(), b"a/../b".to_vec(), Vec::new()] {
            assert!(decoded(&Raw::File { name, attributes: (0o644, (0, 0)), size: 1 }).is_err());
        }
        assert!(
            decoded(&Raw::Directory { name: b"a".to_vec(), attributes: (0, (0, 1_000_000_000)) }).is_err()
        );
        let setuid = Raw::File { name: b"a".to_vec(), attributes: (0o106_755, (0, 0)), size: 1 };
        let Ok(Item::File { attributes, .. }) = decoded(&setuid) else { panic!("it is a file") };
        assert_eq!(attributes.permissions.bits(), 0o755);
    }
}
