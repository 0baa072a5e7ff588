//! `openshell audit export`: once, as a service, or how far it is.

mod configured;
mod destination;
mod follow;
mod once;
mod since;
mod status;

pub(super) use configured::{export as configured, http_target};

use std::path::PathBuf;

use manager::failure::Failure;
use manager::layout::Layout;

use crate::arguments::Export;

pub(super) fn run(export: &Export, layout: &Layout) -> Result<u8, Failure> {
    if export.follow {
        follow::follow(layout)
    } else if export.status {
        status::status(layout, export.json)
    } else {
        once::once(export, layout)
    }
}

/// The directory of an export's cursors.
fn state(layout: &Layout, name: &str) -> PathBuf {
    layout.state.join(manager::audit_log::EXPORTS).join(name)
}

/// The logs of the user's sandboxes.
fn logs(layout: &Layout) -> Result<Vec<audit_export::logs::Log>, Failure> {
    audit_export::logs::list(&layout.audit()).map_err(|error| {
        Failure::new(
            format_args!("cannot list the logs in {}: {error}", layout.audit().display()),
            "make the directory readable for you",
        )
    })
}

/// What drives the network of one export.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        Failure::new(format_args!("cannot set up the network: {error}"), "check the limit on open files")
    })
}
