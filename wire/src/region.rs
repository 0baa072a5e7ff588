//! Where a model server computes, as its operator or its provider calls the place.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A region: `eu`, `eu-central-1`, `europe-west4`; 1 to 40 of `a-z`, `0-9` and `-`.
///
/// A name is compared with names, not with borders: `eu` holds `eu-central-1`, and not `europe-west4`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Region(String);

/// A text that is no [`Region`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no region (1 to 40 of a-z, 0-9 and '-', no '-' at either end): eu, eu-central-1")]
pub struct NoRegion(String);

impl Region {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is `area` or a part of it by its name: the area's name, and then `-`.
    #[must_use]
    pub fn is_within(&self, area: &Self) -> bool {
        self.0.strip_prefix(&area.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Region {
    type Error = NoRegion;

    fn try_from(text: String) -> Result<Self, NoRegion> {
        if text.len() <= 40 && crate::id::is_label(&text) { Ok(Self(text)) } else { Err(NoRegion(text)) }
    }
}

impl From<Region> for String {
    fn from(region: Region) -> Self {
        region.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(text: &str) -> Region {
        Region::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_part_is_told_by_whole_words() {
        let central = region("eu-central-1");
        for area in ["eu", "eu-central", "eu-central-1"] {
            assert!(central.is_within(&region(area)), "{area}");
        }
        for other in ["e", "eu-c", "eu-central-11", "us", "eu-central-1-a"] {
            assert!(!central.is_within(&region(other)), "{other}");
        }
        assert!(!region("europe-west4").is_within(&region("eu")));
        assert!(!region("eu").is_within(&central));
    }

    #[test]
    fn only_names_are_regions() {
        for wrong in ["", "EU", "eu central", "-eu", "eu-", "eu/1", &"x".repeat(41)] {
            assert!(Region::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }
}
