//! The proxy, one process per sandbox: the only way out of a microVM, and the only way in.
//!
//! Reading path: [`listener`] (the life of a connection) → [`conversation`] (requests in turn or side by side) → [`judge`] (decided and
//! recorded) → [`dial`] (to a checked address) → [`upstream`] (forwarded as a value). Beside it: [`names`] (what the
//! guest's DNS hears), [`authority`] (the certificates it trusts), [`canonical`] (what a request *is*), [`commands`] (the
//! manager replaces the policy that is [`in_force`], and the [`credentials`]), [`inbound`] (what comes from outside to the agent's open ports),
//! [`policy_local`] (what the agent reads and proposes), `download` (what a body is, and what is in it), [`scanner`] (who else is asked), [`ending`] (what is under way when the sandbox ends).
//!
//! *Invariants:* every request is decided and recorded before a byte of it leaves; nothing is dialled without a
//! permit but the operator's scanners; what is forwarded is written anew from the value that was judged, and the credentials
//! that are bound to it; what a new policy does not allow ends
//! before the new policy is confirmed; every failure means less access.

#![forbid(unsafe_code)]

pub mod accept;
mod arriving;
pub mod authority;
pub mod commands;
pub mod conversation;
pub mod credentials;
pub mod dial;
mod digest;
mod download;
pub mod ending;
pub mod fields;
pub mod flow;
pub mod http1;
pub mod http2;
pub mod in_force;
pub mod inbound;
pub mod journal;
pub mod judge;
pub mod listener;
pub mod model_hosts;
pub mod names;
pub mod policy_local;
pub mod proxy;
pub mod quota;
pub mod refusal;
pub mod scanner;
pub mod sniff;
pub mod start;
pub mod tell;
pub mod upstream;
pub mod websocket;

mod clock;

/// What a request *is*; it lies beneath, so that the tools explain what is judged here.
pub use policies::canonical;
