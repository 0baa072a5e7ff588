//! Performs confinement, on the host and in the guest.
