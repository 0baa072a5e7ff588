//! The detections, each in a file of its own.

mod binaries;
mod denials;
mod downloads;
mod names;
mod single;
#[cfg(test)]
mod tests;
mod volume;

use audit::record::Owner;
use audit::{Record, Subject};

pub(crate) use binaries::Binaries;
pub(crate) use denials::Denials;
pub(crate) use downloads::Downloads;
pub(crate) use names::Names;
pub(crate) use single::{credential_misuse, injected, out_of_hours};
pub(crate) use volume::Volume;

/// The programs behind a record, as the guest claims them.
fn owners(record: &Record) -> &[Owner] {
    match &record.event.subject {
        Some(Subject::Owners(owners)) => owners,
        Some(Subject::Unknown(_)) | None => &[],
    }
}

/// What one program is called in a reason.
fn program(record: &Record) -> &str {
    owners(record)
        .first()
        .map_or("an unknown program", |owner| owner.script.as_ref().unwrap_or(&owner.binary))
}
