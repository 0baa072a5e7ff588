//! What an agent posts: strict JSON, exactly one request.

use std::ops::RangeInclusive;

use policies::proposal::{Candidate, Unfit};
use serde::Deserialize;
use wire::proposal::{MAX_REASON, Wish};

/// Longest body, in bytes.
pub(crate) const LONGEST: usize = 4096;

/// Seconds for which an answer may be waited for.
const EXPIRY: RangeInclusive<u32> = 1..=7 * 24 * 3600;

/// A proposal, as it is posted.
#[derive(Debug)]
pub(crate) struct Posted {
    pub(crate) candidate: Candidate,
    pub(crate) reason: String,
    /// Seconds.
    pub(crate) expiry: u32,
}

/// The fields of its JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    binary: String,
    host: String,
    port: u16,
    method: String,
    path: String,
    #[serde(default)]
    query: Vec<String>,
    reason: String,
    expiry: u32,
}

/// Why a body is no proposal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    /// It is no JSON of this form.
    #[error("the body is no proposal")]
    Form(#[from] serde_json::Error),
    /// It is more or less than one request.
    #[error("the proposal is not one exact request")]
    Unfit(#[from] Unfit),
    /// Nobody could judge it.
    #[error("'reason' has 1 to {MAX_REASON} bytes")]
    Reason,
    /// Too short or too long.
    #[error("'expiry' is a number of seconds, from {} to {}", EXPIRY.start(), EXPIRY.end())]
    Expiry,
}

impl Posted {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, PostError> {
        let Fields { binary, host, port, method, path, query, reason, expiry } =
            serde_json::from_slice(body)?;
        let candidate = Candidate::new(Wish { binary, host, port, method, path, query })?;
        if reason.trim().is_empty() || reason.len() > MAX_REASON {
            return Err(PostError::Reason);
        }
        if !EXPIRY.contains(&expiry) {
            return Err(PostError::Expiry);
        }
        Ok(Self { candidate, reason, expiry })
    }
}
