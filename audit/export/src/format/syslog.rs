//! Syslog of RFC 5424 with structured data.
//!
//! ```text
//! <PRI>1 TIME SANDBOX openshell CLIENT ACTION [openshell@32473 name="value" …] BOM message
//! ```
//! In a value `"`, `\` and `]` are escaped. 32473 is the enterprise number that RFC 5612 sets aside for documents:
//! we have none of our own.

use audit::{Record, Severity};

use super::MAX_LINE;
use super::fields::fields;
use super::line::{Line, flat};
use super::summary::{message as words, severity};
use super::text::escaped;

/// What kind of message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Facility(u8);

impl Facility {
    /// The facility with this number, 0 to 23.
    #[must_use]
    pub fn new(number: u8) -> Option<Self> {
        (number <= 23).then_some(Self(number))
    }
}

/// 13: log audit.
impl Default for Facility {
    fn default() -> Self {
        Self(13)
    }
}

/// Room that the message after the structured data always has.
const MESSAGE: usize = 1100;

/// The whole message.
#[must_use]
pub fn message(record: &Record, facility: Facility) -> String {
    let head = format!("{} [openshell@32473", header(record, facility));
    let mut line = Line::new(head, MAX_LINE - MESSAGE, " truncated=\"true\"");
    for (names, value) in fields(record) {
        let mut field = format!(" {}=\"", names.syslog);
        escaped(&flat(&value), &['"', '\\', ']'], &mut field);
        field.push('"');
        line.add(&field);
    }
    format!("{}] \u{feff}{}", line.finish(), words(record))
}

/// What stands before the structured data.
#[must_use]
pub fn header(record: &Record, facility: Facility) -> String {
    let priority = facility.0 * 8 + level(severity(record));
    // A name of a client is a word of ours; a record that was made elsewhere must not break the header.
    let client: String = record.client.chars().filter(char::is_ascii_graphic).take(128).collect();
    let client = if client.is_empty() { "-" } else { &client };
    let time = if is_time(&record.time) { &*record.time } else { "-" };
    format!("<{priority}>1 {time} {} openshell {client} {}", record.sandbox, record.event.action.as_str())
}

fn is_time(text: &str) -> bool {
    text.len() <= 32
        && time::OffsetDateTime::parse(text, &time::format_description::well_known::Rfc3339).is_ok()
}

/// Syslog's severity: the lower, the worse.
fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 6,
        Severity::Low => 5,
        Severity::Medium => 4,
        Severity::High => 3,
        Severity::Critical => 2,
    }
}
