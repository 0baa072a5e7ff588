//! Keys of signed notes: `name+id in hexadecimal+Base64 of the algorithm and the public key`. The algorithm is 1, Ed25519.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

const ED25519_NOTE: u8 = 1;

/// Checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    public: [u8; 32],
}

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has not the form of one.
    #[error("a key is NAME+ID+BASE64, as `openshell audit key` prints it")]
    Form,
    /// Its algorithm is not known here.
    #[error("the key is not one of Ed25519")]
    Algorithm,
    /// It was mistyped: its id is not that of its name and key.
    #[error("the key's id does not belong to the rest of it")]
    Id,
}

/// Whether a key can be called so: not empty, no space and no plus.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

impl VerifyingKey {
    /// A key with its name; `None`: no key can be called so.
    #[must_use]
    pub fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        let digest =
            Sha256::new().chain_update(name).chain_update([b'\n', ED25519_NOTE]).chain_update(public);
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest.finalize());
        is_name(name).then(|| Self { name: name.to_owned(), id: [a, b, c, d], public })
    }

    /// What it is called.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of the keys of that name.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        self.id
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether it made `signature` over `text`.
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(text, signature).is_ok()
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        write!(f, "{}+{id:08x}+{}", self.name, BASE64.encode([&[ED25519_NOTE], &self.public[..]].concat()))
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
        let (id, key) = rest.split_once('+').ok_or(KeyError::Form)?;
        let key = BASE64.decode(key).map_err(|_not_base64| KeyError::Form)?;
        let (&algorithm, public) = key.split_first().ok_or(KeyError::Form)?;
        if algorithm != ED25519_NOTE {
            return Err(KeyError::Algorithm);
        }
        let public = public.try_into().map_err(|_length| KeyError::Form)?;
        let key = Self::new(name, public).ok_or(KeyError::Form)?;
        if id == format!("{:08x}", u32::from_be_bytes(key.id)) { Ok(key) } else { Err(KeyError::Id) }
    }
}
