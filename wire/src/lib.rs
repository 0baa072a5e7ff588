//! The vocabulary between processes: ids, units, frames, confinement as data, versions.
//!
//! Everything that one process of openshell vm says to another is a type of this crate, and this crate
//! holds nothing else: no I/O beyond reading and writing a frame, no policy, no behaviour. Types that
//! cross the guest boundary ([`control`], [`flow`], [`name`], [`inbound`]) are encoded with postcard inside
//! length-prefixed [`frame`]s, because guest-init must stay small; types between host processes
//! ([`machine`], [`mount`], [`proxy`], [`proposal`], [`router`], [`rules`], [`scanner`], [`serving`], [`audit`], [`operator`]) are JSON, because people debug them.
//!
//! *Invariant:* a change of a type's encoding changes [`VERSION`] and the golden files in `tests/golden`.

pub mod audit;
pub mod catalogue;
pub mod confinement;
pub mod control;
pub mod copy;
pub mod credential;
pub mod flow;
pub mod frame;
pub mod id;
pub mod inbound;
pub mod inference;
pub mod machine;
pub mod mount;
pub mod name;
pub mod operator;
pub mod proposal;
pub mod proxy;
pub mod region;
pub mod router;
pub mod rules;
pub mod scanner;
pub mod secret;
pub mod serving;
pub mod spawn;
pub mod subject;
pub mod vault;
pub mod vsock;

/// Version of every encoding in this crate but [`operator`], which has its own. Both ends of a channel come from one build; the number is
/// checked in the first message so that a mixed installation fails with a reason.
pub const VERSION: u32 = 18;
