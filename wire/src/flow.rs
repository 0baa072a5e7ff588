//! The head of a captured TCP flow, sealed by guest-init so that no other process in the guest can open one.
//!
//! On the stream: one frame holding a [`SealedFlow`], then the flow's bytes in both directions.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::id::FlowId;
use crate::subject::Subject;

/// Where guest-init listens for clients that insist on a proxy. A flow with this destination is not a
/// captured connection: its client speaks to the proxy itself (`CONNECT`, or requests in absolute form).
pub const EXPLICIT_PROXY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 3128);

/// The key of one boot: made by the manager, known to guest-init and host-proxy alone.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowKey(pub [u8; 32]);

/// What guest-init says of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// Number of the flow in this boot; never used twice.
    pub id: FlowId,
    /// Where the client thought it was connecting to.
    pub destination: SocketAddr,
    /// Who opened it.
    pub subject: Subject,
}

/// An encoded [`Flow`] and its HMAC-SHA256 under the boot's [`FlowKey`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedFlow {
    /// Postcard of [`Flow`].
    body: Vec<u8>,
    /// HMAC-SHA256 of `body`.
    tag: [u8; 32],
}

/// Why a sealed flow was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The tag is not this boot's.
    #[error("the flow's seal is not of this boot")]
    Forged,
    /// The body is not a flow.
    #[error("malformed flow")]
    Malformed(#[source] postcard::Error),
}

impl FlowKey {
    pub(crate) fn mac(&self, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(body);
        mac
    }
}

impl fmt::Debug for FlowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

impl SealedFlow {
    /// Seals `flow` with the boot's key.
    ///
    /// # Errors
    /// The flow cannot be encoded.
    pub fn seal(flow: &Flow, key: &FlowKey) -> Result<Self, SealError> {
        let body = postcard::to_stdvec(flow).map_err(SealError::Malformed)?;
        let tag = key.mac(&body).finalize().into_bytes().into();
        Ok(Self { body, tag })
    }

    /// Checks the seal (in constant time) and decodes the flow.
    ///
    /// # Errors
    /// The seal is not of this boot, or the body is no flow.
    pub fn open(&self, key: &FlowKey) -> Result<Flow, SealError> {
        key.mac(&self.body).verify_slice(&self.tag).map_err(|_mismatch| SealError::Forged)?;
        postcard::from_bytes(&self.body).map_err(SealError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> Flow {
        Flow {
            id: FlowId(1),
            destination: "198.18.0.1:443".parse().unwrap(),
            subject: Subject::Unknown("gone".to_owned()),
        }
    }

    #[test]
    fn opens_only_under_its_key() {
        let sealed = SealedFlow::seal(&flow(), &FlowKey([1; 32])).unwrap();
        assert_eq!(sealed.open(&FlowKey([1; 32])).unwrap(), flow());
        assert!(matches!(sealed.open(&FlowKey([2; 32])), Err(SealError::Forged)));
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        let key = FlowKey([1; 32]);
        let sealed = SealedFlow::seal(&flow(), &key).unwrap();
        for at in 0..sealed.body.len() {
            let mut forged = sealed.clone();
            forged.body[at] ^= 1;
            assert!(matches!(forged.open(&key), Err(SealError::Forged)), "byte {at}");
        }
    }

    #[test]
    fn the_key_does_not_print() {
        assert_eq!(format!("{:?}", FlowKey([7; 32])), "<redacted>");
    }
}
