//! Counts what the sandbox does by each rule that has limits: a request counts for every such rule that allows it,
//! whichever rule it goes out by.
//!
//! Of the last request that a rule has, the manager is told when it is over: whatever became of it, nothing goes on by the
//! rule any more.
//!
//! Requests are counted over the minute that ends now: never more than the limit in any minute, wherever it
//! starts. Bytes are those of both bodies, in a day of the host's clock (UTC); a body that would go over is
//! broken off at the piece that does. Counts outlive a change of the policy: they belong to the rule's name.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use policies::{Permit, RateLimits, Timestamp};
use wire::proxy::ProxyEvent;

use crate::tell::Teller;

const MINUTE: Duration = Duration::from_secs(60);
const DAY: i64 = 24 * 60 * 60;

/// The counts of all rules.
#[derive(Debug)]
pub struct Quotas {
    accounts: Mutex<HashMap<Box<str>, Account>>,
    teller: Teller,
}

/// What one request may still send and receive.
#[derive(Clone, Debug)]
pub struct Budget {
    quotas: Arc<Quotas>,
    /// The rules that count its bytes, and how many each has in a day.
    limits: Vec<(Box<str>, u64)>,
    /// Of the rules of which this is the last request.
    last: Vec<Arc<Last>>,
}

/// The last request of a rule goes on. Told when it is over.
#[derive(Debug)]
struct Last {
    rule: Box<str>,
    teller: Teller,
}

/// A request that is one too many for a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// The rule's name.
    pub rule: Box<str>,
    /// Its limit.
    pub spent: Spent,
}

/// A limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// Of all requests.
    #[error("the rule allows {limit} requests in all, and they are used up")]
    All {
        /// Requests in the sandbox's life.
        limit: u32,
    },
    /// Of requests.
    #[error("the rule allows {limit} requests in a minute; the next one may go out in {wait} s")]
    Requests {
        /// Requests in a minute.
        limit: u32,
        /// Seconds until the next one may go out.
        wait: u64,
    },
    /// Of bytes.
    #[error("the rule allows {limit} bytes in a day, and they are used up")]
    Bytes {
        /// Bytes in a day.
        limit: u64,
    },
}

/// When a request is counted, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// For spans.
    pub instant: Instant,
    /// For days.
    pub time: Timestamp,
}

#[derive(Debug, Default)]
struct Account {
    /// When the requests of the last minute went out.
    requests: VecDeque<Instant>,
    /// How many ever did.
    all: u32,
    day: i64,
    bytes: u64,
}

impl Quotas {
    /// Nothing is counted yet; who has used up a rule is told to `teller`.
    #[must_use]
    pub fn new(teller: Teller) -> Self {
        Self { accounts: Mutex::default(), teller }
    }

    /// Counts one request for every rule whose limits the permit names.
    ///
    /// # Errors
    /// A limit of one is reached; nothing was counted, for none.
    pub fn request(self: &Arc<Self>, permit: &Permit, now: Moment) -> Result<Budget, Exceeded> {
        self.count(permit.limits().collect(), now)
    }

    fn count(self: &Arc<Self>, limits: Vec<(&str, RateLimits)>, now: Moment) -> Result<Budget, Exceeded> {
        let mut budget = Budget { quotas: Arc::clone(self), limits: Vec::new(), last: Vec::new() };
        if limits.is_empty() {
            return Ok(budget);
        }
        let mut accounts = self.accounts();
        for (rule, limits) in &limits {
            let account = accounts.entry((*rule).into()).or_default();
            account.has_room(*limits, now).map_err(|spent| Exceeded { rule: (*rule).into(), spent })?;
        }
        for (rule, RateLimits { requests, requests_per_minute, bytes_per_day }) in limits {
            let account = accounts.entry(rule.into()).or_default();
            if requests_per_minute.is_some() {
                account.requests.push_back(now.instant);
            }
            account.all = account.all.saturating_add(1);
            if requests == Some(account.all) {
                budget.last.push(Arc::new(Last { rule: rule.into(), teller: self.teller.clone() }));
            }
            budget.limits.extend(bytes_per_day.map(|bytes| (rule.into(), bytes)));
        }
        Ok(budget)
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<Box<str>, Account>> {
        // Counts are whole after every statement: a panic elsewhere leaves nothing half done.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Budget {
    /// Counts bytes of a body before they go on.
    ///
    /// # Errors
    /// They would go over a limit, and must not go on. They are counted all the same, so that the rule's
    /// next request finds the limit reached.
    pub fn spend(&self, bytes: usize, now: Timestamp) -> Result<(), Spent> {
        if self.limits.is_empty() {
            return Ok(());
        }
        let mut accounts = self.quotas.accounts();
        let mut over = None;
        for (rule, limit) in &self.limits {
            let account = accounts.entry(rule.clone()).or_default();
            account.enter(now);
            account.bytes = account.bytes.saturating_add(bytes as u64);
            over = over.or((account.bytes > *limit).then_some(Spent::Bytes { limit: *limit }));
        }
        over.map_or(Ok(()), Err)
    }
}

impl Drop for Last {
    fn drop(&mut self) {
        self.teller.tell(ProxyEvent::RuleSpent { rule: self.rule.to_string() });
    }
}

impl Account {
    /// Whether one more request keeps within the limits.
    fn has_room(&mut self, limits: RateLimits, now: Moment) -> Result<(), Spent> {
        self.enter(now.time);
        if let Some(limit) = limits.requests.filter(|limit| self.all >= *limit) {
            return Err(Spent::All { limit });
        }
        if let Some(limit) = limits.bytes_per_day.filter(|limit| self.bytes >= *limit) {
            return Err(Spent::Bytes { limit });
        }
        let Some(limit) = limits.requests_per_minute else { return Ok(()) };
        let past = |first: &Instant| now.instant.saturating_duration_since(*first) >= MINUTE;
        while self.requests.front().is_some_and(past) {
            self.requests.pop_front();
        }
        if self.requests.len() < limit as usize {
            return Ok(());
        }
        let first = self.requests.front().copied().unwrap_or(now.instant);
        let wait = MINUTE.saturating_sub(now.instant.saturating_duration_since(first));
        Err(Spent::Requests { limit, wait: wait.as_secs() + 1 })
    }

    /// Starts the day's count anew on a new day.
    fn enter(&mut self, now: Timestamp) {
        let day = now.0.div_euclid(DAY);
        if day != self.day {
            (self.day, self.bytes) = (day, 0);
        }
    }
}
