//! Log records of OpenTelemetry (`opentelemetry/proto/logs/v1`), as JSON and as protobuf.
//!
//! The messages are small and do not change any more (version 1): they are written by hand, so that no compiler of
//! protobuf is needed. Numbers of fields stand beside the places where they are written.

use audit::{Record, Severity};
use serde_json::{Value as Json, json as object};

use super::fields::{Value, fields};
use super::summary::{message, micros, severity};

/// What stands before the records of a request in JSON. Between them stands a comma.
pub const JSON_OPEN: &str = concat!(
    r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"openshell"}}]},"#,
    r#""scopeLogs":[{"scope":{"name":"openshell.audit","version":""#,
    env!("CARGO_PKG_VERSION"),
    r#""},"logRecords":["#
);

/// What stands after them.
pub const JSON_CLOSE: &str = "]}]}]}";

/// One record, as JSON: whole numbers of 64 bits are texts there.
pub(super) fn json(record: &Record) -> Json {
    let time = (micros(record) * 1000).to_string();
    let attributes: Vec<Json> = fields(record)
        .iter()
        .map(|(names, value)| object!({"key": names.otel, "value": json_value(value)}))
        .collect();
    object!({
        "timeUnixNano": time,
        "observedTimeUnixNano": time,
        "severityNumber": number(severity(record)),
        "severityText": text(severity(record)),
        "body": {"stringValue": message(record)},
        "attributes": attributes,
        "eventName": event_name(record),
    })
}

fn json_value(value: &Value<'_>) -> Json {
    match value {
        Value::Text(text) => object!({"stringValue": text}),
        Value::Number(number) => object!({"intValue": number.to_string()}),
        Value::List(texts) => {
            let values: Vec<Json> = texts.iter().map(|text| object!({"stringValue": text})).collect();
            object!({"arrayValue": {"values": values}})
        }
    }
}

fn event_name(record: &Record) -> String {
    format!("openshell.{}", record.event.action.as_str())
}

fn number(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 9,
        Severity::Low => 10,
        Severity::Medium => 13,
        Severity::High => 17,
        Severity::Critical => 21,
    }
}

fn text(severity: Severity) -> &'static str {
    match severity {
        Severity::Informational => "INFO",
        Severity::Low => "INFO2",
        Severity::Medium => "WARN",
        Severity::High => "ERROR",
        Severity::Critical => "FATAL",
    }
}

/// One `LogRecord`.
pub(super) fn protobuf(record: &Record, out: &mut Vec<u8>) {
    let mut message = Message(out);
    let time = u64::try_from(micros(record)).unwrap_or(0) * 1000;
    message.fixed64(1, time);
    message.varint(2, u64::from(number(severity(record))));
    message.bytes(3, text(severity(record)).as_bytes());
    message.message(5, |body| body.bytes(1, self::message(record).as_bytes()));
    for (names, value) in fields(record) {
        message.message(6, |attribute| {
            attribute.bytes(1, names.otel.as_bytes());
            attribute.message(2, |any| any_value(any, &value));
        });
    }
    message.fixed64(11, time);
    message.bytes(12, event_name(record).as_bytes());
}

/// An `ExportLogsServiceRequest` around records.
#[must_use]
pub fn request<'a>(records: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    Message(&mut out).message(1, |resource_logs| {
        resource_logs.message(1, |resource| {
            resource.message(1, |attribute| {
                attribute.bytes(1, b"service.name");
                attribute.message(2, |any| any.bytes(1, b"openshell"));
            });
        });
        resource_logs.message(2, |scope_logs| {
            scope_logs.message(1, |scope| {
                scope.bytes(1, b"openshell.audit");
                scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            records.into_iter().for_each(|record| scope_logs.bytes(2, record));
        });
    });
    out
}

fn any_value(any: &mut Message<'_>, value: &Value<'_>) {
    match value {
        Value::Text(text) => any.bytes(1, text.as_bytes()),
        Value::Number(number) => any.varint(3, *number),
        Value::List(texts) => any.message(5, |array| {
            texts.iter().for_each(|text| array.message(1, |any| any.bytes(1, text.as_bytes())));
        }),
    }
}

/// Writes a message of protobuf.
struct Message<'a>(&'a mut Vec<u8>);

impl Message<'_> {
    fn tag(&mut self, field: u8, kind: u8) {
        self.raw_varint(u64::from(field) << 3 | u64::from(kind));
    }

    fn raw_varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn varint(&mut self, field: u8, number: u64) {
        self.tag(field, 0);
        self.raw_varint(number);
    }

    fn fixed64(&mut self, field: u8, number: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, field: u8, bytes: &[u8]) {
        self.tag(field, 2);
        self.raw_varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u8, write: impl FnOnce(&mut Message<'_>)) {
        let mut inner = Vec::new();
        write(&mut Message(&mut inner));
        self.bytes(field, &inner);
    }
}
