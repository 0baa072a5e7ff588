//! Signatures of AWS, version 4: the client signs with a placeholder, and what goes out is signed anew.
//!
//! The client's signature is not checked: it is removed, with everything that belongs to it, and what the policy allowed is
//! what is signed. Signed are the host, the type of the body and every `x-amz-` field; TLS guards the rest.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials as AwsKeys;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use policies::binding::{decoded, may_be_parameter};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use wire::secret::Secret;

use super::misplaced::Misplaced;
use super::search::Traces;
use crate::canonical::CanonicalRequest;
use crate::fields::{reads_as, remove};
use crate::upstream::Outbound;

/// Fields that belong to a client's signature.
const SIGNATURE: [&str; 3] = ["authorization", "x-amz-date", "x-amz-security-token"];

/// Parameters that belong to the signature of a URL, of this version and of the one before.
const PARAMETERS: [&str; 9] = [
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-signedheaders",
    "x-amz-signature",
    "x-amz-security-token",
    "x-amz-content-sha256",
    "awsaccesskeyid",
];

/// What is said of a body, beside its SHA-256.
const CONTENT_SHA256: HeaderName = HeaderName::from_static("x-amz-content-sha256");

/// What of a request is signed beside its host and its `x-amz-` fields.
const SIGNED: [HeaderName; 2] = [header::CONTENT_TYPE, HeaderName::from_static("content-md5")];

/// What object storage takes over TLS in place of a digest: the body as it is, and in chunks with a checksum behind it.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";
const UNSIGNED_CHUNKS: &str = "STREAMING-UNSIGNED-PAYLOAD-TRAILER";

/// Services that are object storage: they take unsigned bodies, and read a path once.
const STORES: [&str; 4] = ["s3", "s3express", "s3-outposts", "s3-object-lambda"];

/// Begins the names of everything by which a client tells object storage more than method and path do.
const TOLD: &str = "x-amz-";

/// What of that stays within method and path: how bytes are counted and checked, and what is kept beside them. Everything
/// else copies from elsewhere, opens to others, leads elsewhere, or outlasts the rules.
const HARMLESS: [&str; 23] = [
    "x-amz-api-version",
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-mode",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-decoded-content-length",
    "x-amz-expected-bucket-owner",
    "x-amz-max-parts",
    "x-amz-mp-object-size",
    "x-amz-object-attributes",
    "x-amz-optional-object-attributes",
    "x-amz-part-number-marker",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-security-token",
    "x-amz-storage-class",
    "x-amz-trailer",
    "x-amz-user-agent",
];

/// The client's own notes to an object.
const NOTES: &str = "x-amz-meta-";

/// Parameters of requests that change something, beside those of an upload's parts and versions: they choose which of the
/// things under a path is changed.
const CHOOSING: [&str; 7] =
    ["uploads", "uploadid", "partnumber", "versionid", "x-id", "list-type", "select-type"];

/// Signs for one service in one region.
#[derive(Debug)]
pub(super) struct Signer {
    service: String,
    region: String,
    keys: Keys,
}

#[derive(Debug)]
struct Keys {
    id: String,
    key: Secret,
    token: Option<Secret>,
}

/// Keys as AWS's tools print them, as its token service answers, and as a vault gives them.
#[derive(Deserialize)]
struct Document {
    #[serde(alias = "AccessKeyId", alias = "access_key_id")]
    access_key: Option<String>,
    #[serde(alias = "SecretAccessKey", alias = "secret_access_key")]
    secret_key: Option<Secret>,
    #[serde(alias = "SessionToken")]
    session_token: Option<Secret>,
    security_token: Option<Secret>,
    #[serde(rename = "Credentials")]
    inside: Option<Box<Document>>,
}

/// Why there is nothing to sign with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeysError {
    /// The id of the key, or the key, is not there.
    #[error(
        "the secret is no JSON document with the id of an access key and the key in it, and 'access_key_id' is not given"
    )]
    Missing,
    /// They would not be read as what they are.
    #[error("the keys have characters that keys of AWS do not have")]
    Characters,
}

/// Why a request was not signed.
pub(super) type SigningError = Box<dyn std::error::Error + Send + Sync>;

/// What is signed for a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// What the client says of it, which the service checks.
    Stated(String),
    /// Its digest: it has to be read first.
    Digest,
}

