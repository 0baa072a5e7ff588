//! Whether a log is evidence: what was signed, and signed as far as it should be. One answer for `verify`, `query --prove` and
//! `report`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use audit::checkpoint::{Note, VerifyingKey};
use audit::log::{self, LogError};
use audit::verify::{self, Elsewhere, Unproven, Verified, VerifyError, Writer};
use manager::audit_log::copies;
use manager::audit_settings::{AuditSettings, SigningSettings};
use manager::failure::Failure;
use manager::layout::Layout;
use manager::rundir;
use wire::id::SandboxId;

use super::{bad_log, keys};
use crate::arguments::Evidence;

/// What logs are held to.
pub(super) struct Judge {
    keys: Vec<VerifyingKey>,
    pub(super) notes: Vec<Note>,
    signing: SigningSettings,
    /// Whether a log that is whole suffices.
    accepts_unsigned: bool,
    running: Vec<SandboxId>,
    /// The directory of all logs here.
    logs: PathBuf,
    /// Whether somebody named the keys.
    are_named: bool,
}

/// How a log is found to be.
pub(super) enum Verdict {
    /// Whole, and signed as far as it should be.
    Proven(Verified),
    /// Whole; anybody who can write it may have made it.
    Unproven(Verified, Unproven),
    /// Not what was signed.
    Broken(VerifyError),
}

impl Judge {
    pub(super) fn new(evidence: &Evidence, layout: &Layout) -> Result<Self, Failure> {
        let signing = AuditSettings::load(layout)?.signing;
        Ok(Self {
            keys: keys::named(&evidence.keys, layout)?,
            notes: Vec::new(),
            accepts_unsigned: evidence.unsigned || !signing.enabled,
            signing,
            running: rundir::running(layout),
            logs: layout.audit(),
            are_named: !evidence.keys.keys.is_empty(),
        })
    }

    /// What a log is. A failure: it cannot be told.
    pub(super) fn judge(&self, log: &Path) -> Result<Verdict, Failure> {
        let copies = copies(log, &self.signing).collect();
        let elsewhere = Elsewhere { notes: self.notes.clone(), copies };
        let has_notes = || verify::newest_note(log).is_ok_and(|note| note.is_some());
        if self.keys.is_empty() && (!self.notes.is_empty() || has_notes()) {
            return Err(Failure::new("no key is known here", "name the key of whoever signed with --key"));
        }
        match verify::verify(log, &self.keys, &elsewhere) {
            Ok(verified) if verified.summary.records == 0 => Err(Failure::new(
                format_args!(
                    "{} holds no record: it is no log, or one of a start that failed",
                    log.display()
                ),
                "openshell audit ls lists the logs that there are",
            )),
            Ok(verified) => Ok(match (self.other(log, &verified), self.unproven(log, &verified)) {
                (Some(other), _) => Verdict::Broken(VerifyError::Other(other)),
                (None, Some(unproven)) => Verdict::Unproven(verified, unproven),
                (None, None) => Verdict::Proven(verified),
            }),
            // What is wrong with the log itself is an answer; that it could not be read is none.
            Err(VerifyError::Log(error @ (LogError::Open(_) | LogError::Read { .. }))) if error.passes() => {
                Err(bad_log(&error))
            }
            Err(error @ VerifyError::Read(..)) if !is_damage(&error) => Err(bad_log(&error)),
            Err(error) => Ok(Verdict::Broken(error)),
        }
    }

    /// Whose log lies there, if it is not the one of whom it is called after: it was put in its place.
    fn other(&self, log: &Path, verified: &Verified) -> Option<SandboxId> {
        let there = |path: &Path| path.canonicalize().ok();
        let is_stored = log.parent().is_some_and(|parent| there(parent) == there(&self.logs));
        let named = log.file_name().and_then(log::sandbox).filter(|_named| is_stored)?;
        verified.sandbox.clone().filter(|sandbox| sandbox.as_str() != named)
    }

    /// The key that signed the newest checkpoint in the log's own file: its name, and which of that name.
    pub(super) fn signer(&self, log: &Path) -> Option<String> {
        let note = verify::newest_note(log).ok().flatten()?;
        let key = self.keys.iter().find(|key| note.checkpoint(key).is_ok())?;
        let whose = if self.are_named { "" } else { ", one of this machine's list" };
        Some(format!("{}+{:08x}{whose}", key.name(), u32::from_be_bytes(key.id())))
    }

    /// A copy that knows more is evidence against the log, whatever the user accepts.
    fn unproven(&self, log: &Path, verified: &Verified) -> Option<Unproven> {
        verified.missing().or_else(|| if self.accepts_unsigned { None } else { self.waived(log, verified) })
    }

    /// Why a log is not proven, whatever the user accepts.
    pub(super) fn waived(&self, log: &Path, verified: &Verified) -> Option<Unproven> {
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let interval = Duration::from_secs(self.signing.interval.0.into());
        let writer = match self.running.iter().any(|id| id.as_str() == name) {
            true => Writer::Writes { interval },
            false => Writer::Gone,
        };
        verified.unproven(writer, SystemTime::now())
    }
}

/// Whether what lies beside a log was damaged, and could be read.
fn is_damage(error: &VerifyError) -> bool {
    matches!(error, VerifyError::Read(_, source) if source.kind() == io::ErrorKind::InvalidData)
}

/// What is to be done about a log that is not proven.
pub(super) fn remedy(unproven: &Unproven) -> &'static str {
    match unproven {
        Unproven::Unsigned(_) => {
            "name checkpoints that were kept elsewhere with --checkpoint, accept that nothing is proven with --unsigned, or let `openshell audit recover` sign what a crash left"
        }
        Unproven::End { .. } => {
            "name a newer checkpoint with --checkpoint; if a crash left it so, `openshell audit recover` signs its end, and says so in it"
        }
        Unproven::NoEnd => {
            "a checkpoint that was kept elsewhere (--checkpoint) shows whether it was cut back; `openshell audit recover NAME` closes the log of a sandbox that was killed, and says so in it"
        }
        Unproven::Missing { .. } => "the log's own checkpoints were cut: keep the copy, it is evidence",
    }
}
