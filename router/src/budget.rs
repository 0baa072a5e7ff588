//! What the sandbox may spend with the servers of a zone: calls in a minute, tokens in a day and in its life.
//!
//! How many tokens a call takes is known when its answer has ended. Until then it counts for what it may come to by its own words, so
//! that calls at the same time cannot go over together what none of them would alone.
//! *Invariant:* what was sent and not accounted for by its server, to the end, counts as that estimate at least.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use wire::router::{Limits, ZoneLimits};

use crate::decide::Zone;
use crate::json::Node;
use crate::observe::Observed;
use crate::wire_api::{Call, Endpoint};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: u64 = 24 * 60 * 60;

/// Bytes of a body for which one token of the prompt is counted, until its server has counted: token ids take no fewer.
const BYTES_A_TOKEN: u64 = 2;

/// Tokens of an answer whose call names no bound.
const ANSWER: u64 = 16_384;

/// The members that bound an answer, and those that ask for several.
const BOUNDS: [&str; 3] = ["max_tokens", "max_completion_tokens", "max_output_tokens"];
const TIMES: [&str; 2] = ["n", "best_of"];

/// The accounts of both zones.
#[derive(Debug)]
pub struct Budgets {
    local: Arc<Account>,
    cloud: Arc<Account>,
}

#[derive(Debug)]
struct Account {
    zone: Zone,
    limits: Limits,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// When the calls of the last minute went out.
    calls: VecDeque<Instant>,
    /// Tokens in the sandbox's life, and on `day`.
    spent: u64,
    day: u64,
    spent_today: u64,
    /// What calls that are under way may come to.
    reserved: u64,
}

/// A limit would be passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// Of calls.
    #[error("{limit} {} calls in a minute are allowed; the next one may go out in {wait} s", .zone.as_str())]
    Calls {
        /// Whose servers.
        zone: Zone,
        /// Calls in a minute.
        limit: u32,
        /// Seconds until the next one may go out.
        wait: u64,
    },
    /// Of tokens.
    #[error("of {limit} {} tokens {} {left} are left, and the call may take {asked}", .zone.as_str(), .span.as_str())]
    Tokens {
        /// Whose servers.
        zone: Zone,
        /// Tokens in that span.
        limit: u64,
        /// Which.
        span: Span,
        /// How many may still be spent; those of calls under way are not among them.
        left: u64,
        /// What the call may come to.
        asked: u64,
        /// When there may be more.
        more: More,
    },
}

/// What a limit of tokens is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// A day of the host's clock.
    Day,
    /// The sandbox's life.
    Life,
}

/// When a call may pass that does not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// When others that are under way have taken less than they may.
    WithOthers,
    /// With the next day, in so many seconds.
    Tomorrow(u64),
    /// Never in this sandbox.
    Never,
}

/// What a call may come to, by its own words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    prompt: u64,
    answer: u64,
}

/// A call's place in its account. Until it is sent, dropping it gives everything back but the call's place in the minute.
#[derive(Debug)]
pub struct Charge {
    account: Arc<Account>,
    estimate: Estimate,
    /// What stays spent when this is dropped.
    due: u64,
}

impl Budgets {
    /// Nothing is spent yet.
    #[must_use]
    pub fn new(limits: &ZoneLimits) -> Self {
        let account = |zone, limits: &Limits| {
            Arc::new(Account { zone, limits: limits.clone(), counts: Mutex::default() })
        };
        Self { local: account(Zone::Local, &limits.local), cloud: account(Zone::Cloud, &limits.cloud) }
    }

    /// Counts a call that goes to a zone.
    ///
    /// # Errors
    /// It would pass a limit; nothing was counted.
    pub fn charge(&self, zone: Zone, estimate: Estimate) -> Result<Charge, Spent> {
        let account = match zone {
            Zone::Local => &self.local,
            Zone::Cloud => &self.cloud,
        };
        account.charge(estimate, Instant::now(), now())?;
        Ok(Charge { account: Arc::clone(account), estimate, due: 0 })
    }
}

