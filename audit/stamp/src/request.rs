//! What is asked of an authority: its word on a hash, with a number that no older answer holds.

use cms::cert::x509::spki::AlgorithmIdentifier;
use der::asn1::{Int, OctetString};
use der::oid::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use x509_tsp::{MessageImprint, TimeStampReq, TspVersion};

/// SHA-256.
pub(crate) const ID_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request(pub(crate) TimeStampReq);

/// Why there is no request.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It is not in the form of one, or not one of ours.
    #[error("not a request for a time stamp that was made here")]
    Form(#[source] der::Error),
    /// It holds no number, or asks about another kind of hash.
    #[error("the request has no number, or is not about SHA-256")]
    Foreign,
    /// The machine gives no randomness.
    #[error("this machine gives no randomness")]
    Randomness,
}

impl Request {
    /// About these bytes.
    ///
    /// # Errors
    /// There is no randomness for its number.
    pub fn new(bytes: &[u8]) -> Result<Self, RequestError> {
        let mut nonce = [0; 16];
        SystemRandom::new().fill(&mut nonce).map_err(|_unspecified| RequestError::Randomness)?;
        // A positive number of this length, whatever came.
        nonce[0] = nonce[0] & 0x3f | 0x40;
        let imprint = OctetString::new(digest(&SHA256, bytes).as_ref()).map_err(RequestError::Form)?;
        Ok(Self(TimeStampReq {
            version: TspVersion::V1,
            message_imprint: MessageImprint {
                hash_algorithm: AlgorithmIdentifier { oid: ID_SHA256, parameters: None },
                hashed_message: imprint,
            },
            req_policy: None,
            nonce: Some(Int::new(&nonce).map_err(RequestError::Form)?),
            cert_req: true,
            extensions: None,
        }))
    }

    /// Reads one.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn from_der(bytes: &[u8]) -> Result<Self, RequestError> {
        let request = TimeStampReq::from_der(bytes).map_err(RequestError::Form)?;
        if request.nonce.is_none() || request.message_imprint.hash_algorithm.oid != ID_SHA256 {
            return Err(RequestError::Foreign);
        }
        Ok(Self(request))
    }

    /// As it is sent (`application/timestamp-query`).
    ///
    /// # Errors
    /// It is longer than DER can say.
    pub fn to_der(&self) -> Result<Vec<u8>, RequestError> {
        self.0.to_der().map_err(RequestError::Form)
    }

    /// Whether it is about these bytes.
    #[must_use]
    pub fn is_about(&self, bytes: &[u8]) -> bool {
        self.0.message_imprint.hashed_message.as_bytes() == digest(&SHA256, bytes).as_ref()
    }
}
