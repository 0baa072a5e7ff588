//! What a policy may name beside itself: files, and variables that the operator set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use policies::yaml::MAX_TEXT;
use policies::{FileText, Files, LoadErrors};

use crate::failure::{Failure, wrong_policy};
use crate::layout::Layout;
use crate::variables::Variables;

/// What policies may name beside themselves: files, and variables. Without a layout, only the variables
/// that it was made from are known.
#[derive(Clone, Debug, Default)]
pub struct PolicyFiles {
    variables: BTreeMap<String, Vec<String>>,
    known: Option<Variables>,
    read: Arc<Mutex<BTreeSet<PathBuf>>>,
}

/// Why a policy did not load.
#[derive(Debug)]
pub enum PolicyError {
    /// Its file cannot be read, or the agent.yaml around it is wrong.
    File(Failure),
    /// The policy is wrong.
    Mistakes(LoadErrors),
}

/// The text of a file that the user named: of one that is too long, as much as it takes to say so.
///
/// # Errors
/// It cannot be read, or is no text.
pub fn read(path: &Path) -> Result<String, Failure> {
    bounded(path).map_err(|error| {
        Failure::new(
            format_args!("cannot read {}: {error}", path.display()),
            "name a file that exists and is readable",
        )
    })
}

/// A device or a pipe may have no end.
fn bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(MAX_TEXT as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

impl PolicyFiles {
    /// The variables are those of the operator's file, and the registries of the image `base`.
    ///
    /// # Errors
    /// The operator's file has a mistake.
    pub fn of(layout: &Layout) -> Result<Self, Failure> {
        Ok(Self { known: Some(Variables::load(layout)?), ..Self::default() })
    }

    /// The same with the registries of another image.
    #[must_use]
    pub fn with_image(&self, image: &str) -> Self {
        let known = self.known.as_ref().map(|known| known.with_image(image));
        Self { variables: self.variables.clone(), known, read: Arc::clone(&self.read) }
    }

    /// The files that were read so far, by the names under which they were asked for.
    pub(crate) fn read_so_far(&self) -> Vec<PathBuf> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

impl Files for PolicyFiles {
    fn read(&self, base: &str, path: &str) -> Result<FileText, String> {
        let path = Path::new(base).parent().unwrap_or(Path::new("")).join(path);
        self.read.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        // One form for each file, so that a cycle is seen.
        let path: PathBuf = path.canonicalize().map_err(|error| error.to_string())?;
        let text = bounded(&path).map_err(|error| error.to_string())?;
        Ok(FileText { name: path.display().to_string(), text })
    }

    fn variable(&self, name: &str) -> Option<Vec<String>> {
        self.variables.get(name).cloned().or_else(|| self.known.as_ref()?.get(name))
    }
}

impl From<BTreeMap<String, Vec<String>>> for PolicyFiles {
    fn from(variables: BTreeMap<String, Vec<String>>) -> Self {
        Self { variables, ..Self::default() }
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::File(failure) => failure,
            PolicyError::Mistakes(errors) => wrong_policy(&errors),
        }
    }
}
