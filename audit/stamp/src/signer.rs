//! Who signed a stamp: the certificate, what it signed, and whether it may.

use cms::cert::CertificateChoices;
use cms::cert::x509::Certificate;
use cms::cert::x509::ext::pkix::{ExtendedKeyUsage, SubjectKeyIdentifier};
use cms::cert::x509::spki::AlgorithmIdentifierOwned;
use cms::signed_data::{SignedAttributes, SignedData, SignerIdentifier, SignerInfo};
use der::asn1::OctetString;
use der::oid::ObjectIdentifier;
use der::{Any, Encode as _, Sequence};
use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512, digest};
use rustls_pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage, ring as suites};

use crate::authority::Authorities;
use crate::error::StampError;
use crate::request::ID_SHA256;

const fn oid(text: &str) -> ObjectIdentifier {
    ObjectIdentifier::new_unwrap(text)
}

const SHA_384: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.2");
const SHA_512: ObjectIdentifier = oid("2.16.840.1.101.3.4.2.3");
const CONTENT_TYPE: ObjectIdentifier = oid("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = oid("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = oid("1.2.840.113549.1.9.16.2.47");
const TIME_STAMPING: ObjectIdentifier = oid("1.3.6.1.5.5.7.3.8");

/// The purpose as webpki takes it: the bytes of its number in DER.
const TIME_STAMPING_DER: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// Signatures, by what the signer calls his algorithm and his hash. RSA may be called by its key's kind alone.
const ALGORITHMS: [(ObjectIdentifier, ObjectIdentifier, &[&dyn SignatureVerificationAlgorithm]); 9] = [
    (oid("1.2.840.113549.1.1.1"), ID_SHA256, &[suites::RSA_PKCS1_2048_8192_SHA256]),
    (oid("1.2.840.113549.1.1.1"), SHA_384, &[suites::RSA_PKCS1_2048_8192_SHA384]),
    (oid("1.2.840.113549.1.1.1"), SHA_512, &[suites::RSA_PKCS1_2048_8192_SHA512]),
    (oid("1.2.840.113549.1.1.11"), ID_SHA256, &[suites::RSA_PKCS1_2048_8192_SHA256]),
    (oid("1.2.840.113549.1.1.12"), SHA_384, &[suites::RSA_PKCS1_2048_8192_SHA384]),
    (oid("1.2.840.113549.1.1.13"), SHA_512, &[suites::RSA_PKCS1_2048_8192_SHA512]),
    (oid("1.2.840.10045.4.3.2"), ID_SHA256, &[suites::ECDSA_P256_SHA256, suites::ECDSA_P384_SHA256]),
    (oid("1.2.840.10045.4.3.3"), SHA_384, &[suites::ECDSA_P256_SHA384, suites::ECDSA_P384_SHA384]),
    (oid("1.3.101.112"), SHA_512, &[suites::ED25519]),
];

/// Which certificate signed, by its hash (RFC 5035, section 4; its first form, section 5, is of SHA-1).
#[derive(Sequence)]
struct CertificateIdV2 {
    /// `None`: SHA-256.
    #[asn1(optional = "true")]
    hash_algorithm: Option<AlgorithmIdentifierOwned>,
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer: Option<Any>,
}

#[derive(Sequence)]
struct SigningCertificateV2 {
    certificates: Vec<CertificateIdV2>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

#[derive(Sequence)]
struct CertificateId {
    hash: OctetString,
    #[asn1(optional = "true")]
    issuer: Option<Any>,
}

#[derive(Sequence)]
struct SigningCertificate {
    certificates: Vec<CertificateId>,
    #[asn1(optional = "true")]
    policies: Option<Any>,
}

/// The one signer of a stamp.
pub(crate) struct Signer<'a> {
    info: &'a SignerInfo,
    attributes: &'a SignedAttributes,
    certificate: &'a Certificate,
    der: CertificateDer<'static>,
    /// The other certificates in the stamp.
    between: Vec<CertificateDer<'static>>,
}

impl<'a> Signer<'a> {
    pub(crate) fn of(signed: &'a SignedData) -> Result<Self, StampError> {
        let [info] = signed.signer_infos.0.as_slice() else {
            return Err(StampError::Signature("it has not one signer"));
        };
        let attributes =
            info.signed_attrs.as_ref().ok_or(StampError::Signature("nothing is signed with it"))?;
        let all = signed.certificates.iter().flat_map(|set| set.0.iter()).filter_map(|choice| match choice {
            CertificateChoices::Certificate(certificate) => Some(certificate),
            CertificateChoices::Other(_) => None,
        });
        let (own, others): (Vec<_>, Vec<_>) = all.partition(|certificate| is_of(&info.sid, certificate));
        let [certificate] = own[..] else {
            return Err(StampError::Signature("its signer's certificate is not in it"));
        };
        let between: Result<_, _> = others.into_iter().map(to_der).collect();
        Ok(Self { info, attributes, certificate, der: to_der(certificate)?, between: between? })
    }

    /// Checks that it signed `content`, as what it is, with this very certificate.
    pub(crate) fn signed(&self, content: &[u8], kind: ObjectIdentifier) -> Result<(), StampError> {
        let hash = hash_algorithm(&self.info.digest_alg.oid)?;
        let claimed: ObjectIdentifier = self.attribute(CONTENT_TYPE)?;
        let hashed: OctetString = self.attribute(MESSAGE_DIGEST)?;
        if claimed != kind || hashed.as_bytes() != digest(hash, content).as_ref() {
            return Err(StampError::Signature("another content is signed"));
        }
        if !self.names_certificate()? {
            return Err(StampError::Signature("it does not say with which certificate it was signed"));
        }
        let message = self.attributes.to_der().map_err(StampError::Form)?;
        let certificate = EndEntityCert::try_from(&self.der).map_err(StampError::Forged)?;
        let (used, hash) = (&self.info.signature_algorithm.oid, &self.info.digest_alg.oid);
        let known = ALGORITHMS.iter().find(|(signature, with, _)| signature == used && with == hash);
        let (.., suites) = known.ok_or(StampError::Signature("its algorithm is not known here"))?;
        let verified = suites
            .iter()
            .map(|suite| certificate.verify_signature(*suite, &message, self.info.signature.as_bytes()))
            .reduce(Result::or)
            .ok_or(StampError::Signature("its algorithm is not known here"))?;
        verified.map_err(StampError::Forged)
    }

    /// Checks that its certificate is for time stamping alone, and that it led to one of `authorities` at that time.
    pub(crate) fn may_stamp(&self, time: UnixTime, authorities: &Authorities) -> Result<(), StampError> {
        let usage = self.certificate.tbs_certificate.get::<ExtendedKeyUsage>().map_err(StampError::Form)?;
        let is_for_that = |(critical, ExtendedKeyUsage(purposes)): &(bool, ExtendedKeyUsage)| {
            *critical && purposes[..] == [TIME_STAMPING]
        };
        usage.filter(is_for_that).ok_or(StampError::Purpose)?;
        let certificate = EndEntityCert::try_from(&self.der).map_err(StampError::Chain)?;
        let usage = KeyUsage::required(TIME_STAMPING_DER);
        certificate
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &authorities.0,
                &self.between,
                time,
                usage,
                None,
                None,
            )
            .map(drop)
            .map_err(StampError::Chain)
    }

    /// Who it is.
    pub(crate) fn name(&self) -> String {
        self.certificate.tbs_certificate.subject.to_string()
    }

    /// What is signed under this name, once.
    fn attribute<T: for<'b> der::Decode<'b>>(&self, name: ObjectIdentifier) -> Result<T, StampError> {
        self.values(name)?.ok_or(StampError::Signature("its content is not signed with it"))
    }

    fn values<T: for<'b> der::Decode<'b>>(&self, name: ObjectIdentifier) -> Result<Option<T>, StampError> {
        let Some(attribute) = self.attributes.iter().find(|attribute| attribute.oid == name) else {
            return Ok(None);
        };
        let [value] = attribute.values.as_slice() else {
            return Err(StampError::Signature("something is signed with it twice"));
        };
        let value = value.to_der().map_err(StampError::Form)?;
        T::from_der(&value).map(Some).map_err(StampError::Form)
    }

    /// Without that, a certificate of another authority with the same key could be put in its place.
    fn names_certificate(&self) -> Result<bool, StampError> {
        if let Some(named) = self.values::<SigningCertificateV2>(SIGNING_CERTIFICATE_V2)? {
            let Some(first) = named.certificates.first() else { return Ok(false) };
            let hash = hash_algorithm(first.hash_algorithm.as_ref().map_or(&ID_SHA256, |named| &named.oid))?;
            return Ok(first.hash.as_bytes() == digest(hash, &self.der).as_ref());
        }
        let Some(named) = self.values::<SigningCertificate>(SIGNING_CERTIFICATE)? else { return Ok(false) };
        let own = digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der);
        Ok(named.certificates.first().is_some_and(|first| first.hash.as_bytes() == own.as_ref()))
    }
}

fn is_of(signer: &SignerIdentifier, certificate: &Certificate) -> bool {
    let body = &certificate.tbs_certificate;
    match signer {
        SignerIdentifier::IssuerAndSerialNumber(named) => {
            named.issuer == body.issuer && named.serial_number == body.serial_number
        }
        SignerIdentifier::SubjectKeyIdentifier(named) => body
            .get::<SubjectKeyIdentifier>()
            .is_ok_and(|own| own.is_some_and(|(_critical, own)| own == *named)),
    }
}

fn to_der(certificate: &Certificate) -> Result<CertificateDer<'static>, StampError> {
    certificate.to_der().map(CertificateDer::from).map_err(StampError::Form)
}

fn hash_algorithm(name: &ObjectIdentifier) -> Result<&'static Algorithm, StampError> {
    match *name {
        ID_SHA256 => Ok(&SHA256),
        SHA_384 => Ok(&SHA384),
        SHA_512 => Ok(&SHA512),
        _ => Err(StampError::Signature("its hash is not known here")),
    }
}
