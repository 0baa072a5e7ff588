//! Opens what lies in a log's directory. Whoever can write there may have put anything in its place: a pipe that nobody writes into
//! would keep every reader waiting, and a device has no end.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

/// A file, open for reading.
///
/// # Errors
/// It cannot be opened; `InvalidData`: it is none.
pub fn open_file(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, "it is no file")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let directory = tempfile::tempdir().unwrap();
        let pipe = directory.path().join("pipe");
        rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, 0o600.into()).unwrap();
        for other in [pipe.as_path(), directory.path(), Path::new("/dev/zero")] {
            assert_eq!(open_file(other).unwrap_err().kind(), io::ErrorKind::InvalidData, "{other:?}");
        }
        let file = directory.path().join("file");
        std::fs::write(&file, "text").unwrap();
        assert_eq!(io::read_to_string(open_file(&file).unwrap()).unwrap(), "text");
    }
}
