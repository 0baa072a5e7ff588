//! The signing key: in memory, or in a token that signs for us.

mod token;

use audit::checkpoint::{self, PemError, Signature, VerifyingKey};
use ring::signature::Ed25519KeyPair;
use wire::audit::SigningKey;

pub use token::{Token, TokenError};

/// A key that signs.
#[derive(Debug)]
pub struct Key {
    signer: Signer,
    public: VerifyingKey,
}

#[derive(Debug)]
enum Signer {
    Memory(Ed25519KeyPair),
    Token(Box<Token>),
}

/// Why there is no key, or no signature.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file does not hold one.
    #[error("the signing key cannot be read")]
    Pem(#[from] PemError),
    /// The token refused.
    #[error("the token does not sign")]
    Token(#[from] TokenError),
    /// No key can be called so.
    #[error("a key cannot be called '{0}': no spaces, and no '+'")]
    Name(String),
}

impl Key {
    /// The key called `name`.
    ///
    /// # Errors
    /// There is none where it should be.
    pub fn open(key: &SigningKey, name: &str) -> Result<Self, KeyError> {
        let signer = match key {
            SigningKey::Pem(pem) => Signer::Memory(checkpoint::read_pem(pem.expose())?),
            SigningKey::Pkcs11 { module, token, key, pin } => {
                Signer::Token(Box::new(Token::open(module, (token, key), pin.expose())?))
            }
        };
        let public = match &signer {
            Signer::Memory(pair) => checkpoint::public(pair),
            Signer::Token(token) => token.public(),
        };
        let public = VerifyingKey::new(name, public).ok_or_else(|| KeyError::Name(name.to_owned()))?;
        Ok(Self { signer, public })
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> &VerifyingKey {
        &self.public
    }

    /// The signature of `text`.
    ///
    /// # Errors
    /// The token refused, or gave what its own public key does not verify.
    pub fn sign(&self, text: &str) -> Result<Signature, KeyError> {
        let bytes = match &self.signer {
            Signer::Memory(pair) => pair.sign(text.as_bytes()).as_ref().to_vec(),
            Signer::Token(token) => token.sign(text.as_bytes())?,
        };
        if !self.public.verifies(text.as_bytes(), &bytes) {
            return Err(TokenError::Signature.into());
        }
        Ok(Signature { name: self.public.name().to_owned(), id: self.public.id(), bytes })
    }
}
