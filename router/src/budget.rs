//! What the sandbox may spend with the servers of a zone: calls in a minute, tokens in a day and in its life.
//!
//! How many tokens a call takes is known when its answer has ended. Until then it counts for the most that it may come to, so that
//! calls at the same time cannot go over together what none of them would alone.
//! *Invariant:* what was sent and not accounted for by its server counts as that estimate.

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

/// Bytes of a body for which one token of the prompt is counted, until its server has counted.
const BYTES_A_TOKEN: u64 = 3;

/// Tokens of an answer whose call names no bound.
const ANSWER: u64 = 4096;

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
    #[error("{limit} {zone} calls in a minute are allowed; the next one may go out in {wait} s")]
    Calls {
        /// Whose servers.
        zone: &'static str,
        /// Calls in a minute.
        limit: u32,
        /// Seconds until the next one may go out.
        wait: u64,
    },
    /// Of tokens.
    #[error("of {limit} {zone} tokens {span} {left} are left, and the call may take {asked}")]
    Tokens {
        /// Whose servers.
        zone: &'static str,
        /// Tokens in that span.
        limit: u64,
        /// `in a day` or `in all`.
        span: &'static str,
        /// How many may still be spent; those of calls under way are not among them.
        left: u64,
        /// What the call may come to.
        asked: u64,
        /// Seconds until there are more, if ever.
        wait: Option<u64>,
    },
}

