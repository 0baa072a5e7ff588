//! The stamps of a log: `timestamps/` in its directory, a request and its answer for each checkpoint that was stamped, called by
//! the number of records under it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use audit::checkpoint::Checkpoint;
use audit::verify::{Notes, VerifyError};

use crate::authority::Authorities;
use crate::error::StampError;
use crate::request::{Request, RequestError};
use crate::token::{Stamp, check};

/// Name of the directory.
const DIRECTORY: &str = "timestamps";
const REQUEST: &str = "tsq";
const ANSWER: &str = "tsr";

/// Longest answer that is read.
const MOST: u64 = 1024 * 1024;

/// Where the stamps of a log are.
#[derive(Clone, Debug)]
pub struct Store(PathBuf);

/// All stamps of a log, which are right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How many.
    pub stamps: usize,
    /// Records under the newest, and what it says; `None`: there is no stamp.
    pub newest: Option<(u64, Stamp)>,
}

/// Why a log's stamps are not what they should be.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// They cannot be read or written.
    #[error("cannot use the time stamps in {}", path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The checkpoints cannot be read.
    #[error(transparent)]
    Log(#[from] VerifyError),
    /// What was asked is not there, or is no request.
    #[error("the request for the time stamp over {size} records")]
    Request {
        /// Records under the checkpoint.
        size: u64,
        /// What is wrong.
        #[source]
        source: RequestError,
    },
    /// A stamp is none.
    #[error("the time stamp over {size} records")]
    Stamp {
        /// Records under the checkpoint.
        size: u64,
        /// What is wrong.
        #[source]
        source: StampError,
    },
    /// The checkpoint that was stamped is not there.
    #[error("the checkpoint over {0} records that was stamped is not there, or is another one")]
    Checkpoint(u64),
}

impl Store {
    /// That of a log.
    #[must_use]
    pub fn of(log: &Path) -> Self {
        Self(log.join(DIRECTORY))
    }

    /// Keeps what is asked about a checkpoint, before it is sent.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn keep_request(&self, size: u64, request: &Request) -> Result<(), StoreError> {
        let der = request.to_der().map_err(|source| StoreError::Request { size, source })?;
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.0);
        made.and_then(|()| self.write(size, REQUEST, &der)).map_err(|source| self.failed(source))
    }

    /// Keeps an answer that was checked.
    ///
    /// # Errors
    /// The disk does not take it.
    pub fn keep_answer(&self, size: u64, answer: &[u8]) -> Result<(), StoreError> {
        self.write(size, ANSWER, answer).map_err(|source| self.failed(source))
    }

    /// The request that was kept.
    ///
    /// # Errors
    /// There is none.
    pub fn request(&self, size: u64) -> Result<Request, StoreError> {
        let der = self.read(size, REQUEST)?;
        Request::from_der(&der).map_err(|source| StoreError::Request { size, source })
    }

    /// Forgets a request that nobody will answer any more.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn forget_request(&self, size: u64) -> Result<(), StoreError> {
        fs::remove_file(self.path(size, REQUEST)).map_err(|source| self.failed(source))
    }

    /// Records under the checkpoints that are stamped.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn stamped(&self) -> Result<BTreeSet<u64>, StoreError> {
        self.sizes(ANSWER)
    }

    /// Records under the checkpoints that are asked about and not stamped.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn asked(&self) -> Result<BTreeSet<u64>, StoreError> {
        Ok(&self.sizes(REQUEST)? - &self.stamped()?)
    }

    fn sizes(&self, extension: &str) -> Result<BTreeSet<u64>, StoreError> {
        let entries = match fs::read_dir(&self.0) {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(BTreeSet::new());
            }
            Err(error) => return Err(self.failed(error)),
        };
        let mut sizes = BTreeSet::new();
        for entry in entries {
            let name = entry.map_err(|source| self.failed(source))?.file_name();
            let size = name.to_str().and_then(|name| name.strip_suffix(extension)?.strip_suffix('.'));
            sizes.extend(size.and_then(|digits| digits.parse::<u64>().ok()));
        }
        Ok(sizes)
    }

    fn path(&self, size: u64, extension: &str) -> PathBuf {
        self.0.join(format!("{size}.{extension}"))
    }

    fn read(&self, size: u64, extension: &str) -> Result<Vec<u8>, StoreError> {
        let path = self.path(size, extension);
        let mut bytes = Vec::new();
        File::open(&path)
            .and_then(|file| io::Read::read_to_end(&mut io::Read::take(file, MOST), &mut bytes))
            .map(|_length| bytes)
            .map_err(|source| StoreError::Io { path, source })
    }

    /// Whole, or not at all.
    fn write(&self, size: u64, extension: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.path(size, &format!("{extension}.new"));
        let mut file =
            File::options().write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(unfinished, self.path(size, extension))?;
        File::open(&self.0)?.sync_all()
    }

    fn failed(&self, source: io::Error) -> StoreError {
        StoreError::Io { path: self.0.clone(), source }
    }
}

/// Checks every stamp of a log, whose checkpoints were verified before.
///
/// # Errors
/// The first that is wrong, or whose checkpoint is not there.
pub fn verify(log: &Path, authorities: &Authorities) -> Result<Checked, StoreError> {
    let store = Store::of(log);
    let mut left = store.stamped()?;
    let mut checked = Checked { stamps: left.len(), newest: None };
    if left.is_empty() {
        return Ok(checked);
    }
    for note in Notes::of(log)? {
        let note = note?;
        let Ok(Checkpoint { size, .. }) = Checkpoint::parse(note.text()) else { continue };
        if !left.contains(&size) {
            continue;
        }
        let request = store.request(size)?;
        // Of several over as many records one was stamped.
        if request.is_about(note.to_string().as_bytes()) {
            let answer = store.read(size, ANSWER)?;
            let stamp = check(&answer, &request, authorities);
            checked.newest = Some((size, stamp.map_err(|source| StoreError::Stamp { size, source })?));
            left.remove(&size);
        }
    }
    left.first().map_or(Ok(checked), |size| Err(StoreError::Checkpoint(*size)))
}
