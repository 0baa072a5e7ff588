//! Policy: schema, composition, compilation, evaluation, lints.
//!
//! ```text
//! text ──yaml──► Document ──compose──► Document ──Policy::compile──► Policy ──decide──► Allow(Permit) | Deny(Denial)
//!                   ├─────Document::confinement──► wire::confinement::Confinement
//!                   └─────Document::open_ports───► inbound::OpenPort
//! ```
//! [`canonical`] is the one reading of what a client asked for: what the proxy judges, and what the tools explain.
//!
//! A document has two halves. The *static* half (filesystem, process, inbound) becomes a
//! [`wire::confinement::Confinement`], which the guest performs once, and the [`inbound::OpenPort`]s that the host
//! opens once. The *dynamic* half (network)
//! becomes a [`Policy`], which stays on the host and decides every request.
//!
//! *Invariants:* nothing in this crate reads a file, the environment, or a clock but the one that ends a Rego module
//! (the time that a rule is judged by is given); what cannot be
//! understood is an error and never an allowance; a [`Permit`] can be made by [`Policy::decide`] only.

pub mod binding;
pub mod canonical;
pub mod compose;
pub mod confinement;
pub mod decision;
pub mod diff;
pub mod document;
pub mod embedded;
pub mod explain;
pub mod import;
pub mod inbound;
pub mod learn;
pub mod lint;
pub mod outline;
pub mod place;
pub mod proposal;
pub mod rego;
pub mod show;
pub mod table;
pub mod translate;
pub mod yaml;

mod answer;
mod compile;
mod condition;
mod download;
mod evaluate;
mod guard;
mod index;
mod judgement;
mod message;
mod parameter;
mod pattern;
mod quantity;
mod rule;
mod validity;
mod witness;

pub use compose::{FileText, Files, NoFiles, compose};
pub use condition::{Headers, NoHeaders};
pub use decision::{Decision, Denial, DestinationDecision, Level, NameDecision, Permit};
pub use document::Document;
pub use download::{Inside, Kind, Package, Registry, Scan, Seen};
pub use evaluate::{Asked, Destination, Policy, Request};
pub use guard::{AnswerRules, Answered, Foreign};
pub use judgement::{Age, DownloadRules, Judgement, Objection};
pub use message::{Enough, Message, Unread, Unreadable};
pub use quantity::span as seconds;
pub use rule::RateLimits;
pub use validity::Timestamp;
pub use yaml::{LoadError, LoadErrors};
