//! Batches to a program of the operator's own, signed so that it can tell them from anybody else's.
//!
//! ```text
//! X-OpenShell-Signature: t=<seconds since 1970>,v1=<HMAC-SHA256 of "<t>.<body>", in hexadecimal>
//! ```
//! The time is signed too: the receiver refuses what is old, and nobody can send a batch again later.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::{HeaderName, HeaderValue};
use sha2::Sha256;

use super::http::{Question, Receiver};
use super::{Item, Refusal, TargetError};
use crate::format::Format;
use crate::secret::SecretReader;

#[derive(Debug)]
pub(super) struct Webhook {
    receiver: Receiver,
    secret: Option<SecretReader>,
    body: Body,
}

/// How records stand in a request.
#[derive(Clone, Copy, Debug)]
enum Body {
    /// `[{…},{…}]`
    Array,
    /// A whole request of OpenTelemetry.
    Otlp,
    /// One a line.
    Lines,
}

impl Webhook {
    pub(super) fn new(target: super::Webhook, format: Format) -> Result<Self, TargetError> {
        let body = match format {
            Format::OtlpJson => Body::Otlp,
            format if format.is_json() => Body::Array,
            _ => Body::Lines,
        };
        Ok(Self { receiver: Receiver::new(target.http)?, secret: target.secret, body })
    }

    pub(super) async fn send(&mut self, batch: &[Item]) -> Result<(), Refusal> {
        let (open, between, close, content_type) = match self.body {
            Body::Array => ("[", ",", "]", "application/json"),
            Body::Otlp => {
                (crate::format::OTLP_JSON_OPEN, ",", crate::format::OTLP_JSON_CLOSE, "application/json")
            }
            Body::Lines => ("", "\n", "\n", "text/plain; charset=utf-8"),
        };
        let body = Bytes::from(joined(batch, open, between, close));
        let mut headers = Vec::new();
        if let Some(secret) = &self.secret {
            let key = secret.read().map_err(Refusal::later)?;
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            headers.push((
                HeaderName::from_static("x-openshell-signature"),
                signature(key.expose(), now, &body),
            ));
        }
        self.receiver.post(Question { path: String::new(), content_type, headers, body }).await.map(drop)
    }
}

fn signature(key: &str, now: u64, body: &[u8]) -> HeaderValue {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key may have any length");
    mac.update(format!("{now}.").as_bytes());
    mac.update(body);
    let digest: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    HeaderValue::from_str(&format!("t={now},v1={digest}")).expect("digits and letters can stand in a header")
}

/// The records of a batch with something around and between them.
pub(super) fn joined(batch: &[Item], open: &str, between: &str, close: &str) -> Vec<u8> {
    let mut body = open.as_bytes().to_vec();
    for (index, item) in batch.iter().enumerate() {
        if index > 0 {
            body.extend_from_slice(between.as_bytes());
        }
        body.extend_from_slice(&item.content);
    }
    body.extend_from_slice(close.as_bytes());
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `openssl dgst -sha256 -hmac`.
    #[test]
    fn a_signature_is_hmac_over_time_and_body() {
        assert_eq!(
            signature("key", 1_700_000_000, b"[]"),
            "t=1700000000,v1=2afce10b4f37880815b715635811bcfa4d5334e7213eea5bc2e130e1008055c3"
        );
    }
}
