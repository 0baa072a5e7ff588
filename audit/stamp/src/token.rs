//! An authority's answer, and all that must be right with it: what it is about, that it answers this request, who signed it and
//! whether he may (RFC 3161, section 2.4.2; RFC 5816).

use std::time::Duration;

use cmpv2::status::PkiStatus;
use cms::content_info::ContentInfo;
use cms::signed_data::SignedData;
use der::asn1::OctetString;
use der::oid::ObjectIdentifier;
use der::{Decode as _, Encode as _};
use rustls_pki_types::UnixTime;
use x509_tsp::{TimeStampResp, TstInfo};

use crate::authority::Authorities;
use crate::error::StampError;
use crate::request::Request;
use crate::signer::Signer;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// An authority's word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// When it had the hash: RFC 3339, UTC, whole seconds.
    pub time: String,
    /// Who says so: the subject of its certificate.
    pub authority: String,
}

/// What an answer to `request` is worth: the time that it names, if everything about it is right.
///
/// # Errors
/// The first thing that is not.
pub fn check(answer: &[u8], request: &Request, authorities: &Authorities) -> Result<Stamp, StampError> {
    let answer = TimeStampResp::from_der(answer).map_err(StampError::Form)?;
    if !matches!(answer.status.status, PkiStatus::Accepted | PkiStatus::GrantedWithMods) {
        return Err(StampError::Refused(answer.status.status));
    }
    let (signed, content) = signed_data(&answer.time_stamp_token.ok_or(StampError::Empty)?)?;
    let info = TstInfo::from_der(&content).map_err(StampError::Form)?;
    let asked = &request.0.message_imprint;
    let same_hash = info.message_imprint.hash_algorithm.oid == asked.hash_algorithm.oid;
    if !same_hash || info.message_imprint.hashed_message != asked.hashed_message {
        return Err(StampError::Imprint);
    }
    if info.nonce.is_none() || info.nonce != request.0.nonce {
        return Err(StampError::Nonce);
    }
    let signer = Signer::of(&signed)?;
    signer.signed(&content, TST_INFO)?;
    let time = info.gen_time.to_unix_duration();
    signer.may_stamp(UnixTime::since_unix_epoch(time), authorities)?;
    Ok(Stamp { time: rfc3339(time)?, authority: signer.name() })
}

/// The signed data, and the bytes that are signed.
fn signed_data(token: &ContentInfo) -> Result<(SignedData, Vec<u8>), StampError> {
    if token.content_type != SIGNED_DATA {
        return Err(StampError::Empty);
    }
    let content = token.content.to_der().map_err(StampError::Form)?;
    let signed = SignedData::from_der(&content).map_err(StampError::Form)?;
    let inner = &signed.encap_content_info;
    let Some(content) = inner.econtent.as_ref().filter(|_content| inner.econtent_type == TST_INFO) else {
        return Err(StampError::Empty);
    };
    let content = content.decode_as::<OctetString>().map_err(StampError::Form)?.into_bytes();
    Ok((signed, content))
}

fn rfc3339(since_1970: Duration) -> Result<String, StampError> {
    let time = der::DateTime::from_unix_duration(since_1970).map_err(StampError::Form)?;
    Ok(time.to_string())
}
