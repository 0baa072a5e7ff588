//! The privacy router: every model call of every sandbox comes through here and leaves for one of two
//! zones, the operator's own server (*local*) or somebody else's (*cloud*).
//!
//! The life of a call, one module per step:
//!
//! | step | module | yields |
//! |---|---|---|
//! | accept | [`listener`] | a connection of a proxy |
//! | understand | [`wire_api`] | a [`wire_api::Call`]: every member of the body known, or the call is refused |
//! | classify | [`classify`] | [`Findings`](::classify::Findings): categories and counts, never the data |
//! | judge | [`judge`] | what the operator's word makes of that; the call without it, where it is to be redacted |
//! | decide | [`decide`] | a [`decide::Permit`] for one zone, or a refusal |
//! | record | [`trail`] | a [`trail::Cleared`] permit: the record is on disk before a byte leaves |
//! | forward | [`forward`] | the server's answer, streamed |
//! | translate | [`translate`] | Anthropic's API for a local server that speaks OpenAI's |
//! | put back | [`rewrite`] | the answer with the values that were redacted |
//!
//! *Invariant:* [`forward`] takes only a cleared permit, and a permit names exactly one zone. There is no
//! path from a failure (classifier, local server, audit writer) to the cloud: each ends in a refusal.
//!
//! *Invariant:* what is forwarded is written anew from the parsed body that was classified, never copied
//! from what the client sent; no header of the client's is forwarded.

#![forbid(unsafe_code)]

pub mod body;
pub mod budget;
pub mod classify;
pub mod context;
pub mod decide;
pub mod directive;
pub mod forward;
pub mod json;
pub mod judge;
pub mod known;
pub mod listener;
pub mod observe;
pub mod process;
pub mod redact;
pub mod refusal;
pub mod region;
pub mod restore;
pub mod rewrite;
pub mod service;
pub mod sse;
pub mod trail;
pub mod translate;
pub mod upstream;
pub mod wire_api;
