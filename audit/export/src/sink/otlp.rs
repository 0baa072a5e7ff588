//! OTLP/HTTP: `POST …/v1/logs`, as protobuf or JSON.

use bytes::Bytes;
use serde::Deserialize;

use super::http::{Question, Receiver};
use super::webhook::joined;
use super::{HttpTarget, Item, Refusal, TargetError};
use crate::format::{Format, OTLP_JSON_CLOSE, OTLP_JSON_OPEN, otlp_request};

#[derive(Debug)]
pub(super) struct Collector {
    receiver: Receiver,
    format: Format,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Answer {
    partial_success: Partial,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    /// A number of 64 bits is a text in protobuf's JSON; some write it as a number.
    rejected_log_records: serde_json::Value,
    error_message: String,
}

impl Collector {
    pub(super) fn new(target: HttpTarget, format: Format) -> Result<Self, TargetError> {
        Ok(Self { receiver: Receiver::new(target)?, format })
    }

    pub(super) async fn send(&mut self, batch: &[Item]) -> Result<(), Refusal> {
        let (body, content_type) = if self.format == Format::OtlpProtobuf {
            let records = batch.iter().map(|item| item.content.as_slice());
            (otlp_request(records), "application/x-protobuf")
        } else {
            (joined(batch, OTLP_JSON_OPEN, ",", OTLP_JSON_CLOSE), "application/json")
        };
        let body = Bytes::from(body);
        let question = Question { path: "/v1/logs".to_owned(), content_type, headers: Vec::new(), body };
        let answer = self.receiver.post(question).await?;
        let rejected = match self.format {
            Format::OtlpProtobuf => rejected_in_protobuf(&answer.body),
            _ => rejected_in_json(&answer.body),
        };
        // Which ones it does not say: the batch is divided until it is known. Those that were taken come twice.
        rejected.map_or(Ok(()), |message| Err(Refusal::Content(message)))
    }
}

fn rejected_in_json(body: &[u8]) -> Option<String> {
    let partial = serde_json::from_slice::<Answer>(body).ok()?.partial_success;
    let count = match &partial.rejected_log_records {
        serde_json::Value::String(digits) => digits.parse().unwrap_or(0),
        number => number.as_u64().unwrap_or(0),
    };
    (count > 0).then(|| format!("{count} rejected: {}", partial.error_message))
}

/// `ExportLogsServiceResponse { 1: partial_success { 1: rejected_log_records, 2: error_message } }`
fn rejected_in_protobuf(body: &[u8]) -> Option<String> {
    let partial = fields(body).find_map(|(number, value)| match (number, value) {
        (1, Wire::Bytes(bytes)) => Some(bytes),
        _ => None,
    })?;
    let (mut count, mut message) = (0, String::new());
    for (number, value) in fields(partial) {
        match (number, value) {
            (1, Wire::Number(rejected)) => count = rejected,
            (2, Wire::Bytes(text)) => message = super::http::excerpt(text),
            _ => {}
        }
    }
    (count > 0).then(|| format!("{count} rejected: {message}"))
}

enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Skipped,
}

/// The fields of a message, up to the first that cannot be read.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = (u64, Wire<'_>)> {
    std::iter::from_fn(move || {
        let tag = varint(&mut bytes)?;
        let value = match tag & 7 {
            0 => Wire::Number(varint(&mut bytes)?),
            1 => skip(&mut bytes, 8)?,
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (value, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Wire::Bytes(value)
            }
            5 => skip(&mut bytes, 4)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    })
}

fn skip<'a>(bytes: &mut &'a [u8], length: usize) -> Option<Wire<'a>> {
    *bytes = bytes.get(length..)?;
    Some(Wire::Skipped)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_success_is_seen_in_both_encodings() {
        let said = "2 rejected: too old";
        let json = br#"{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}"#;
        assert_eq!(rejected_in_json(json).as_deref(), Some(said));
        let json = br#"{"partialSuccess":{"rejectedLogRecords":2,"errorMessage":"too old"}}"#;
        assert_eq!(rejected_in_json(json).as_deref(), Some(said));
        let protobuf = b"\x0a\x0b\x08\x02\x12\x07too old";
        assert_eq!(rejected_in_protobuf(protobuf).as_deref(), Some(said));
        for whole in [&b"{}"[..], b"", br#"{"partialSuccess":{}}"#, b"\x0a\x00"] {
            assert_eq!((rejected_in_json(whole), rejected_in_protobuf(whole)), (None, None));
        }
        for end in 0..protobuf.len() {
            let _no_panic = rejected_in_protobuf(&protobuf[..end]);
        }
    }
}
