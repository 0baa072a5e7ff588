//! Audit records for other systems.
//!
//! ```text
//! log ── audit::log ──► Record ── format (pure) ──► bytes ── sink ──► receiver
//!                         ▲                                    │
//!                         └────── delivery: durable cursor ◄───┘ acknowledged
//! ```
//! *Invariants:* a record is formatted only after its place in the chain was checked; a cursor moves only after
//! the receiver took the records before it; what one record holds cannot become a second one at the receiver.

pub mod format;

pub use format::Format;
