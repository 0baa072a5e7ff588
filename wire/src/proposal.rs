//! What an agent proposes at [`HOST`]: one request that it wants to be allowed, and why. Nothing is granted by asking.

use serde::{Deserialize, Serialize};

use crate::id::RequestId;

/// The name under which the proxy itself answers the agent, in plain HTTP on [`PORT`]. It leads nowhere else.
pub const HOST: &str = "policy.local";

/// The only port of [`HOST`].
pub const PORT: u16 = 80;

/// Longest reason, in bytes.
pub const MAX_REASON: usize = 500;

/// Longest name of who asks, in bytes.
pub const MAX_ASKER: usize = 512;

/// Most proposals of one sandbox that are kept, answered or not.
pub const MAX_KEPT: usize = 32;

/// What is wished for: exactly this, no wildcard.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The program's path in the guest.
    pub binary: String,
    /// Name or address, in canonical form.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// HTTP method, or `WEBSOCKET`.
    pub method: String,
    /// Canonical path, without a query.
    pub path: String,
    /// Keys of the parameters that the query may hold. Without any, the request has no query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<String>,
}

/// A wish, who has it, and why. What stands here never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The request that brought it.
    pub id: RequestId,
    /// The programs that held the request's socket, at most [`MAX_ASKER`] bytes: a claim of the guest, but not of whoever asks.
    pub asker: String,
    /// What is wished for.
    pub wish: Wish,
    /// Why, in the agent's words: at most [`MAX_REASON`] bytes, anything may stand in it.
    pub reason: String,
    /// When it was made: seconds since 1970.
    pub made: i64,
    /// From when on nobody needs an answer any more: seconds since 1970.
    pub expires: i64,
}

/// How long an approval holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Terms {
    /// For one request.
    Once,
    /// Until this time: seconds since 1970.
    Until(i64),
    /// To the sandbox's end.
    Sandbox,
}

/// How a proposal stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Standing {
    /// Nobody has answered.
    #[default]
    Pending,
    /// It is allowed.
    Approved(Terms),
    /// It is not, and why.
    Rejected(String),
    /// It was allowed and is no more, and why.
    Over(String),
}

impl Proposal {
    /// Whether it waits for an answer at `now`, in seconds since 1970.
    #[must_use]
    pub fn is_open(&self, standing: &Standing, now: i64) -> bool {
        *standing == Standing::Pending && now < self.expires
    }
}

/// Which of these to forget, the oldest first, if there is no room for another one: what is expired or over, then what was
/// rejected. Nothing that waits or is approved.
#[must_use]
pub fn dispensable<'a>(
    all: impl Iterator<Item = (&'a Proposal, &'a Standing)> + Clone,
    now: i64,
) -> Option<usize> {
    let is_past = |(proposal, standing): (&Proposal, &Standing)| match standing {
        Standing::Pending => !proposal.is_open(standing, now),
        Standing::Over(_) => true,
        Standing::Approved(_) | Standing::Rejected(_) => false,
    };
    let rejected = || all.clone().position(|(_proposal, standing)| matches!(standing, Standing::Rejected(_)));
    all.clone().position(is_past).or_else(rejected)
}
