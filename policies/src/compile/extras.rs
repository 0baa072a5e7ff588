//! What a rule may say beside its four levels: conditions, a span of time, limits.

use super::Compiler;
use crate::condition::{Conditions, HeaderConditions, QueryConditions};
use crate::document::{HeaderLists, Query, RuleEntry, RuleLimits};
use crate::pattern::pair::PairPattern;
use crate::pattern::{PatternError, Side};
use crate::place::At;
use crate::quantity;
use crate::rule::RateLimits;
use crate::validity::{Timestamp, Validity};

/// What `requests_per_minute` may be; whoever counts keeps the time of each.
const REQUESTS: std::ops::RangeInclusive<u32> = 1..=60_000;

impl Compiler<'_> {
    pub(super) fn conditions(&mut self, entry: &RuleEntry) -> Option<Conditions> {
        let query = entry.query.as_ref().map_or_else(|| Some(QueryConditions::default()), |q| self.query(q));
        let headers =
            entry.headers.as_ref().map_or_else(|| Some(HeaderConditions::default()), |h| self.headers(h));
        Some(Conditions { query: query?, headers: headers? })
    }

    fn query(&mut self, At { value, place }: &At<Query>) -> Option<QueryConditions> {
        if value.allow.is_empty() && value.deny.is_empty() && value.max_length.is_none() {
            let remedy = "list parameters under 'query.allow' or 'query.deny', write 'max_length: 0' for no query at all, or remove it";
            self.refuse(*place, "query", "the condition asks for nothing", remedy);
            return None;
        }
        let allow = self.pairs("query.allow", &value.allow, |text| PairPattern::query(text, Side::Allow));
        let deny = self.pairs("query.deny", &value.deny, |text| PairPattern::query(text, Side::Deny));
        let max_length = value.max_length.as_ref().map(|length| length.value as usize);
        let allow = allow.map(|list| (!list.is_empty()).then_some(list));
        Some(QueryConditions { allow: allow?, deny: deny?, max_length })
    }

    fn headers(&mut self, At { value, place }: &At<HeaderLists>) -> Option<HeaderConditions> {
        if value.require.is_empty() && value.deny.is_empty() {
            let remedy = "list fields under 'headers.require' or 'headers.deny', or remove it";
            self.refuse(*place, "headers", "the condition asks for nothing", remedy);
            return None;
        }
        let require =
            self.pairs("headers.require", &value.require, |text| PairPattern::field(text, Side::Allow));
        let deny = self.pairs("headers.deny", &value.deny, |text| PairPattern::field(text, Side::Deny));
        Some(HeaderConditions { require: require?, deny: deny? })
    }

    fn pairs(
        &mut self,
        key: &str,
        entries: &[At<String>],
        parse: impl Fn(&str) -> Result<PairPattern, PatternError>,
    ) -> Option<Vec<PairPattern>> {
        let read = |entry: &At<String>| self.checked(key, entry, |text| parse(text));
        entries.iter().map(read).collect::<Vec<_>>().into_iter().collect()
    }

    pub(super) fn validity(&mut self, entry: &RuleEntry) -> Option<Validity> {
        let from = self.time("from", entry.from.as_ref());
        let until = self.time("until", entry.until.as_ref());
        let (from, until) = (from?, until?);
        if let (Some(from), Some(until), Some(place)) = (from, until, &entry.until)
            && until <= from
        {
            let reason = "the rule is never in force: 'until' is not after 'from'";
            self.refuse(place.place, "until", reason, "write a later time");
            return None;
        }
        Some(Validity { from, until })
    }

    /// `None` is a mistake, `Some(None)` is a time that is not written.
    fn time(&mut self, key: &str, written: Option<&At<String>>) -> Option<Option<Timestamp>> {
        let Some(written) = written else { return Some(None) };
        self.checked(key, written, Timestamp::parse).map(Some)
    }

    pub(super) fn limits(&mut self, entry: &RuleEntry) -> Option<RateLimits> {
        let Some(At { value, place }) = &entry.limits else { return Some(RateLimits::default()) };
        let RuleLimits { requests, requests_per_minute, bytes_per_day } = value;
        if requests.is_none() && requests_per_minute.is_none() && bytes_per_day.is_none() {
            let remedy = "write 'requests', 'requests_per_minute' or 'bytes_per_day', or remove it";
            self.refuse(*place, "limits", "the limits limit nothing", remedy);
            return None;
        }
        if let Some(At { value, place }) =
            requests_per_minute.as_ref().filter(|most| !REQUESTS.contains(&most.value))
        {
            let reason = format!("{value} requests per minute is out of range");
            let remedy = format!("write a number from {} to {}", REQUESTS.start(), REQUESTS.end());
            self.refuse(*place, "limits.requests_per_minute", reason, remedy);
            return None;
        }
        if let Some(At { place, .. }) = requests.as_ref().filter(|most| most.value == 0) {
            let reason = "a rule that allows no request allows nothing";
            self.refuse(*place, "limits.requests", reason, "write a positive number, or remove the rule");
            return None;
        }
        let bytes = match bytes_per_day {
            Some(written) => Some(self.checked("limits.bytes_per_day", written, bytes)?),
            None => None,
        };
        let requests_per_minute = requests_per_minute.as_ref().map(|requests| requests.value);
        let requests = requests.as_ref().map(|requests| requests.value);
        Some(RateLimits { requests, requests_per_minute, bytes_per_day: bytes })
    }

    /// Parses one text, and reports it at its place if it is wrong.
    pub(super) fn checked<T>(
        &mut self,
        key: &str,
        At { value, place }: &At<String>,
        parse: impl FnOnce(&str) -> Result<T, PatternError>,
    ) -> Option<T> {
        parse(value).map_err(|error| self.refuse(*place, key, error.reason, error.remedy)).ok()
    }
}

/// A positive whole number and its unit, in bytes.
fn bytes(text: &str) -> Result<u64, PatternError> {
    quantity::size(text).filter(|bytes| *bytes > 0).ok_or_else(|| {
        let reason = format!("'{text}' is not a size");
        PatternError::new(reason, "write a whole number and KiB, MiB, GiB or TiB, for example 10MiB")
    })
}
