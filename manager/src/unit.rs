//! Quantities as people write them: `1GiB`, `30m`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An amount of memory or disk, in whole MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Mebibytes(pub u32);

/// A span of time, in whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seconds(pub u32);

/// Why a quantity was not understood.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UnitError {
    /// Not a number with a size unit.
    #[error("'{0}' is not a size; write a whole number and MiB or GiB, for example 512MiB or 2GiB")]
    Size(String),
    /// Not a number with a time unit.
    #[error("'{0}' is not a duration; write a whole number and s, m or h, for example 90s or 30m")]
    Duration(String),
}

impl Mebibytes {
    /// The same amount in bytes.
    #[must_use]
    pub fn bytes(self) -> u64 {
        u64::from(self.0) << 20
    }
}

impl Seconds {
    /// The same span as a [`Duration`].
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl TryFrom<String> for Mebibytes {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        scaled(&text, &[("MiB", 1), ("GiB", 1024)]).map(Self).ok_or(UnitError::Size(text))
    }
}

impl TryFrom<String> for Seconds {
    type Error = UnitError;

    fn try_from(text: String) -> Result<Self, UnitError> {
        scaled(&text, &[("s", 1), ("m", 60), ("h", 3600)]).map(Self).ok_or(UnitError::Duration(text))
    }
}

impl From<Mebibytes> for String {
    fn from(size: Mebibytes) -> Self {
        format!("{}MiB", size.0)
    }
}

impl From<Seconds> for String {
    fn from(span: Seconds) -> Self {
        format!("{}s", span.0)
    }
}

/// `text` as a positive whole number times its unit's factor.
fn scaled(text: &str, units: &[(&str, u32)]) -> Option<u32> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let factor = units.iter().find(|(name, _)| *name == unit.trim_start())?.1;
    number.parse::<u32>().ok()?.checked_mul(factor).filter(|n| *n > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_spans() {
        assert_eq!(Mebibytes::try_from("1GiB".to_owned()), Ok(Mebibytes(1024)));
        assert_eq!(Mebibytes::try_from("256 MiB".to_owned()), Ok(Mebibytes(256)));
        assert_eq!(Seconds::try_from("30m".to_owned()), Ok(Seconds(1800)));
        for bad in ["", "1", "GiB", "1GB", "-1MiB", "0MiB", "1.5GiB", "9999999GiB"] {
            assert!(Mebibytes::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        for bad in ["", "30", "m", "1d", "-1s"] {
            assert!(Seconds::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
