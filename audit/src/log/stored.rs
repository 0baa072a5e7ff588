//! The logs of a user's sandboxes, in the directory of all. What else lies there (keys, their list) is none.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// One log.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stored {
    /// The sandbox's id.
    pub sandbox: String,
    /// A directory of segments, or one file.
    pub path: PathBuf,
}

/// Every log in `root`, by name; none, if there is no such directory.
///
/// # Errors
/// The directory cannot be read.
pub fn stored(root: &Path) -> io::Result<Vec<Stored>> {
    let entries = match fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut logs = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let is_directory = entry.file_type()?.is_dir();
        let name = entry.file_name();
        let Some(sandbox) = sandbox(&name).filter(|sandbox| is_directory == (name == **sandbox)) else {
            continue;
        };
        // A log that was one file before it became a directory is read to its end under its old name.
        if is_directory || !logs.contains_key(sandbox) {
            logs.insert(sandbox.to_owned(), entry.path());
        }
    }
    Ok(logs.into_iter().map(|(sandbox, path)| Stored { sandbox, path }).collect())
}

/// Whose log is called so: `ID` of a directory and `ID.jsonl` of a file, as logs of older versions are. Nothing else becomes part of
/// a path of ours.
#[must_use]
pub fn sandbox(name: &OsStr) -> Option<&str> {
    let name = name.to_str()?;
    let id = name.strip_suffix(".jsonl").unwrap_or(name);
    wire::id::is_label(id).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_beside_logs_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for log in ["one-0a1b2c3d", "two-0a1b2c3d", "three.jsonl"] {
            fs::create_dir(root.join(log)).unwrap();
        }
        for file in ["keys", "key.pem", "two-0a1b2c3d.jsonl", "old-0a1b2c3d.jsonl", "UPPER.jsonl"] {
            fs::write(root.join(file), "").unwrap();
        }
        let found = stored(root).unwrap().into_iter().map(|log| (log.sandbox, log.path));
        let expected = [("old-0a1b2c3d", "old-0a1b2c3d.jsonl"), ("one-0a1b2c3d", ""), ("two-0a1b2c3d", "")]
            .map(|(id, file)| (id.to_owned(), root.join(if file.is_empty() { id } else { file })));
        assert_eq!(found.collect::<Vec<_>>(), expected);
        assert_eq!(stored(&root.join("none")).unwrap(), []);
    }
}
