//! `inference.documents`: texts of which no piece may leave the host in a model call.
//!
//! They are read here, before anything starts, and only hashes of them are kept ([`classify::property::documents`]): those
//! the router is given, and never a text. What is registered and could not be found again is a mistake, told with its line.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use classify::property::documents::{Documents, prints};
use images::Digest;
use policies::place::{At, Place};
use policies::yaml::{self, LoadError};
use rustix::fs::OFlags;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use wire::router;

use crate::failure::Failure;

/// A text, or the texts of a directory, as written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The kind of what is found of it: `property/NAME`.
    pub name: String,
    /// A text in UTF-8, or a directory of such; relative to the file that names it.
    pub file: PathBuf,
    /// What it is: SHA-256 of the text, of a directory's in the order of their paths. Written, it must be that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Digest>,
    #[serde(skip)]
    read: Kept,
}

/// What is kept of a document that was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Kept {
    files: Vec<PathBuf>,
    prints: Vec<u64>,
}

/// What may still be read for one agent.yaml.
struct Room {
    bytes: usize,
    /// Files, and directories in directories.
    entries: usize,
}

/// A cause and a remedy.
type Wrong = (String, String);

/// Where documents stand in an agent.yaml.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Around {
    inference: Inference,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Inference {
    documents: Vec<At<IgnoredAny>>,
}

/// Bytes of all documents together: the router takes 36 MiB for so many, and twice that while it starts.
const MOST_BYTES: usize = 8 << 20;

/// Files of all documents together. A live mount looks at each of them whenever the agent opens something to write.
const MOST_ENTRIES: usize = 128;

/// Directories in directories.
const DEEPEST: u32 = 16;

/// Reads all that the agent.yaml `file` with this `text` names, beneath `base`.
///
/// # Errors
/// One cannot be read, or cannot be recognised: the failure names file, line and document.
pub(crate) fn read(
    mut documents: Vec<Document>,
    (text, file): (&str, &str),
    base: &Path,
) -> Result<Vec<Document>, Failure> {
    let failure = |index: usize, (cause, remedy): Wrong| {
        let Around { inference } = yaml::parse(text, file).unwrap_or_default();
        let place = inference.documents.get(index).map_or_else(Place::default, |document| document.place);
        let error = LoadError::new(file, place, cause, remedy).about(format!("inference.documents[{index}]"));
        Failure::new(&error, error.remedy())
    };
    let mut room = Room::default();
    for (index, document) in documents.iter_mut().enumerate() {
        document.read(base, &mut room).map_err(|wrong| failure(index, wrong))?;
    }
    match Documents::new(&registered(&documents)) {
        Ok(_recognised) => Ok(documents),
        Err(mistake) => Err(failure(mistake.index, (mistake.cause, mistake.remedy))),
    }
}

/// The documents of these files and directories, all of one name.
///
/// # Errors
/// One cannot be read, or cannot be recognised.
pub fn load(files: &[PathBuf], name: &str) -> Result<Vec<router::Document>, Failure> {
    let (mut documents, mut room) = (Vec::new(), Room::default());
    for file in files {
        let (name, read) = (name.to_owned(), Kept::default());
        let mut document = Document { name, file: file.clone(), sha256: None, read };
        let wrong = |(cause, remedy): Wrong| Failure::new(cause, remedy);
        document.read(Path::new(""), &mut room).map_err(wrong)?;
        documents.push(document);
    }
    let documents = registered(&documents);
    match Documents::new(&documents) {
        Ok(_recognised) => Ok(documents),
        Err(mistake) => {
            let file = files.get(mistake.index).map(|file| file.display());
            let named = file.map(|file| format!("{file}: ")).unwrap_or_default();
            Err(Failure::new(named + &mistake.cause, mistake.remedy))
        }
    }
}

/// What is kept of documents that were read.
pub(crate) fn registered(documents: &[Document]) -> Vec<router::Document> {
    let kept = |Document { name, read, .. }: &Document| router::Document {
        name: name.clone(),
        prints: read.prints.clone(),
    };
    documents.iter().map(kept).collect()
}

impl Document {
    /// The files that it was read from.
    pub(crate) fn files(&self) -> &[PathBuf] {
        &self.read.files
    }

