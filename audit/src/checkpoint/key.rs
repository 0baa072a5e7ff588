//! Keys of signed notes: `name+id in hexadecimal+Base64 of the algorithm and the public key`. The algorithm is 1, Ed25519 over
//! the text, or 4, Ed25519 of a witness over the text and the time at which it saw it (C2SP `tlog-cosignature`).

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

/// How a key signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// The text.
    Note,
    /// The time, and the text.
    Cosignature,
}

/// Checks signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyingKey {
    name: String,
    id: [u8; 4],
    algorithm: Algorithm,
    public: [u8; 32],
}

/// Why a text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It has not the form of one.
    #[error("a key is NAME+ID+BASE64, as `openshell audit key` prints it")]
    Form,
    /// Its algorithm is not known here.
    #[error("the key is neither one of Ed25519 nor of a witness")]
    Algorithm,
    /// It was mistyped: its id is not that of its name and key.
    #[error("the key's id does not belong to the rest of it")]
    Id,
}

/// Whether a key can be called so: not empty, no space and no plus.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+')
}

impl VerifyingKey {
    /// A key with its name; `None`: no key can be called so.
    #[must_use]
    pub fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        Self::of(Algorithm::Note, name, public)
    }

    /// A witness's key with its name; `None`: no key can be called so.
    #[must_use]
    pub fn of_witness(name: &str, public: [u8; 32]) -> Option<Self> {
        Self::of(Algorithm::Cosignature, name, public)
    }

    fn of(algorithm: Algorithm, name: &str, public: [u8; 32]) -> Option<Self> {
        let digest =
            Sha256::new().chain_update(name).chain_update([b'\n', algorithm.byte()]).chain_update(public);
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest.finalize());
        is_name(name).then(|| Self { name: name.to_owned(), id: [a, b, c, d], algorithm, public })
    }

    /// How it signs.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
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
        let key = UnparsedPublicKey::new(&ED25519, self.public);
        match self.algorithm {
            Algorithm::Note => key.verify(text, signature).is_ok(),
            Algorithm::Cosignature => signature.split_first_chunk().is_some_and(|(time, signature)| {
                key.verify(&cosigned(u64::from_be_bytes(*time), text), signature).is_ok()
            }),
        }
    }
}

/// What a witness signs: when it saw the text, in seconds since 1970, and the text.
pub(super) fn cosigned(time: u64, text: &[u8]) -> Vec<u8> {
    [format!("cosignature/v1\ntime {time}\n").as_bytes(), text].concat()
}

impl Algorithm {
    fn byte(self) -> u8 {
        match self {
            Self::Note => 1,
            Self::Cosignature => 4,
        }
    }
}

impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = u32::from_be_bytes(self.id);
        write!(
            f,
            "{}+{id:08x}+{}",
            self.name,
            BASE64.encode([&[self.algorithm.byte()], &self.public[..]].concat())
        )
    }
}

impl FromStr for VerifyingKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, rest) = text.split_once('+').ok_or(KeyError::Form)?;
        let (id, key) = rest.split_once('+').ok_or(KeyError::Form)?;
        let key = BASE64.decode(key).map_err(|_not_base64| KeyError::Form)?;
        let (&algorithm, public) = key.split_first().ok_or(KeyError::Form)?;
        let algorithm = [Algorithm::Note, Algorithm::Cosignature]
            .into_iter()
            .find(|known| known.byte() == algorithm)
            .ok_or(KeyError::Algorithm)?;
        let public = public.try_into().map_err(|_length| KeyError::Form)?;
        let key = Self::of(algorithm, name, public).ok_or(KeyError::Form)?;
        if id == format!("{:08x}", u32::from_be_bytes(key.id)) { Ok(key) } else { Err(KeyError::Id) }
    }
}
