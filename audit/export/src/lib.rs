//! Audit records for other systems.
//!
//! ```text
//! log ── audit::log ──► Record ── format (pure) ──► bytes ── sink ──► receiver
//!                         ▲                                    │
//!                         └────── delivery: durable cursor ◄───┘ acknowledged
//!     └──────────────────► serve: the live feed for clients that keep their place themselves
//! ```
//! *Invariants:* a record is formatted only after its place in the chain was checked; a cursor moves only after
//! the receiver took the records before it; what one record holds cannot become a second one at the receiver.

pub mod authority;
pub mod cursor;
pub mod format;
pub mod logs;
pub mod once;
pub mod secret;
pub mod serve;
pub mod service;
pub mod sink;
pub mod status;

mod backoff;
mod delivery;
mod feed;
mod only;
mod records;
mod rejected;

use std::time::{SystemTime, UNIX_EPOCH};

pub use backoff::Pace;
pub use format::Format;
pub use only::Only;

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
