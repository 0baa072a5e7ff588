//! Whether work may be given to a GPU. Only a GPU that says nothing bad of itself is usable; one that cannot be asked
//! is not.

use std::fmt;

use serde::ser::SerializeStruct as _;
use serde::{Serialize, Serializer};

use crate::ecc::{Ecc, RowRemapping};
use crate::xid::Xid;

/// How a GPU stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// Work may be given to it.
    Usable,
    /// What runs on it may end; it gets nothing new.
    Draining(Vec<Reason>),
    /// The driver cannot reach it any more.
    Lost,
    /// The driver did not answer a question about its health, for this reason: it gets nothing.
    Unreadable(String),
}

/// Why a GPU gets nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// So many errors that could not be corrected, since the driver was loaded.
    Uncorrectable(u64),
    /// A row of memory is to be replaced at the next reset.
    RemapPending,
    /// A row of memory could not be replaced.
    RemapFailed,
    /// The driver refuses it work until it is reset.
    ResetRequired,
    /// The driver told of an error after which a GPU is not to be trusted.
    Xid(Xid),
}

/// What a GPU and its driver said about errors.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    /// It fell off the bus.
    pub(crate) lost: bool,
    /// The driver wants a reset.
    pub(crate) reset_required: bool,
    /// Why the first question about errors was not answered.
    pub(crate) unanswered: Option<String>,
    /// The errors that the driver told of.
    pub(crate) xids: Vec<Xid>,
}

impl Signs {
    /// The judgement. The worst state wins; reasons are told in the order of their weight.
    pub(crate) fn health(&self, ecc: Option<Ecc>, rows: Option<RowRemapping>) -> Health {
        if self.lost {
            return Health::Lost;
        }
        let errors = ecc.and_then(|ecc| ecc.volatile_uncorrectable).filter(|count| *count > 0);
        let is = |flag: Option<Option<bool>>| flag.flatten() == Some(true);
        let reasons: Vec<Reason> = [
            is(rows.map(|rows| rows.failed)).then_some(Reason::RemapFailed),
            is(rows.map(|rows| rows.pending)).then_some(Reason::RemapPending),
            errors.map(Reason::Uncorrectable),
            self.reset_required.then_some(Reason::ResetRequired),
        ]
        .into_iter()
        .flatten()
        .chain(self.xids.iter().copied().filter(|xid| xid.drains()).map(Reason::Xid))
        .collect();
        match &self.unanswered {
            _ if !reasons.is_empty() => Health::Draining(reasons),
            Some(cause) => Health::Unreadable(cause.clone()),
            None => Health::Usable,
        }
    }
}

impl Health {
    /// What to do about it, in one line; None if nothing is to be done.
    #[must_use]
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Usable => None,
            Self::Draining(reasons) => reasons.first().map(|reason| reason.remedy()),
            Self::Lost => {
                Some("restart the host; look for 'Xid 79' in its kernel log, at the GPU's seat and its power")
            }
            Self::Unreadable(_) => Some(
                "look for NVRM in the kernel log; who runs this needs read and write access to /dev/nvidia*",
            ),
        }
    }

    /// The state in one word.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Draining(_) => "draining",
            Self::Lost => "lost",
            Self::Unreadable(_) => "unreadable",
        }
    }

    /// Each thing that is wrong, in words.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Usable => Vec::new(),
            Self::Draining(reasons) => reasons.iter().map(ToString::to_string).collect(),
            Self::Lost => vec!["the driver cannot reach it".to_owned()],
            Self::Unreadable(cause) => vec![cause.clone()],
        }
    }
}

impl Reason {
    /// What to do about it, in one line.
    fn remedy(self) -> &'static str {
        match self {
            Self::RemapFailed => "replace the GPU: it has no spare memory left where it is broken",
            Self::RemapPending => "end what runs on the GPU and reset it: the broken row is replaced then",
            Self::Uncorrectable(_) | Self::ResetRequired | Self::Xid(_) => {
                "end what runs on the GPU and reset it, or restart the host; replace it if this comes again"
            }
        }
    }
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())?;
        match self.reasons().as_slice() {
            [] => Ok(()),
            reasons => write!(f, ": {}", reasons.join(", ")),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uncorrectable(1) => f.write_str("1 uncorrectable memory error"),
            Self::Uncorrectable(count) => write!(f, "{count} uncorrectable memory errors"),
            Self::RemapPending => f.write_str("a row of memory is to be replaced at the next reset"),
            Self::RemapFailed => f.write_str("a row of memory could not be replaced"),
            Self::ResetRequired => f.write_str("the driver asks for a reset"),
            Self::Xid(xid) => write!(f, "{xid}"),
        }
    }
}

impl Serialize for Health {
    /// `{"state": …, "reasons": […], "remedy": …}`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Health", 3)?;
        object.serialize_field("state", self.word())?;
        object.serialize_field("reasons", &self.reasons())?;
        object.serialize_field("remedy", &self.remedy())?;
        object.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Ecc = Ecc {
        enabled: Some(true),
        enabled_after_reboot: Some(true),
        volatile_uncorrectable: Some(0),
        aggregate_uncorrectable: Some(7),
    };

    fn rows(pending: bool, failed: bool) -> Option<RowRemapping> {
        let (pending, failed) = (Some(pending), Some(failed));
        Some(RowRemapping { correctable_rows: Some(3), uncorrectable_rows: Some(1), pending, failed })
    }

    #[test]
    fn past_errors_and_what_is_not_told_drain_nothing() {
        assert_eq!(Signs::default().health(Some(GOOD), rows(false, false)), Health::Usable);
        assert_eq!(Signs::default().health(None, None), Health::Usable);
        let told = Signs { xids: vec![Xid(13), Xid(43), Xid(7)], ..Signs::default() };
        assert_eq!(told.health(Some(GOOD), None), Health::Usable);
    }

    #[test]
    fn every_sign_drains_and_all_are_told() {
        let told = Signs { reset_required: true, xids: vec![Xid(31), Xid(94)], ..Signs::default() };
        let bad = Ecc { volatile_uncorrectable: Some(2), ..GOOD };
        let health = told.health(Some(bad), rows(true, true));
        let Health::Draining(reasons) = &health else { panic!("{health}") };
        assert_eq!(
            reasons,
            &[
                Reason::RemapFailed,
                Reason::RemapPending,
                Reason::Uncorrectable(2),
                Reason::ResetRequired,
                Reason::Xid(Xid(94))
            ]
        );
        assert!(health.remedy().is_some_and(|remedy| remedy.starts_with("replace the GPU")), "{health}");
    }

    #[test]
    fn what_cannot_be_asked_gets_no_work_and_what_is_lost_is_lost() {
        let silent = || Signs { unanswered: Some("timeout".to_owned()), ..Signs::default() };
        assert_eq!(silent().health(Some(GOOD), None), Health::Unreadable("timeout".to_owned()));
        assert_eq!(silent().health(None, rows(true, false)), Health::Draining(vec![Reason::RemapPending]));
        assert_eq!(Signs { lost: true, ..silent() }.health(None, rows(true, false)), Health::Lost);
    }
}
