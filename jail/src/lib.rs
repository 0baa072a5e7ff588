//! Performs confinement, on the host and in the guest.
//!
//! [`host::enter`] jails one of our own processes before it meets its first foreign byte;
//! [`guest::Plan`] leads to the agent's command inside the confinement that its policy compiled to.
//! This crate decides nothing: what is granted comes in as data, and every step that fails is an error,
//! never a weaker jail that goes unreported.

pub mod guest;
pub mod host;

pub use jail_layers::settings;
