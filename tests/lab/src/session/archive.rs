//! Brings results out of a lab: the guest half sends a tar archive, the host unpacks it beside its destination and
//! renames it.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::{ARCHIVE_LIMIT, Event, Lab, LabError, unexpected};
use crate::frame::Frame;

impl Lab {
    /// Copies a file or folder of the lab to `to`; into it, when `to` is a folder that exists.
    ///
    /// # Errors
    /// There is no such path in the lab, or it cannot be stored here.
    pub fn copy_out(&mut self, from: &Path, to: &Path) -> Result<(), LabError> {
        let name = from.file_name().ok_or_else(|| refused(from, "the path has no last part"))?;
        let text = from.to_str().ok_or_else(|| LabError::NotUtf8(from.to_owned()))?;
        let target = if to.is_dir() { to.join(name) } else { to.to_owned() };
        let store = |source| LabError::Store { path: target.clone(), source };
        let folder = std::path::absolute(&target).map_err(store)?;
        let folder = folder.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(store)?;
        let unpacked = tempfile::Builder::new().prefix(".lab-").tempdir_in(folder).map_err(store)?;

        self.send(&Frame::Fetch(text.to_owned()))?;
        let mut tar = Command::new("tar")
            .args(["--extract", "--no-same-owner", "--directory"])
            .arg(unpacked.path())
            .stdin(Stdio::piped())
            .spawn()
            .map_err(store)?;
        let mut archive = tar.stdin.take().expect("stdin was asked for as a pipe");
        let received = self.receive(from, &mut archive);
        drop(archive);
        let status = tar.wait().map_err(store)?;
        received?;
        if !status.success() {
            return Err(refused(from, "tar cannot unpack it"));
        }
        if target.is_file() || target.is_symlink() {
            fs::remove_file(&target).map_err(store)?;
        }
        fs::rename(unpacked.path().join(name), &target).map_err(store)
    }

    fn receive(&mut self, from: &Path, archive: &mut impl Write) -> Result<(), LabError> {
        loop {
            match self.events.recv_timeout(ARCHIVE_LIMIT) {
                // When tar has given up, its exit status tells; the rest must still be read.
                Ok(Event::Guest(Frame::Archive(bytes))) => drop(archive.write_all(&bytes)),
                Ok(Event::Guest(Frame::ArchiveEnd(why))) if why.is_empty() => return Ok(()),
                Ok(Event::Guest(Frame::ArchiveEnd(why))) => return Err(refused(from, &why)),
                // What a process that outlived the command still printed.
                Ok(Event::Guest(Frame::Stdout(_) | Frame::Stderr(_)) | Event::Signal(_)) => {}
                Ok(Event::Guest(frame)) => return Err(unexpected(&frame)),
                Ok(Event::Gone) | Err(_) => return Err(self.gone()),
            }
        }
    }
}

fn refused(path: &Path, reason: &str) -> LabError {
    LabError::CopyOut { path: path.to_owned(), reason: reason.to_owned() }
}
