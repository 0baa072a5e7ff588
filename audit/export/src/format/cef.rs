//! ArcSight's Common Event Format, version 0: `CEF:0|vendor|product|version|id|name|severity|key=value …`.
//!
//! In the header `\` and `|` are escaped, in a value `\` and `=`; line ends never come this far. Keys of its
//! dictionary are used where they mean what we mean, and the others are named as its guide wants a vendor's.

use audit::{Record, Severity};

use super::MAX_LINE;
use super::fields::{CEF_LABELS, fields};
use super::line::{Line, flat};
use super::summary::{message, micros, severity};
use super::text::escaped;

pub(super) fn line(record: &Record) -> String {
    let action = record.event.action.as_str();
    let head = format!(
        "CEF:0|openshell|vm|{}|{action}|{}|{}|rt={}",
        env!("CARGO_PKG_VERSION"),
        action.replace('-', " "),
        level(severity(record)),
        micros(record) / 1000,
    );
    let mut line = Line::new(head, MAX_LINE, " openshellVmTruncated=true");
    for (names, value) in fields(record) {
        let mut field = format!(" {}=", names.cef);
        escaped(&flat(&value), &['\\', '='], &mut field);
        if let Some((key, label)) = CEF_LABELS.iter().find(|(key, _label)| *key == names.cef) {
            field.push_str(&format!(" {key}Label={label}"));
        }
        line.add(&field);
    }
    let mut words = " msg=".to_owned();
    escaped(&message(record), &['\\', '='], &mut words);
    line.add(&words);
    line.finish()
}

/// 0 to 10.
pub(super) fn level(severity: Severity) -> u8 {
    match severity {
        Severity::Informational => 1,
        Severity::Low => 3,
        Severity::Medium => 5,
        Severity::High => 8,
        Severity::Critical => 10,
    }
}
