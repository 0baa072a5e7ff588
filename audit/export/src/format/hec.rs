//! An event of Splunk's HTTP Event Collector: our record, or an event of another JSON format, in its envelope.

use audit::Record;
use serde::Serialize;

use super::Format;
use super::summary::micros;

#[derive(Serialize)]
struct Envelope<'a> {
    host: &'a str,
    source: &'static str,
    sourcetype: &'static str,
    /// Indexed beside the event.
    fields: Fields<'a>,
}

#[derive(Serialize)]
struct Fields<'a> {
    sandbox: &'a str,
    tenant: &'a str,
    sequence: u64,
    hash: String,
}

pub(super) fn event(record: &Record, inner: Format, out: &mut Vec<u8>) {
    let micros = micros(record).max(0);
    let time = format!("{{\"time\":{}.{:06},\"event\":", micros / 1_000_000, micros % 1_000_000);
    out.extend_from_slice(time.as_bytes());
    inner.render(record, out);
    let rest = out.len();
    let envelope = Envelope {
        host: record.sandbox.as_str(),
        source: "openshell-audit",
        sourcetype: source_type(inner),
        fields: Fields {
            sandbox: record.sandbox.as_str(),
            tenant: record.tenant.as_str(),
            sequence: record.sequence,
            hash: record.hash.to_string(),
        },
    };
    super::json(&envelope, out);
    // The envelope goes on where the event ended: its opening brace becomes the comma.
    out[rest] = b',';
}

fn source_type(format: Format) -> &'static str {
    match format {
        Format::Ocsf => "ocsf:openshell",
        Format::Ecs => "ecs:openshell",
        _ => "openshell:audit",
    }
}