/// The most that a call may come to.
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
        let zone = self.zone.as_str();
        let asked = estimate.prompt.saturating_add(estimate.answer);
        let mut counts = self.counts();
        counts.turn(seconds / DAY);
        let spans = [
            (self.limits.tokens_per_day, counts.spent_today, "in a day", Some(DAY - seconds % DAY)),
            (self.limits.tokens, counts.spent, "in all", None),
        ];
        for (limit, spent, span, wait) in spans {
            let Some(limit) = limit else { continue };
            let left = limit.saturating_sub(spent).saturating_sub(counts.reserved);
            if asked > left {
                return Err(Spent::Tokens { zone, limit, span, left, asked, wait });
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
    /// A clock that is set back begins no new day.
    fn turn(&mut self, day: u64) {
        if day > self.day {
            (self.day, self.spent_today) = (day, 0);
        }
    }
}

impl Estimate {
    /// Of a call whose body has so many bytes.
    #[must_use]
    pub fn of(call: &Call, bytes: usize) -> Self {
        let prompt = tokens_of(u64::try_from(bytes).unwrap_or(u64::MAX));
        let most = |names: &[&str]| {
            names.iter().filter_map(|name| call.body().get(name).and_then(Node::as_whole_number)).max()
        };
        match call.endpoint() {
            // It is counted, and not answered by the model.
            Endpoint::CountTokens => Self { prompt: 0, answer: 0 },
            Endpoint::Embeddings => Self { prompt, answer: 0 },
            _ => {
                let times = most(&TIMES).unwrap_or(1).max(1);
                Self { prompt, answer: most(&BOUNDS).unwrap_or(ANSWER).saturating_mul(times) }
            }
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

    /// The answer has ended, or its reader has left.
    pub fn answered(&mut self, observed: &Observed) {
        if self.estimate.whole() == 0 {
            return;
        }
        let prompt = observed.tokens_in.unwrap_or(self.estimate.prompt);
        // Who streams without saying how many sends about one token with each event.
        let seen = if observed.events > 0 { observed.events } else { tokens_of(observed.bytes) };
        self.due = prompt.saturating_add(observed.tokens_out.unwrap_or(seen));
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.account.settle(self.estimate.whole(), self.due, now());
    }
}

fn tokens_of(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_A_TOKEN)
}

/// Seconds since 1970, by the host's clock.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: u64 = 20_000 * DAY + DAY / 2;

    fn account(limits: Limits) -> Arc<Account> {
        Arc::new(Account { zone: Zone::Cloud, limits, counts: Mutex::default() })
    }

    fn estimate(body: &str, endpoint: Endpoint) -> Estimate {
        Estimate::of(&Call::read(endpoint, body.as_bytes()).unwrap(), body.len())
    }

    fn charged(account: &Arc<Account>, prompt: u64, answer: u64) -> Result<Charge, Spent> {
        let estimate = Estimate { prompt, answer };
        account.charge(estimate, Instant::now(), now())?;
        Ok(Charge { account: Arc::clone(account), estimate, due: 0 })
    }

    fn observed(tokens: Option<(u64, u64)>, events: u64, bytes: u64) -> Observed {
        let (tokens_in, tokens_out) = tokens.unzip();
        Observed { tokens_in, tokens_out, events, bytes, ..Observed::default() }
    }

    #[test]
    fn calls_are_counted_over_the_minute_that_ends_now() {
        let account = account(Limits { requests_per_minute: Some(2), ..Limits::default() });
        let (start, none) = (Instant::now(), Estimate { prompt: 9, answer: 9 });
        let at = |second| account.charge(none, start + Duration::from_secs(second), NOON);
        assert_eq!((at(0), at(50)), (Ok(()), Ok(())));
        assert_eq!(at(55), Err(Spent::Calls { zone: "cloud", limit: 2, wait: 6 }));
        assert_eq!(at(61), Ok(()));
        assert!(at(62).is_err());
    }

    #[test]
    fn calls_under_way_cannot_go_over_together() {
        let account = account(Limits { tokens: Some(100), ..Limits::default() });
        let mut first = charged(&account, 10, 50).unwrap();
        first.sent();
        let over =
            Spent::Tokens { zone: "cloud", limit: 100, span: "in all", left: 40, asked: 41, wait: None };
        assert_eq!(charged(&account, 40, 1).unwrap_err(), over);
        drop(charged(&account, 40, 0).unwrap());
        first.answered(&observed(Some((10, 5)), 0, 400));
        drop(first);
        assert_eq!(account.counts().spent, 15, "what was not used is given back");
        assert!(charged(&account, 85, 0).is_ok() && charged(&account, 86, 0).is_err());
    }

    #[test]
    fn what_the_server_does_not_count_is_counted_here() {
        let account = account(Limits { tokens: Some(1_000), ..Limits::default() });
        let spent = |then: &dyn Fn(&mut Charge)| {
            let before = account.counts().spent;
            let mut charge = charged(&account, 10, 90).unwrap();
            charge.sent();
            then(&mut charge);
            drop(charge);
            account.counts().spent - before
        };
        assert_eq!(spent(&|_left| {}), 100, "its reader left before there was an answer");
        assert_eq!(spent(&|charge| charge.answered(&observed(None, 7, 2_000))), 17, "a stream");
        assert_eq!(spent(&|charge| charge.answered(&observed(None, 0, 60))), 30, "a document");
        assert_eq!(spent(&Charge::nothing), 0);
    }

    #[test]
    fn a_day_ends_and_a_life_does_not() {
        let account = account(Limits { tokens_per_day: Some(50), tokens: Some(80), ..Limits::default() });
        let today = |prompt, seconds| account.charge(Estimate { prompt, answer: 0 }, Instant::now(), seconds);
        today(50, NOON).unwrap();
        account.settle(50, 50, NOON);
        let Err(Spent::Tokens { wait, left, .. }) = today(1, NOON) else { panic!("it is spent") };
        assert_eq!((wait, left), (Some(DAY / 2), 0));
        assert!(today(1, NOON - 2 * DAY).is_err(), "a clock that is set back gives none");
        assert_eq!(today(30, NOON + DAY), Ok(()));
        account.settle(30, 30, NOON + DAY);
        let Err(Spent::Tokens { span, wait, .. }) = today(1, NOON + DAY) else { panic!("all are spent") };
        assert_eq!((span, wait), ("in all", None));
    }

    #[test]
    fn a_call_may_come_to_what_it_asks_for() {
        let chat = |rest: &str| {
            let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":"hi"}}]{rest}}}"#);
            estimate(&body, Endpoint::ChatCompletions).answer
        };
        assert_eq!(chat(""), ANSWER);
        assert_eq!(chat(r#","max_tokens":5,"max_completion_tokens":8"#), 8, "whichever the server heeds");
        assert_eq!(chat(r#","max_tokens":5,"n":3"#), 15);
        assert_eq!(chat(r#","max_tokens":18446744073709551615,"n":3"#), u64::MAX);
        let body = r#"{"model":"m","input":"x"}"#;
        assert_eq!(estimate(body, Endpoint::Embeddings), Estimate { prompt: 9, answer: 0 });
        let body = r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#;
        assert_eq!(estimate(body, Endpoint::CountTokens).whole(), 0);
    }
}
