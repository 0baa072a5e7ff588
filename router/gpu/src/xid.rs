//! The driver's errors by their numbers (Xids), and which of them say that a GPU is not to be trusted.

use std::collections::BTreeMap;
use std::fmt;

use crate::name::Uuid;

/// Number of an error of the driver's, as in NVIDIA's "XID Errors".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xid(pub u64);

/// Errors of the hardware or the driver, after which a GPU gets nothing new. All others, as those that a program makes by
/// its own fault (13, 31, 43, 45, 68, 109), end that program and no more.
const DRAINING: [(u64, &str); 13] = [
    (46, "the GPU stopped processing"),
    (48, "uncorrectable memory error"),
    (62, "the GPU's controller halted"),
    (63, "a row of memory is to be replaced"),
    (64, "a row of memory could not be replaced"),
    (74, "NVLink error"),
    (79, "the GPU has fallen off the bus"),
    (92, "many correctable memory errors"),
    (94, "contained memory error"),
    (95, "uncontained memory error"),
    (119, "the GPU's system processor does not answer"),
    (120, "the GPU's system processor failed"),
    // A number that NVML does not name: the error is one all the same.
    (Xid::UNKNOWN.0, "an error without a number"),
];

/// What events have told, for each GPU.
#[derive(Clone, Debug, Default)]
pub struct Xids(BTreeMap<Uuid, Vec<Xid>>);

impl Xid {
    /// NVML's number for an error that it cannot name.
    pub const UNKNOWN: Self = Self(999);

    /// Whether a GPU gets nothing new after it.
    #[must_use]
    pub fn drains(self) -> bool {
        self.meaning().is_some()
    }

    /// What it says, of those that drain.
    fn meaning(self) -> Option<&'static str> {
        DRAINING.iter().find(|(number, _meaning)| *number == self.0).map(|(_number, meaning)| *meaning)
    }
}

impl Xids {
    /// Remembers an error of a GPU.
    pub fn add(&mut self, uuid: Uuid, xid: Xid) {
        let told = self.0.entry(uuid).or_default();
        if !told.contains(&xid) {
            told.push(xid);
        }
    }

    /// Forgets a GPU's errors: it was reset.
    pub fn forget(&mut self, uuid: &Uuid) {
        self.0.remove(uuid);
    }

    /// A GPU's errors, each once, in the order in which they first came.
    #[must_use]
    pub fn of(&self, uuid: &Uuid) -> &[Xid] {
        self.0.get(uuid).map_or(&[], Vec::as_slice)
    }
}

impl fmt::Display for Xid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.meaning() {
            Some(meaning) => write!(f, "Xid {} ({meaning})", self.0),
            None => write!(f, "Xid {}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_programs_drain_nothing_and_faults_of_hardware_do() {
        assert!([13, 31, 43, 45, 68, 109].iter().all(|number| !Xid(*number).drains()));
        let drain = [46, 48, 62, 63, 64, 74, 79, 92, 94, 95, 119, 120, 999];
        assert!(drain.iter().all(|number| Xid(*number).drains()));
    }

    #[test]
    fn errors_are_kept_by_gpu_until_it_is_reset() {
        let (one, other) = (Uuid("GPU-1".to_owned()), Uuid("GPU-2".to_owned()));
        let mut xids = Xids::default();
        for number in [94, 13, 94] {
            xids.add(one.clone(), Xid(number));
        }
        assert_eq!((xids.of(&one), xids.of(&other)), (&[Xid(94), Xid(13)][..], &[][..]));
        xids.forget(&one);
        assert!(xids.of(&one).is_empty());
    }
}
