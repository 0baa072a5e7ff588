//! The hash chain. A record's hash is SHA-256 over its line without the `hash` field, and that line
//! carries the hash of the record before it: whoever knows the last hash can tell whether any byte of
//! the log was changed, moved or taken out.
//!
//! ```text
//! {"version":1, …, "prev":"<hash of the line before>","hash":"<SHA-256 of this line without ,"hash":"…">"}
//! ```
//! The bytes are hashed as they stand in the file, so nothing needs to be written again to check them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Bytes between a line's hashed part and its end: `,"hash":"` + 64 digits + `"}`.
const SEAL: usize = OPEN.len() + 64 + CLOSE.len();
const OPEN: &str = ",\"hash\":\"";
const CLOSE: &str = "\"}";

/// SHA-256 of a record. The first record's `prev` is [`ChainHash::START`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Cow<'_, str>", into = "String")]
pub struct ChainHash([u8; 32]);

/// Why a text is not a hash.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a hash is 64 lower-case hexadecimal digits")]
pub struct NotAHash;

impl ChainHash {
    /// What the first record follows.
    pub const START: Self = Self([0; 32]);

    /// The 32 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).expect("hexadecimal digits are ASCII"))
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ChainHash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(NotAHash),
        };
        let digits: &[u8; 64] = text.as_bytes().try_into().map_err(|_length| NotAHash)?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<Cow<'_, str>> for ChainHash {
    type Error = NotAHash;

    fn try_from(text: Cow<'_, str>) -> Result<Self, NotAHash> {
        text.parse()
    }
}

impl From<ChainHash> for String {
    fn from(hash: ChainHash) -> Self {
        hash.to_string()
    }
}

/// The hash of a record: of its line as it is without the `hash` field, a closed JSON object.
#[must_use]
pub fn digest(line: &[u8]) -> ChainHash {
    ChainHash(Sha256::digest(line).into())
}

/// Turns a JSON object (without a line end) into a sealed line, in place, and returns its hash.
pub(crate) fn seal(line: &mut Vec<u8>) -> ChainHash {
    let hash = digest(line);
    line.pop();
    line.extend_from_slice(format!("{OPEN}{hash}{CLOSE}").as_bytes());
    hash
}

/// The hash that a sealed line (without a line end) carries, if it is the right one.
pub(crate) fn check(line: &[u8]) -> Option<ChainHash> {
    let (hashed, seal) = line.split_at_checked(line.len().checked_sub(SEAL)?)?;
    let digits = seal.strip_prefix(OPEN.as_bytes())?.strip_suffix(CLOSE.as_bytes())?;
    let claimed: ChainHash = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let digest = Sha256::new().chain_update(hashed).chain_update(b"}").finalize();
    (claimed.0 == <[u8; 32]>::from(digest)).then_some(claimed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_both_ways_and_nothing_else() {
        let text = "00ff0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab";
        assert_eq!(text.parse::<ChainHash>().unwrap().to_string(), text);
        for bad in ["", "00", &text.to_uppercase(), &text.replace('0', "g"), &format!("{text}0")] {
            assert_eq!(bad.parse::<ChainHash>(), Err(NotAHash), "{bad}");
        }
    }

    #[test]
    fn a_sealed_line_checks_and_no_changed_one_does() {
        let mut line = br#"{"a":1,"prev":"x"}"#.to_vec();
        let hash = seal(&mut line);
        assert_eq!(check(&line), Some(hash));
        assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
        for at in 0..line.len() {
            for bit in 0..8 {
                let mut changed = line.clone();
                changed[at] ^= 1 << bit;
                assert_eq!(check(&changed), None, "byte {at} bit {bit}");
            }
            assert_eq!(check(&line[..at]), None);
        }
    }
}
