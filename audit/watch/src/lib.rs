//! What the records of a sandbox show while they come: detections, and the feed for endpoint-detection platforms.
//!
//! ```text
//! audit::log::Follow ── Record ──► Detector ──► Finding ──► the manager records it, then responds
//!                          └─────► FeedEvent ──► `audit watch`, a webhook
//! ```
//! Pure: no file, no clock, no thread. The same records give the same findings, because time is taken from them.
//!
//! *Invariants:* what a guest can make many of (hosts, names, programs) is kept up to a bound, and how often one detection
//! can fire is bounded too; a finding is never evidence for another finding.

pub mod detector;
pub mod feed;
pub mod finding;
pub mod settings;

mod detections;
mod recent;
mod seen;

pub use detector::Detector;
pub use feed::{FeedEvent, Surface};
pub use finding::{Confidence, Finding, Kind};
pub use settings::Settings;
