//! A key in a token: a smart card, a hardware security module, a TPM, whatever speaks PKCS #11. The key never leaves it; we
//! hand in the text and get a signature (mechanism `CKM_EDDSA`, curve Ed25519).

use std::fmt;

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::types::AuthPin;

/// An open session with the token.
pub struct Token {
    session: Session,
    private: ObjectHandle,
    public: [u8; 32],
    // Dropped last: the session belongs to it.
    _library: Pkcs11,
}

/// Why the token does not sign.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The library, or the token, refused.
    #[error("{0} failed")]
    Refused(&'static str, #[source] cryptoki::error::Error),
    /// There is no token of that label.
    #[error("there is no token called '{0}'")]
    NoToken(String),
    /// There is no such key, or more than one.
    #[error("there is not exactly one {0} key called '{1}'")]
    NoKey(&'static str, String),
    /// It is of another kind.
    #[error("the key is not one of Ed25519")]
    Kind,
    /// What it gave is no signature.
    #[error("it gave a signature that its own public key does not verify")]
    Signature,
}

impl Token {
    /// Logs in to the token of the label `names.0` for the key of the label `names.1`.
    ///
    /// # Errors
    /// The library cannot be loaded, or there is no such token or key.
    pub fn open(module: &str, names: (&str, &str), pin: &str) -> Result<Self, TokenError> {
        let refused = |what| move |error| TokenError::Refused(what, error);
        let (label, key) = names;
        let library = Pkcs11::new(module).map_err(refused("loading the library"))?;
        let flags = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
        library.initialize(flags).map_err(refused("initialising the library"))?;
        let slots = library.get_slots_with_token().map_err(refused("listing the tokens"))?;
        let is_it = |slot: &cryptoki::slot::Slot| {
            library.get_token_info(*slot).is_ok_and(|info| info.label().trim_end() == label)
        };
        let slot = slots.into_iter().find(is_it).ok_or_else(|| TokenError::NoToken(label.to_owned()))?;
        let session = library.open_ro_session(slot).map_err(refused("opening a session"))?;
        session
            .login(UserType::User, Some(&AuthPin::new(pin.to_owned().into())))
            .map_err(refused("logging in"))?;
        let private = find(&session, ObjectClass::PRIVATE_KEY, ("private", key))?;
        let public = find(&session, ObjectClass::PUBLIC_KEY, ("public", key))?;
        let public = point(&session, public)?;
        Ok(Self { session, private, public, _library: library })
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.public
    }

    /// The signature of `text`.
    ///
    /// # Errors
    /// The token refused.
    pub fn sign(&self, text: &[u8]) -> Result<Vec<u8>, TokenError> {
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        self.session
            .sign(&mechanism, self.private, text)
            .map_err(|error| TokenError::Refused("signing", error))
    }
}

fn find(
    session: &Session,
    class: ObjectClass,
    (half, label): (&'static str, &str),
) -> Result<ObjectHandle, TokenError> {
    let template = [Attribute::Class(class), Attribute::Label(label.as_bytes().to_vec())];
    let found =
        session.find_objects(&template).map_err(|error| TokenError::Refused("looking for the key", error))?;
    match found[..] {
        [key] => Ok(key),
        _ => Err(TokenError::NoKey(half, label.to_owned())),
    }
}

/// The public key's 32 bytes, which tokens wrap in an OCTET STRING or do not.
fn point(session: &Session, public: ObjectHandle) -> Result<[u8; 32], TokenError> {
    let attributes = session
        .get_attributes(public, &[AttributeType::EcPoint])
        .map_err(|error| TokenError::Refused("reading the public key", error))?;
    let [Attribute::EcPoint(point)] = &attributes[..] else { return Err(TokenError::Kind) };
    let bytes = match &point[..] {
        [0x04, 32, bytes @ ..] => bytes,
        bytes => bytes,
    };
    bytes.try_into().map_err(|_length| TokenError::Kind)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}