    fn read(&mut self, base: &Path, room: &mut Room) -> Result<(), Wrong> {
        self.file = base.join(&self.file);
        let is_directory = fs::metadata(&self.file).map_err(|error| unreadable(&self.file, &error))?.is_dir();
        let mut files = Vec::new();
        let (texts, follow) = if is_directory {
            room.list(&self.file, DEEPEST, &mut files)?;
            (files.as_slice(), OFlags::NOFOLLOW)
        } else {
            room.entry(&self.file)?;
            files.push(self.file.clone());
            (files.as_slice(), OFlags::empty())
        };
        let texts: Vec<String> =
            texts.iter().map(|file| room.text(file, follow)).collect::<Result<_, _>>()?;
        self.read.prints = prints(texts.iter().map(String::as_str));
        let is = if is_directory {
            self.listed(&files, &texts)
        } else {
            Digest::of_bytes(texts.concat().as_bytes())
        };
        self.read.files = files;
        match self.sha256.replace(is).filter(|written| *written != is) {
            None => Ok(()),
            Some(_other) => Err((
                format!("{} is not what its sha256 says: that of it is {is}", self.file.display()),
                "look at what has changed in it, then write that, or leave sha256 out".to_owned(),
            )),
        }
    }

    /// The digest of a directory: of a list of its texts, as `sha256sum` writes it. What is one text and what are two makes a
    /// difference to what is found.
    fn listed(&self, files: &[PathBuf], texts: &[String]) -> Digest {
        let line = |(file, text): (&PathBuf, &String)| {
            let name = file.strip_prefix(&self.file).unwrap_or(file);
            format!("{}  {}\n", Digest::of_bytes(text.as_bytes()), name.display())
        };
        Digest::of_bytes(files.iter().zip(texts).map(line).collect::<String>().as_bytes())
    }
}

impl Default for Room {
    fn default() -> Self {
        Self { bytes: MOST_BYTES, entries: MOST_ENTRIES }
    }
}

impl Room {
    /// The files of a directory, in the order of their names; links and what begins with a dot are passed over.
    fn list(&mut self, directory: &Path, depth: u32, files: &mut Vec<PathBuf>) -> Result<(), Wrong> {
        let failed = |error: io::Error| unreadable(directory, &error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
            if !is_hidden && (kind.is_file() || kind.is_dir()) {
                self.entry(directory)?;
                entries.push((entry.path(), kind.is_dir()));
            }
        }
        entries.sort();
        for (path, is_directory) in entries {
            match depth.checked_sub(1) {
                _ if !is_directory => files.push(path),
                Some(depth) => self.list(&path, depth, files)?,
                None => {
                    let cause = format!("{} is more than {DEEPEST} directories deep", path.display());
                    return Err((cause, "name the directories that hold the texts".to_owned()));
                }
            }
        }
        Ok(())
    }

    fn entry(&mut self, of: &Path) -> Result<(), Wrong> {
        let left = self.entries.checked_sub(1);
        self.entries = left.ok_or_else(|| {
            let cause = format!(
                "{} is, or holds, one file more than the {MOST_ENTRIES} that all documents may be",
                of.display()
            );
            (cause, "name the files that hold what must not leave, or join them".to_owned())
        })?;
        Ok(())
    }

    fn text(&mut self, path: &Path, follow: OFlags) -> Result<String, Wrong> {
        let failed = |error: io::Error| unreadable(path, &error);
        // A pipe would wait for its writer.
        let flags = (OFlags::NONBLOCK | follow).bits().cast_signed();
        let file = File::options().read(true).custom_flags(flags).open(path).map_err(failed)?;
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(unreadable(path, &io::Error::other("it is no file")));
        }
        let mut bytes = Vec::new();
        file.take(self.bytes as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
        let left = self.bytes.checked_sub(bytes.len());
        self.bytes = left.ok_or_else(|| {
            let cause =
                format!("with {} the documents are more than {} MiB", path.display(), MOST_BYTES >> 20);
            (cause, "register the parts that must not leave".to_owned())
        })?;
        // A PDF may be plain ASCII, and what it says is not.
        let is_plain = !bytes.starts_with(b"%PDF-") && !bytes.contains(&0);
        String::from_utf8(bytes).ok().filter(|_text| is_plain).ok_or_else(|| {
            let cause = format!("{} is no plain text in UTF-8", path.display());
            (cause, "make one of it first, for example with pdftotext or pandoc -t plain".to_owned())
        })
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Wrong {
    let cause = format!("cannot read {}: {error}", path.display());
    (cause, "name a text file, or a directory of such, that you may read".to_owned())
}

#[cfg(test)]
mod tests;
