//! The audit record, its hash chain, its writer and its readers.
//!
//! ```text
//! client (manager, proxy, router)          openshell-audit              reader (command line)
//!   Event ── client::{Blocking, Tokio} ──►  writer: stamp, chain,  ──►   log::{read, verify}
//!        ◄── Receipt {sequence, hash} ────  append, acknowledge
//! ```
//! A client may act only after its receipt came: the record is in the log before the action goes on.
//! Every failure is an error at the client, and the caller refuses the action.
//!
//! *Invariants:* an [`Event`] has no field for a secret (of a query only the keys are kept); a client
//! cannot choose the name, the time or the number of its records; a record is never changed or dropped.

pub mod chain;
pub mod checkpoint;
pub mod client;
pub mod log;
pub mod pattern;
pub mod policies;
pub mod record;
pub mod text;
pub mod tree;
pub mod verify;
pub mod writer;

mod protocol;
mod spin;
mod time;

pub use chain::ChainHash;
pub use client::Appended;
pub use protocol::{MAX_EVENT, Receipt};
pub use record::{
    Action, Configuration, Decision, Detection, Edition, Event, Inference, Lifecycle, Object, Origin, Owner,
    Phase, PolicyChange, Proposal, Record, Response, Severity, Subject, Terms, VERSION,
};