impl Signer {
    pub(super) fn new(
        (service, region): (String, String),
        id: Option<String>,
        secret: &Secret,
    ) -> Result<Self, KeysError> {
        let keys = match id {
            Some(id) => Keys { id, key: secret.clone(), token: None },
            None => Keys::read(secret)?,
        };
        let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'!'..=b'~'));
        let token = keys.token.as_ref().map_or("-", Secret::expose);
        if !plain(&keys.id) || !plain(keys.key.expose()) || !plain(token) {
            return Err(KeysError::Characters);
        }
        Ok(Self { service, region, keys })
    }

    /// What of the keys could be told to whoever has none.
    pub(super) fn trace(&self, traces: &mut Traces) {
        traces.add(self.keys.key.expose());
        if let Some(token) = &self.keys.token {
            traces.add(token.expose());
        }
    }

    /// Whether the field belongs to a signature.
    pub(super) fn is_field(field: &HeaderName) -> bool {
        SIGNATURE.iter().any(|name| reads_as(field, name))
    }

    /// Whether what stands between two `&` of a query belongs to a signature.
    pub(super) fn is_parameter(text: &str) -> bool {
        PARAMETERS.iter().any(|name| may_be_parameter(text, name))
    }

    /// Whether the request can be signed, and what for its body.
    pub(super) fn check(
        &self,
        name: &Arc<str>,
        (request, fields): (&CanonicalRequest, &HeaderMap),
    ) -> Result<Payload, Misplaced> {
        let query = request.resource.query().unwrap_or_default();
        let bound = format!("{}/{}", self.region, self.service);
        if let Some(asked) = asked(fields, query).into_iter().find(|asked| *asked != bound) {
            return Err(Misplaced::Scope { name: Arc::clone(name), asked, bound });
        }
        let is_form =
            |kind: &HeaderValue| kind.as_bytes().to_ascii_lowercase().starts_with(b"multipart/form-data");
        if self.is_store()
            && request.method == Method::POST
            && fields.get_all(header::CONTENT_TYPE).iter().any(is_form)
        {
            return Err(Misplaced::Upload(Arc::clone(name)));
        }
        let is_signed = |field: &HeaderName| SIGNED.contains(field) || field.as_str().starts_with("x-amz-");
        let strange = fields.iter().find(|(field, value)| is_signed(field) && value.to_str().is_err());
        if let Some((field, _)) = strange {
            return Err(Misplaced::Unsignable { name: Arc::clone(name), field: field.to_string() });
        }
        if self.is_store() {
            if let Some(what) = beyond(request, fields) {
                return Err(Misplaced::Beyond { name: Arc::clone(name), what });
            }
            if gives_keys(request) {
                return Err(Misplaced::Issued(Arc::clone(name)));
            }
        }
        self.payload(fields).map_err(|said| Misplaced::Payload { name: Arc::clone(name), said })
    }

    fn payload(&self, fields: &HeaderMap) -> Result<Payload, String> {
        let said = fields.get_all(CONTENT_SHA256).iter().filter_map(|value| value.to_str().ok());
        let said: Vec<&str> = said.collect();
        let is_digest = |text: &str| {
            text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        match said[..] {
            [] if self.is_store() => Ok(Payload::Stated(UNSIGNED.to_owned())),
            [] => Ok(Payload::Digest),
            [said] if is_digest(said) => Ok(Payload::Stated(said.to_owned())),
            [UNSIGNED | UNSIGNED_CHUNKS] if self.is_store() => Ok(Payload::Stated(said[0].to_owned())),
            [UNSIGNED] => Ok(Payload::Digest),
            _ => Err(said.join(", ")),
        }
    }

    /// Signs what goes out, and removes what the client signed with. `body`: all of it, if it was read.
    ///
    /// # Errors
    /// It cannot be signed, and must not go out.
    pub(super) fn write(&self, out: &mut Outbound, body: Option<&[u8]>) -> Result<(), SigningError> {
        self.write_at(out, body, SystemTime::now())
    }

    fn write_at(
        &self,
        out: &mut Outbound,
        body: Option<&[u8]>,
        time: SystemTime,
    ) -> Result<(), SigningError> {
        let said = match (body, self.payload(out.fields_mut())) {
            (None, Ok(Payload::Stated(said))) => said,
            (body, _) => hex(digest(&SHA256, body.unwrap_or_default()).as_ref()),
        };
        remove(out.fields_mut(), &SIGNATURE);
        // It would be signed beside the date that is.
        out.fields_mut().remove(header::DATE);
        out.fields_mut().remove(CONTENT_SHA256);
        if self.is_store() {
            out.fields_mut()
                .insert(CONTENT_SHA256, HeaderValue::try_from(&said).expect("it was visible ASCII"));
        }
        let (path, query) = (out.target().path().to_owned(), out.target().query().unwrap_or_default());
        let kept: Vec<&str> = query.split('&').filter(|text| !Self::is_parameter(text)).collect();
        let query =
            if kept.is_empty() || kept == [""] { String::new() } else { format!("?{}", kept.join("&")) };
        out.set_target(format!("{path}{query}").parse().expect("parts of a target are one"));
        let path = if self.is_store() { once_encoded(&path) } else { path };
        let fields = self.signed(out, (&format!("{path}{query}"), said), time)?;
        out.fields_mut().extend(fields);
        Ok(())
    }

    /// The fields that sign it.
    fn signed(
        &self,
        out: &Outbound,
        (target, said): (&str, String),
        time: SystemTime,
    ) -> Result<HeaderMap, SigningError> {
        let Keys { id, key, token } = &self.keys;
        let token = token.as_ref().map(|token| token.expose().to_owned());
        let identity = AwsKeys::new(id, key.expose(), token, None, "openshell").into();
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.percent_encoding_mode =
            if self.is_store() { PercentEncodingMode::Single } else { PercentEncodingMode::Double };
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(&self.service)
            .time(time)
            .settings(settings)
            .build()?
            .into();
        let host = out.host().to_str()?;
        let is_signed = |field: &HeaderName| SIGNED.contains(field) || field.as_str().starts_with("x-amz-");
        let fields = out.fields().iter().filter(|(field, _)| is_signed(field));
        let fields = fields.map(|(field, value)| Ok((field.as_str(), value.to_str()?)));
        let fields = std::iter::once(Ok(("host", host))).chain(fields);
        let fields: Vec<(&str, &str)> = fields.collect::<Result<_, header::ToStrError>>()?;
        let url = format!("https://{host}{target}");
        let body = SignableBody::Precomputed(said);
        let request = SignableRequest::new(out.method().as_str(), url, fields.into_iter(), body)?;
        let (instructions, _signature) = sign(request, &params)?.into_parts();
        let mut signed = HeaderMap::new();
        for (field, text) in instructions.headers() {
            let mut value = HeaderValue::try_from(text)?;
            // HTTP/2 must not keep it in the connection's table.
            value.set_sensitive(true);
            signed.insert(HeaderName::try_from(field)?, value);
        }
        Ok(signed)
    }

    /// Whether it signs for object storage, whose answers are as long as objects.
    pub(super) fn is_store(&self) -> bool {
        STORES.contains(&self.service.as_str())
    }
}

