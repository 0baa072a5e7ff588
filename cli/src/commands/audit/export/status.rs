//! How far each export is with each log.

use audit_export::cursor::State;
use audit_export::status::Status;
use manager::audit_settings::AuditSettings;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use crate::commands::{NO, print_json};

/// Exit code 1 if a receiver or a log stands in the way of an export.
pub(super) fn status(layout: &Layout, json: bool) -> Result<u8, Failure> {
    let settings = AuditSettings::load(layout)?;
    let mut all = Vec::new();
    for (name, export) in &settings.exports.0 {
        let (only, state) = (super::configured::only(export), super::state(layout, name));
        let found = audit_export::status::status(name, &only, (&state, &layout.audit()));
        all.extend(found.map_err(|error| {
            let remedy = "move a damaged cursor away: its export begins again from the start of the log";
            Failure::new(chain(&error), remedy)
        })?);
    }
    if json {
        print_json(&all)?;
    } else {
        print(&all, settings.exports.0.is_empty());
    }
    Ok(if all.iter().any(|status| status.trouble.is_some()) { NO } else { 0 })
}

fn print(all: &[Status], is_unconfigured: bool) {
    if is_unconfigured {
        println!("audit.yaml has no exports");
        return;
    }
    println!(
        "{:<16} {:<32} {:>10} {:>10} {:>8} {:>6} {:>8} {:>8}",
        "EXPORT", "SANDBOX", "SEQUENCE", "DELIVERED", "REFUSED", "LOST", "WAITING", "BEHIND"
    );
    for status in all {
        println!(
            "{:<16} {:<32} {:>10} {:>10} {:>8} {:>6} {:>8} {:>7}s",
            status.export,
            status.sandbox,
            status.sequence,
            status.delivered,
            status.rejected,
            status.lost,
            status.lag_records,
            status.lag_seconds
        );
        if let Some(trouble) = &status.trouble {
            let state = match trouble.state {
                State::Retrying => format!("tried {} times", trouble.attempts),
                State::Halted => "HALTED".to_owned(),
            };
            println!("  {state}: {}", audit_export::format::printable(&trouble.cause));
        }
    }
}
