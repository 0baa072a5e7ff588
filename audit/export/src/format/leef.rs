//! QRadar's Log Event Extended Format 2.0: `LEEF:2.0|vendor|product|version|id|delimiter|key=value…`.
//!
//! It has no escape within a value. The delimiter is a tab, which [`printable`](audit::text::printable) has made
//! visible in every value before.

use audit::Record;

use super::MAX_LINE;
use super::cef::level;
use super::fields::fields;
use super::line::{Line, flat};
use super::summary::{message, micros, severity};

pub(super) fn line(record: &Record) -> String {
    let head = format!(
        "LEEF:2.0|openshell|vm|{}|{}|x09|devTime={}\tsev={}",
        env!("CARGO_PKG_VERSION"),
        record.event.action.as_str(),
        // Milliseconds since 1970: what is read where no devTimeFormat is given.
        micros(record) / 1000,
        level(severity(record)),
    );
    let mut line = Line::new(head, MAX_LINE, "\ttruncated=true");
    for (names, value) in fields(record) {
        line.add(&format!("\t{}={}", names.leef, flat(&value)));
    }
    line.add(&format!("\tmsg={}", message(record)));
    line.finish()
}
