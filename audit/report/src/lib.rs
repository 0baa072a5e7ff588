//! Reports over audit logs for auditors.
//!
//! ```text
//! audit::log::Reader ── Record ──► Facts ──► build::document ──► Document ──► markdown │ html │ pdf
//!                                 (bounded)   (what, for whom)   (one model)    (three forms)
//! ```
//! The same records, period and framework give the same bytes: no clock is read.
//!
//! *Invariants:* nothing that the guest wrote can become markup of a form; memory is bounded however many records a period has;
//! a log that does not verify is said to be one at the top of every form; what the log does not show is said as well.

pub mod build;
pub mod document;
pub mod facts;
pub mod framework;
pub mod html;
pub mod markdown;
pub mod pdf;
pub mod period;
mod reach;

mod count;
mod owasp;
#[cfg(test)]
mod tests;
mod uses;

pub use build::Rules;
pub use document::Document;
pub use facts::{Beginning, Beside, Facts, LogFacts, Standing, is_processing};
pub use framework::Framework;
pub use period::Period;
