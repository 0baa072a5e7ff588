//! The formats: each is a pure function from a record to bytes.
//!
//! A text of a record may hold anything. Every format escapes it as it demands, so that no text ends its field or
//! its line, and each result has a bound ([`MAX_LINE`], [`MAX_RENDERED`]).

mod cef;
mod ecs;
mod fields;
mod hec;
mod leef;
mod line;
mod ocsf;
mod otlp;
mod summary;
mod syslog;
#[cfg(test)]
mod tests;
mod text;

use audit::Record;
use audit_watch::FeedEvent;

pub use audit::text::{ascii_controls, printable};
pub use summary::micros;
pub use syslog::{Facility, header as syslog_header, message as syslog_message};

/// Longest line of the text formats (CEF, LEEF, syslog), in bytes: what rsyslog takes as it is installed.
pub const MAX_LINE: usize = 8000;

/// Longest result of any format, in bytes: a record has at most 256 KiB, and no format says anything thrice.
pub const MAX_RENDERED: usize = 1024 * 1024;

/// How a record is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Our own record, as it stands in the log.
    Json,
    /// An event of the Open Cybersecurity Schema Framework, [`ocsf::VERSION`](OCSF_VERSION).
    Ocsf,
    /// A document of Elastic's Common Schema.
    Ecs,
    /// ArcSight's Common Event Format, version 0.
    Cef,
    /// QRadar's Log Event Extended Format, version 2.0.
    Leef,
    /// A message of RFC 5424 with structured data.
    Syslog,
    /// A log record of OpenTelemetry, as JSON.
    OtlpJson,
    /// The same as protobuf; only its own receiver takes it.
    OtlpProtobuf,
    /// An event of Splunk's HTTP Event Collector around our own record.
    SplunkHec,
    /// A line of the live feed, which says what side of the agent it is about.
    Feed,
}

/// Version of the schema that [`Format::Ocsf`] follows.
pub const OCSF_VERSION: &str = ocsf::VERSION;

impl Format {
    /// Every format that is text, by the name a user gives it.
    pub const BY_NAME: [(&'static str, Self); 9] = [
        ("json", Self::Json),
        ("ocsf", Self::Ocsf),
        ("ecs", Self::Ecs),
        ("cef", Self::Cef),
        ("leef", Self::Leef),
        ("syslog", Self::Syslog),
        ("otlp", Self::OtlpJson),
        ("splunk-hec", Self::SplunkHec),
        ("feed", Self::Feed),
    ];

    /// The format with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::BY_NAME.iter().find(|(known, _format)| *known == name).map(|(_name, format)| *format)
    }

    /// Whether a result is one JSON object.
    #[must_use]
    pub fn is_json(self) -> bool {
        match self {
            Self::Json | Self::Ocsf | Self::Ecs | Self::OtlpJson | Self::SplunkHec | Self::Feed => true,
            Self::Cef | Self::Leef | Self::Syslog | Self::OtlpProtobuf => false,
        }
    }

    /// Adds the record to `out`: one line without its end, or for [`Format::OtlpProtobuf`] one message.
    pub fn render(self, record: &Record, out: &mut Vec<u8>) {
        match self {
            // As in the log, byte for byte: its hash can be checked wherever it is.
            Self::Json => serde_json::to_writer(out, record).expect(SERIALISES),
            Self::Ocsf => json(&ocsf::event(record), out),
            Self::Ecs => json(&ecs::document(record), out),
            Self::Cef => out.extend_from_slice(cef::line(record).as_bytes()),
            Self::Leef => out.extend_from_slice(leef::line(record).as_bytes()),
            Self::Syslog => out.extend_from_slice(syslog::message(record, Facility::default()).as_bytes()),
            Self::OtlpJson => json(&otlp::json(record), out),
            Self::OtlpProtobuf => otlp::protobuf(record, out),
            Self::SplunkHec => hec::event(record, Self::Json, out),
            Self::Feed => json(&FeedEvent::from(record.clone()), out),
        }
    }
}

/// Wraps records of a JSON format for Splunk's HTTP Event Collector.
pub fn splunk_event(record: &Record, inner: Format, out: &mut Vec<u8>) {
    hec::event(record, inner, out);
}

/// What stands around the records of one request of OpenTelemetry's, before and after.
pub use otlp::{JSON_CLOSE as OTLP_JSON_CLOSE, JSON_OPEN as OTLP_JSON_OPEN, request as otlp_request};

const SERIALISES: &str = "texts and numbers under text keys always serialise";

fn json(value: &impl serde::Serialize, out: &mut Vec<u8>) {
    let text = serde_json::to_string(value).expect(SERIALISES);
    ascii_controls(&text, out);
}
