//! One image file of the store: sealed when it comes in, compared with its manifest when it goes out.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::{Image, StoreError, at, replace};
use crate::digest::Digest;

/// Longer than the clock tick of any kernel.
const TICK: Duration = Duration::from_millis(50);

/// What a file looked like when its digest was computed. Any later write changes the times.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stamp {
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    /// The stamp of an image's file as it is now; its size must be the manifest's.
    pub(super) fn of(image: &Image) -> Result<Self, StoreError> {
        let name = &image.manifest.name;
        let metadata = match fs::metadata(&image.path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Missing { name: name.clone(), path: image.path.clone() });
            }
            Err(error) => return Err(at("read", &image.path)(error)),
        };
        let (expected, found) = (image.manifest.size, metadata.len());
        if expected != found {
            return Err(StoreError::Truncated { name: name.clone(), expected, found });
        }
        Ok(Self {
            inode: metadata.ino(),
            size: found,
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }

    /// Whether the file at `path` holds this stamp. One that cannot be read holds none.
    pub(super) fn is_recorded(&self, path: &Path) -> bool {
        let recorded = fs::read(path).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        recorded.as_ref() == Some(self)
    }

    /// Writes the stamp to `path`, unless the file changed a moment ago: file times are coarse, and a write in the
    /// same tick would leave them as they are.
    pub(super) fn record(&self, path: &Path) -> Result<(), StoreError> {
        let (seconds, nanoseconds) = self.changed;
        let changed = Duration::new(seconds.try_into().unwrap_or(0), nanoseconds.try_into().unwrap_or(0));
        let age = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH + changed);
        if age.is_ok_and(|age| age < TICK) {
            return Ok(());
        }
        replace(path, &serde_json::to_vec(self).expect("a stamp is numbers"))
    }
}

/// Computes the digest of an image's file and compares it with the manifest.
pub(super) fn check(image: &Image) -> Result<(), StoreError> {
    let found = Digest::of_file(&image.path).map_err(at("read", &image.path))?;
    let expected = image.manifest.digest;
    if found == expected {
        return Ok(());
    }
    Err(StoreError::Altered { name: image.manifest.name.clone(), expected, found })
}

/// Makes a finished file read-only and waits until it is on the disk.
pub(super) fn seal(file: &Path) -> Result<(), StoreError> {
    fs::set_permissions(file, Permissions::from_mode(0o444)).map_err(at("seal", file))?;
    File::open(file).and_then(|open| open.sync_all()).map_err(at("write", file))
}
