//! What is recorded beside an image: its digest, size, and the exact packages inside. A JSON document of one
//! version; unknown keys are errors, so an image made by a newer openshell is refused rather than misread.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Version of the manifest's format.
pub const VERSION: u32 = 1;

/// The name of an image in a store: lower-case letters, digits, `-`, `_` and `.`, at most 128, a letter or digit first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ImageName(String);

/// A text that cannot name an image.
#[derive(Debug, thiserror::Error)]
#[error("not an image name: {0:?}")]
pub struct NameError(String);

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// Under which name the store keeps it.
    pub name: ImageName,
    /// Where it comes from.
    pub origin: Origin,
    /// SHA-256 of the image file.
    pub digest: Digest,
    /// Size of the image file in bytes.
    pub size: u64,
    /// The time of every file inside, in seconds since 1970.
    pub source_date_epoch: u64,
    /// What is installed, by name.
    pub packages: Vec<Package>,
    /// Where the package clients of the machine that built the image fetch from: `npm`, `pypi`, `pypi.files`,
    /// `debian`, `crates`, `go`, `go.sums` → destinations (a host, and its port where it is not 443). Presets name
    /// registries by these variables.
    pub registries: BTreeMap<String, Vec<String>>,
}

/// What an image was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Origin {
    /// A recipe of openshell.
    Recipe {
        /// SHA-256 of the recipe: an image of another recipe is out of date.
        recipe: Digest,
    },
    /// A directory with a root tree.
    Tree {
        /// Where it was.
        path: String,
        /// SHA-256 over the tree's names, modes, owners and contents.
        content: Digest,
    },
}

/// A Debian package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version, as dpkg writes it.
    pub version: String,
}

impl ImageName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for ImageName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let allowed = |byte: u8| plain(byte) || matches!(byte, b'-' | b'_' | b'.');
        let good = text.len() <= 128 && text.bytes().next().is_some_and(plain) && text.bytes().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(NameError(text.to_owned())) }
    }
}

impl TryFrom<String> for ImageName {
    type Error = NameError;

    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<ImageName> for String {
    fn from(name: ImageName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for good in ["base", "tiny", "tree-0a1b", "python3.11"] {
            assert_eq!(good.parse::<ImageName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "Base", "a b", "a:1", &"x".repeat(129)] {
            assert!(bad.parse::<ImageName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_manifest_of_a_newer_version_is_refused() {
        let text =
            r#"{"version":1,"name":"tiny","origin":{"kind":"recipe","recipe":"D"},"digest":"D","size":1,
            "source_date_epoch":0,"packages":[{"name":"a","version":"1"}],"registries":{}}"#
                .replace("\"D\"", &format!("\"{}\"", "ab".repeat(32)));
        let manifest: Manifest = serde_json::from_str(&text).unwrap();
        assert_eq!(manifest.packages[0].name, "a");
        let newer = text.replacen("\"size\":1", "\"size\":1,\"future\":1", 1);
        assert!(serde_json::from_str::<Manifest>(&newer).is_err());
    }
}
