//! Where free pages go: back to the host's kernel.

use super::request::Report;

/// Gives the pages of a report back.
pub fn release(report: Report<'_>) {
    // Pages that the host's kernel does not take stay the guest's, with what was in them: nobody is worse off than
    // without the device.
    let _kept = report.pages.discard();
}
