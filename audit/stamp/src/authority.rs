//! Who is believed about the time: certificates that the operator names.

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor};

/// Certificates that a stamp must lead to.
#[derive(Clone, Debug)]
pub struct Authorities(pub(crate) Vec<TrustAnchor<'static>>);

/// Why a file names nobody to believe.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// It is not PEM.
    #[error("not certificates in PEM")]
    Pem(#[source] rustls_pki_types::pem::Error),
    /// It holds none.
    #[error("it holds no certificate")]
    Empty,
    /// One of them cannot be used.
    #[error("a certificate in it cannot be used")]
    Certificate(#[source] webpki::Error),
}

impl Authorities {
    /// Those of a file in PEM.
    ///
    /// # Errors
    /// There is none in it, or one that cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, AuthorityError> {
        let certificates: Vec<_> =
            CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().map_err(AuthorityError::Pem)?;
        if certificates.is_empty() {
            return Err(AuthorityError::Empty);
        }
        let anchor = |certificate: &CertificateDer<'_>| {
            webpki::anchor_from_trusted_cert(certificate).map(|anchor| anchor.to_owned())
        };
        let anchors: Result<_, _> = certificates.iter().map(anchor).collect();
        anchors.map(Self).map_err(AuthorityError::Certificate)
    }
}
