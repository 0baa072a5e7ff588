//! What can be wrong with an authority's answer.

use cmpv2::status::PkiStatus;

/// Why an answer is no time stamp over what was asked about.
#[derive(Debug, thiserror::Error)]
pub enum StampError {
    /// It cannot be read.
    #[error("not an answer of a time stamping authority")]
    Form(#[source] der::Error),
    /// The authority did not stamp.
    #[error("the authority refused ({0:?})")]
    Refused(PkiStatus),
    /// There is no stamp in it.
    #[error("the answer holds no time stamp")]
    Empty,
    /// It is about something else.
    #[error("it is not about what was asked")]
    Imprint,
    /// It answers another request.
    #[error("it answers another request")]
    Nonce,
    /// It bears none, or more than one signature, or one without what must be signed with it.
    #[error("it is not signed as a time stamp is: {0}")]
    Signature(&'static str),
    /// The signature is not the certificate's.
    #[error("its signature is wrong")]
    Forged(#[source] webpki::Error),
    /// The certificate is not for time stamps, and only for these.
    #[error("its signer's certificate is not for time stamping alone")]
    Purpose,
    /// The certificate does not lead to one that the operator named, or did not hold at that time.
    #[error("its signer is not of an authority that is named here")]
    Chain(#[source] webpki::Error),
}
