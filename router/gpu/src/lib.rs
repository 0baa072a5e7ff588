//! The GPUs of this host and how they stand, as NVIDIA's management library (NVML) tells it. The library is opened at
//! run time: a host without it is a host without GPUs, which is no fault ([`Error::Absent`]).
//!
//! [`Library::open`] → [`Library::inventory`], as often as wanted; [`Library::events`] tells of what no later question
//! would find, the driver's errors (Xids). Nothing here changes a GPU, and nothing is read from what other programs
//! print. What the driver or the GPU does not tell is `None`, and never a guess.
//!
//! Free memory is the driver's figure of that moment: what a server that is still loading will take is in it.

#![forbid(unsafe_code)]

mod ecc;
mod error;
mod events;
mod health;
mod inventory;
mod library;
mod name;
mod questions;
mod xid;

pub use ecc::{Ecc, RowRemapping};
pub use error::Error;
pub use events::{Arrived, Events};
pub use health::{Health, Reason};
pub use inventory::{Device, Inventory, Memory, Mig, MigInstance, Process, Throttle, Utilisation};
pub use library::Library;
pub use name::{PciAddress, Uuid};
pub use xid::{Xid, Xids};
