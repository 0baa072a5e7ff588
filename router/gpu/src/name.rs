//! What a GPU is called: by itself, and by where it is plugged in. Both outlive the indices of a moment.

use std::fmt;

use serde::Serialize;

/// A GPU's own name for itself, which outlives every start: `GPU-…`, or `MIG-…` of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Uuid(pub String);

/// Where a GPU is plugged in, as Linux writes it in `/sys/bus/pci/devices`: `0000:3b:00.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct PciAddress(pub String);

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