impl Account {
    fn charge(&self, estimate: Estimate, now: Instant, seconds: u64) -> Result<(), Spent> {
        let (zone, asked) = (self.zone, estimate.whole());
        let mut counts = self.counts();
        counts.turn(seconds / DAY);
        let spans = [
            (self.limits.tokens_per_day, counts.spent_today, Span::Day, More::Tomorrow(DAY - seconds % DAY)),
            (self.limits.tokens, counts.spent, Span::Life, More::Never),
        ];
        for (limit, spent, span, more) in spans {
            let Some(limit) = limit else { continue };
            let unspent = limit.saturating_sub(spent);
            let left = unspent.saturating_sub(counts.reserved);
            if asked > left {
                let more = if asked <= unspent { More::WithOthers } else { more };
                return Err(Spent::Tokens { zone, limit, span, left, asked, more });
            }
        }
        if let Some(limit) = self.limits.requests_per_minute {
            counts.calls.retain(|sent| now.saturating_duration_since(*sent) < MINUTE);
            if counts.calls.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
                let oldest = counts.calls.front().copied().unwrap_or(now);
                let wait = (oldest + MINUTE).saturating_duration_since(now).as_secs() + 1;
                return Err(Spent::Calls { zone, limit, wait });
            }
            counts.calls.push_back(now);
        }
        counts.reserved = counts.reserved.saturating_add(asked);
        Ok(())
    }

    fn settle(&self, reserved: u64, due: u64, seconds: u64) {
        let mut counts = self.counts();
        counts.turn(seconds / DAY);
        counts.reserved = counts.reserved.saturating_sub(reserved);
        counts.spent = counts.spent.saturating_add(due);
        counts.spent_today = counts.spent_today.saturating_add(due);
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// A clock that is set back begins no new day, and that day's end does.
    fn turn(&mut self, day: u64) {
        if day > self.day {
            self.spent_today = 0;
        }
        self.day = day;
    }
}

impl Span {
    fn as_str(self) -> &'static str {
        match self {
            Self::Day => "in a day",
            Self::Life => "in all",
        }
    }
}

impl Estimate {
    /// Of what takes no tokens.
    pub const NOTHING: Self = Self { prompt: 0, answer: 0 };

    /// Of a call whose body has so many bytes. A server that does not count tokens is asked for an answer of one.
    #[must_use]
    pub fn of(call: &Call, bytes: usize, counts: bool) -> Self {
        let prompt = u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(BYTES_A_TOKEN);
        match call.endpoint() {
            Endpoint::CountTokens if counts => Self::NOTHING,
            Endpoint::CountTokens => Self { prompt, answer: 1 },
            Endpoint::Embeddings => Self { prompt, answer: 0 },
            Endpoint::Completions => Self { prompt, answer: answer(call).saturating_mul(prompts(call)) },
            _ => Self { prompt, answer: answer(call) },
        }
    }

    fn whole(self) -> u64 {
        self.prompt.saturating_add(self.answer)
    }
}

impl Charge {
    /// The call is about to be sent: from here on it counts.
    pub fn sent(&mut self) {
        self.due = self.estimate.whole();
    }

    /// The server took no call, or answered with a failure: it takes nothing for that.
    pub fn nothing(&mut self) {
        self.due = 0;
    }

    /// The answer has ended as its server ended it, or another way.
    pub fn answered(&mut self, observed: &Observed, is_complete: bool) {
        let Estimate { prompt, answer } = self.estimate;
        // What nobody counted is what it may be, or more if more came: a stream has a token in each event.
        let uncounted = if answer == 0 { 0 } else { answer.max(observed.events) };
        let said = observed.tokens_out.filter(|_said| is_complete);
        let answered = said.unwrap_or_else(|| uncounted.max(observed.tokens_out.unwrap_or_default()));
        self.due = observed.tokens_in.unwrap_or(prompt).saturating_add(answered);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.settle(self.estimate.whole(), self.due, now());
    }
}

/// Tokens of all answers to one prompt. A bound that is no whole number means something else to each server.
fn answer(call: &Call) -> u64 {
    let most = |names: &[&str]| {
        let named = names.iter().filter_map(|name| call.body().get(name)).filter(|node| **node != Node::Null);
        named.map(|node| node.as_whole_number().unwrap_or(u64::MAX)).max()
    };
    most(&BOUNDS).unwrap_or(ANSWER).saturating_mul(most(&TIMES).unwrap_or(1).max(1))
}

/// Prompts of one call: texts, or lists of token ids.
fn prompts(call: &Call) -> u64 {
    let listed = call.body().get("prompt").map(Node::elements).unwrap_or_default();
    let is_one = listed.iter().all(|element| matches!(element, Node::Number(_)));
    if is_one { 1 } else { u64::try_from(listed.len()).unwrap_or(u64::MAX) }
}

/// Seconds since 1970, by the host's clock.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
