//! Records of some logs to one destination, once.

use audit_export::Format;
use audit_export::logs::Log;
use audit_export::sink::Sink;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use super::{destination, since};
use crate::arguments::Export;
use crate::commands::NO;

pub(super) fn once(export: &Export, layout: &Layout) -> Result<u8, Failure> {
    let (target, usual) = destination::parse(export)?;
    let format = export.format.as_deref().map_or(Ok(usual), |name| named(name, usual))?;
    let since = export.since.as_deref().map(since::parse).transpose()?;
    let logs = chosen(export, layout)?;
    let sink = Sink::open(target, format).map_err(|error| {
        Failure::new(
            format_args!("{}: {}", export.to, chain(&error)),
            "docs/audit/export.md lists which formats a destination takes",
        )
    })?;
    let copied = super::runtime()?.block_on(audit_export::once::copy(&logs, since, format, sink)).map_err(
        |error| {
            Failure::new(chain(&error), "what was sent before stays sent; correct the cause and run it again")
        },
    )?;
    for (sandbox, sequence, reason) in &copied.rejected {
        eprintln!("openshell: record {sequence} of {sandbox} was refused: {reason}");
    }
    if export.to != "-" {
        eprintln!("openshell: {} records sent, {} refused", copied.delivered, copied.rejected.len());
    }
    Ok(if copied.rejected.is_empty() { 0 } else { NO })
}

fn named(name: &str, usual: Format) -> Result<Format, Failure> {
    match Format::by_name(name) {
        Some(Format::OtlpJson) if usual == Format::OtlpProtobuf => Ok(usual),
        Some(format) => Ok(format),
        None => {
            let names: Vec<&str> = Format::BY_NAME.iter().map(|(name, _format)| *name).collect();
            Err(Failure::new(
                format_args!("there is no format '{name}'"),
                format_args!("write one of {}", names.join(", ")),
            ))
        }
    }
}

/// The logs that were named, by sandbox or path; all, if none was.
fn chosen(export: &Export, layout: &Layout) -> Result<Vec<Log>, Failure> {
    let all = super::logs(layout)?;
    if export.sandboxes.is_empty() {
        return Ok(all);
    }
    let chosen = export.sandboxes.iter().map(|name| {
        if name.contains('/') {
            return Ok(Log { sandbox: name.clone(), path: name.into() });
        }
        all.iter().find(|log| log.sandbox == *name).cloned().ok_or_else(|| {
            Failure::new(
                format_args!("there is no log of '{name}' in {}", layout.audit().display()),
                "name a sandbox that ran, or the path of its log",
            )
        })
    });
    chosen.collect()
}
