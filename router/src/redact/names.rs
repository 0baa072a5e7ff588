//! What values are called: `PERSON_1`, the same value by the same name in every call of a session.
//!
//! The session keeps no value, only a keyed digest of each and its number ([`Vault`]); what a name stands for is known
//! only as long as the call that holds the value lasts ([`Names`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ring::{hmac, rand};
use wire::secret::Secret;

/// Longest kind in a name, so that a name in its longest spelling has no more than [`LONGEST`] bytes.
pub(super) const LONGEST_KIND: usize = 20;

/// Longest spelling of a placeholder: `\u003c`, kind, `_`, tag, number, `\u003e`.
pub const LONGEST: usize = 6 + LONGEST_KIND + 1 + 2 + 5 + 6;

/// Values of a session that have a name.
const MOST: usize = 65_536;

/// The numbers of a session's values.
pub struct Vault {
    key: hmac::Key,
    given: Mutex<Given>,
}

#[derive(Default)]
struct Given {
    numbers: HashMap<[u8; 32], u32>,
    last: HashMap<String, u32>,
}

/// A value cannot be given a name.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum VaultError {
    /// No key can be drawn.
    #[error("the system gives no randomness")]
    Randomness,
    /// There are too many.
    #[error("the session holds more than {MOST} different values")]
    Full,
}

/// What the names in one call stand for.
#[derive(Debug, Default)]
pub struct Names(BTreeMap<String, Value>);

/// One value.
#[derive(Debug)]
pub struct Value {
    text: Secret,
    is_credential: bool,
}

impl Vault {
    pub(super) fn new() -> Result<Self, VaultError> {
        let key = hmac::Key::generate(hmac::HMAC_SHA256, &rand::SystemRandom::new());
        Ok(Self { key: key.map_err(|_unspecified| VaultError::Randomness)?, given: Mutex::default() })
    }

    /// The number of a value among those of its kind.
    pub(super) fn number(&self, kind: &str, value: &str) -> Result<u32, VaultError> {
        let mut digest = hmac::Context::with_key(&self.key);
        digest.update(kind.as_bytes());
        digest.update(&[0]);
        digest.update(value.as_bytes());
        let digest = digest.sign().as_ref().try_into().expect("SHA-256 has 32 bytes");
        let mut given = self.given();
        if let Some(number) = given.numbers.get(&digest) {
            return Ok(*number);
        }
        if given.numbers.len() == MOST {
            return Err(VaultError::Full);
        }
        let last = given.last.entry(kind.to_owned()).or_default();
        *last += 1;
        let number = *last;
        given.numbers.insert(digest, number);
        Ok(number)
    }

    /// Whether a value of this kind has the number.
    pub(super) fn has_given(&self, kind: &str, number: u32) -> bool {
        self.given().last.get(kind).is_some_and(|last| (1..=*last).contains(&number))
    }

    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vault({} values)", self.given().numbers.len())
    }
}

impl Names {
    /// Gives a value its name; what to write in its place.
    pub(crate) fn add(
        &mut self,
        (kind, tag, number): (&str, &str, u32),
        value: &str,
        is_credential: bool,
    ) -> String {
        let name = format!("{kind}_{tag}{number}");
        let placeholder = format!("<{name}>");
        let entry = self.0.entry(name).and_modify(|value| value.is_credential |= is_credential);
        entry.or_insert_with(|| Value { text: Secret::new(value.to_owned()), is_credential });
        placeholder
    }

    /// What a name stands for.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// Whether a name begins so.
    #[must_use]
    pub fn has_prefix(&self, start: &str) -> bool {
        let from = (std::ops::Bound::Included(start), std::ops::Bound::Unbounded);
        self.0.range::<str, _>(from).next().is_some_and(|(name, _)| name.starts_with(start))
    }

    /// How many values were replaced.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was replaced.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `text` with each placeholder, as it is written into a call, replaced by `mark`.
    #[must_use]
    pub fn blank(&self, text: &str, mark: char) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            out.push_str(&rest[..at]);
            let inner = &rest[at + 1..];
            let name = inner.bytes().take(LONGEST).position(|byte| byte == b'>').map(|end| &inner[..end]);
            if let Some(name) = name.filter(|name| self.0.contains_key(*name)) {
                out.push(mark);
                rest = &inner[name.len() + 1..];
            } else {
                out.push('<');
                rest = inner;
            }
        }
        out.push_str(rest);
        out
    }
}

impl Value {
    /// The value, for the answer.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.expose()
    }

    /// Whether it opens something: it is not put into what a tool gets.
    #[must_use]
    pub fn is_credential(&self) -> bool {
        self.is_credential
    }
}

/// Whether a byte can stand in a name.
#[must_use]
pub fn is_in_name(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

/// Texts that could be read as a name.
pub(super) fn lookalikes(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !u8::try_from(c).is_ok_and(is_in_name))
        .filter(|run| run.len() >= 3 && run.contains('_') && run.ends_with(|c: char| c.is_ascii_digit()))
}

/// The number that `text` has if it ends like a name of this kind and tag.
pub(super) fn number(text: &str, kind: &str, tag: &str) -> Option<u32> {
    let head = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let named = head.strip_suffix(tag)?.strip_suffix('_')?.ends_with(kind);
    // A number that no value can have is still one that a reader may take for it.
    named.then(|| text[head.len()..].parse().unwrap_or(u32::MAX))
}
