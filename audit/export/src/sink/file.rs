//! Lines at the end of a file, on stable storage before they count as delivered.

use std::fs;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::PathBuf;

use super::{Item, Refusal};

/// A file that whoever reads it may move away: then a new one is made.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    open: Option<fs::File>,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    pub(super) fn reopen(&mut self) {
        self.open = None;
    }

    pub(super) fn append(&mut self, batch: &[Item]) -> Result<(), Refusal> {
        self.write(&lines(batch)).map_err(|error| {
            self.open = None;
            Refusal::later(format_args!("cannot write {}: {error}", self.path.display()))
        })
    }

    fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        let mut file = match self.open.take() {
            Some(file) if self.is_at_its_path(&file) => file,
            _ => self.open_at_its_end()?,
        };
        file.write_all(lines)?;
        file.sync_data()?;
        self.open = Some(file);
        Ok(())
    }

    fn is_at_its_path(&self, file: &fs::File) -> bool {
        let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
        let there = fs::metadata(&self.path).map(identity).ok();
        there.is_some() && there == file.metadata().map(identity).ok()
    }

    fn open_at_its_end(&self) -> io::Result<fs::File> {
        let mut file =
            fs::OpenOptions::new().create(true).read(true).append(true).mode(0o600).open(&self.path)?;
        // A line that was torn by a crash must not swallow the next one. A pipe or a device has no end to look at.
        if file.metadata()?.is_file() && file.metadata()?.len() > 0 {
            let mut last = [0];
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
            if last != *b"\n" {
                file.write_all(b"\n")?;
            }
        }
        Ok(file)
    }
}

pub(super) fn print(batch: &[Item]) -> Result<(), Refusal> {
    let mut output = io::stdout().lock();
    output.write_all(&lines(batch)).and_then(|()| output.flush()).map_err(Refusal::later)
}

fn lines(batch: &[Item]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(batch.iter().map(|item| item.content.len() + 1).sum());
    for item in batch {
        lines.extend_from_slice(&item.content);
        lines.push(b'\n');
    }
    lines
}
