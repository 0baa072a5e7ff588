//! When a rule is in force.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::pattern::PatternError;

/// Seconds since 1970-01-01T00:00:00Z, as the host's clock shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(pub i64);

/// A span of time. Its first second is in it, its last is not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Validity {
    /// The first second, or since ever.
    pub(crate) from: Option<Timestamp>,
    /// The first second after it, or for ever.
    pub(crate) until: Option<Timestamp>,
}

impl Timestamp {
    /// Reads a time in the form of RFC 3339, if it is one.
    #[must_use]
    pub fn of_rfc3339(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }

    /// Reads a time in the form of RFC 3339: `2026-11-21T15:00:00Z`, or with an offset.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let time = OffsetDateTime::parse(text, &Rfc3339).map_err(|_any| {
            let reason = format!("'{text}' is not a time in the form of RFC 3339");
            PatternError::new(reason, "write date, time and zone, for example 2026-11-21T15:00:00Z")
        })?;
        Ok(Self(time.unix_timestamp()))
    }
}

/// As RFC 3339.
impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = OffsetDateTime::from_unix_timestamp(self.0).ok();
        match time.and_then(|time| time.format(&Rfc3339).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "{} s", self.0),
        }
    }
}

impl Validity {
    /// Whether `now` is in the span.
    pub(crate) fn holds(self, now: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}
