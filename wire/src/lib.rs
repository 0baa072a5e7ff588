//! The vocabulary between processes: ids, units, frames, confinement as data, versions.