impl Keys {
    fn read(secret: &Secret) -> Result<Self, KeysError> {
        let document =
            serde_json::from_str::<Document>(secret.expose()).map_err(|_quotes_it| KeysError::Missing)?;
        let document = match document {
            Document { inside: Some(inside), .. } => *inside,
            document => document,
        };
        let (Some(id), Some(key)) = (document.access_key, document.secret_key) else {
            return Err(KeysError::Missing);
        };
        let token = document.session_token.or(document.security_token);
        Ok(Self { id, key, token: token.filter(|token| !token.expose().is_empty()) })
    }
}

/// Region and service of every signature that the client made.
fn asked(fields: &HeaderMap, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    for value in fields.get_all(header::AUTHORIZATION) {
        let text = String::from_utf8_lossy(value.as_bytes());
        let Some((kind, rest)) = text.split_once(' ').filter(|(kind, _)| kind.starts_with("AWS")) else {
            continue;
        };
        let scope = rest.split([',', ' ']).find_map(|part| part.trim().strip_prefix("Credential="));
        all.push(if kind == "AWS4-HMAC-SHA256" {
            scope_of(scope.unwrap_or_default())
        } else {
            kind.to_owned()
        });
    }
    for part in query.split('&').filter(|part| may_be_parameter(part, "x-amz-credential")) {
        let value = part.split_once('=').map_or("", |(_, value)| value);
        all.push(scope_of(&String::from_utf8_lossy(&decoded(value))));
    }
    all
}

/// What of a request to object storage would do more than its method and path say, if anything.
fn beyond(request: &CanonicalRequest, fields: &HeaderMap) -> Option<String> {
    let harmless = |name: &str| HARMLESS.contains(&name) || name.starts_with(NOTES);
    let name = |field: &HeaderName| field.as_str().replace(['_', '.'], "-");
    let field = fields.keys().find(|field| name(field).starts_with(TOLD) && !harmless(&name(field)));
    if let Some(field) = field {
        return Some(format!("the header field '{field}'"));
    }
    // URLs that are signed hold the same as parameters.
    let changes = ![Method::GET, Method::HEAD].contains(&request.method);
    let query = request.resource.query().unwrap_or_default();
    let parts = query.split(['&', ';']).filter(|part| !part.is_empty());
    let names = parts.map(|part| decoded(part.split_once('=').map_or(part, |(name, _)| name)));
    let names = names.map(|name| String::from_utf8_lossy(&name).trim().to_ascii_lowercase());
    let is_beyond = |name: &String| match name.strip_prefix(TOLD) {
        Some(_) => !harmless(name) && !Signer::is_parameter(name),
        None => changes && !CHOOSING.contains(&name.as_str()) && !Signer::is_parameter(name),
    };
    names.into_iter().find(is_beyond).map(|name| format!("the parameter '{name}'"))
}

/// Whether the answer of object storage is a key: a session of a directory, or access that was granted.
fn gives_keys(request: &CanonicalRequest) -> bool {
    let query = request.resource.query().unwrap_or_default();
    query.split('&').any(|part| may_be_parameter(part, "session"))
        || request.resource.path().to_ascii_lowercase().contains("/accessgrantsinstance")
}

/// `region/service` of `key/date/region/service/aws4_request`.
fn scope_of(credential: &str) -> String {
    let mut parts = credential.rsplit('/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some("aws4_request"), Some(service), Some(region)) => format!("{region}/{service}"),
        _ => "no scope".to_owned(),
    }
}

/// A path as object storage signs it: what of it may stand for itself and what was encoded are the same.
fn once_encoded(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/%".contains(&byte);
    let encode = |byte: u8| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    path.bytes().map(encode).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
