//! What `verify --json` says of one log.

use std::path::Path;

use audit::verify::Verified;
use manager::failure::{Failure, chain};
use serde::Serialize;

use super::super::evidence::{Judge, Verdict, remedy};

/// One log. What does not apply is left out.
#[derive(Default, Serialize)]
pub(super) struct Answer {
    /// Path of the log; `None`: it is not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    sandbox: Option<String>,
    /// `proven`, `not-proven`, `not-intact`, `no-answer`; `accepted` where it is not proven, and the operator asks for no more; of a
    /// log that is not there `removed` or `gone`.
    verdict: &'static str,
    /// Why it is not proven, or not there, and what is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
    #[serde(flatten)]
    whole: Option<Whole>,
    /// What witnesses and time stamps say, in lines for people.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<String>,
}

/// Of a log whose chain is unbroken.
#[derive(Serialize)]
struct Whole {
    /// Numbers of the first and the last record that are kept.
    first: u64,
    records: u64,
    last_hash: String,
    /// How many, and how many records the newest covers; the tree's root there, and which key signed it.
    checkpoints: usize,
    covered: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Records that speak of a repair, and the last of them.
    repairs: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    repaired_at: Option<u64>,
    /// The first record that is dated before the one before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    dated_back_at: Option<u64>,
}

impl Answer {
    pub(super) fn of(log: &Path, verdict: &Verdict, judge: &Judge) -> Self {
        let answer = Self { log: Some(log.display().to_string()), ..Self::default() };
        match verdict {
            Verdict::Proven(verified) => {
                let waived = judge.waived(log, verified);
                let verdict = if waived.is_some() { "accepted" } else { "proven" };
                Self { verdict, why: waived.map(|unproven| unproven.to_string()), ..answer }
                    .with(Whole::new(log, verified, judge), verified)
            }
            Verdict::Unproven(verified, unproven) => {
                let (why, remedy) = (Some(unproven.to_string()), Some(remedy(unproven).to_owned()));
                Self { verdict: "not-proven", why, remedy, ..answer }
                    .with(Whole::new(log, verified, judge), verified)
            }
            Verdict::Broken(error) => Self { verdict: "not-intact", why: Some(chain(error)), ..answer },
        }
    }

    /// With what witnesses and time stamps say; one of them may say no.
    pub(super) fn with_others(self, others: Vec<String>, they_refuse: bool) -> Self {
        if !they_refuse {
            return Self { others, ..self };
        }
        Self { verdict: "not-proven", why: others.last().cloned(), others, ..self }
    }

    /// Whether it is what was signed cannot be told.
    pub(super) fn none(log: &Path, failure: &Failure) -> Self {
        Self {
            log: Some(log.display().to_string()),
            verdict: "no-answer",
            why: Some(failure.cause.clone()),
            remedy: Some(failure.remedy.clone()),
            ..Self::default()
        }
    }

    /// It is not there.
    pub(super) fn absent(sandbox: String, verdict: &'static str, why: String) -> Self {
        Self { sandbox: Some(sandbox), verdict, why: Some(why), ..Self::default() }
    }

    fn with(self, whole: Whole, verified: &Verified) -> Self {
        let sandbox = verified.sandbox.as_ref().map(|sandbox| sandbox.as_str().to_owned());
        Self { sandbox, whole: Some(whole), ..self }
    }
}

impl Whole {
    fn new(log: &Path, verified: &Verified, judge: &Judge) -> Self {
        let Verified { summary, newest, .. } = verified;
        Self {
            first: summary.first,
            records: summary.records,
            last_hash: summary.last_hash.to_string(),
            checkpoints: verified.checkpoints,
            covered: newest.as_ref().map_or(0, |newest| newest.size),
            root: newest.as_ref().map(|newest| newest.root.to_string()),
            key: judge.signer(log),
            repairs: summary.repairs,
            repaired_at: summary.repaired_at,
            dated_back_at: summary.back_at,
        }
    }
}
