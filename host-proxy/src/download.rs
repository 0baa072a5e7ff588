//! What a body is, told from its bytes alone: its [`kind`], and whether there is a program [`inside`] an archive.
//!
//! Names, fields and endings of URLs say what somebody calls it; none of them is looked at.
//!
//! *Invariant:* whoever looks has a bound on what it unpacks, how deep, and how much of it is in memory at once. What goes
//! over a bound, and what has more than one reading, is not said to be harmless: it cannot be looked into.

mod ar;
#[cfg(test)]
mod disguises;
mod gzip;
mod inside;
mod kind;
mod source;
mod spool;
mod tar;
#[cfg(test)]
mod tests;
mod zip;
mod zstd;

pub(crate) use inside::look;
pub(crate) use kind::{BEGINNING, kind_of};
pub(crate) use spool::Spool;
