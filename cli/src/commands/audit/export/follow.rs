//! The service: every export of audit.yaml, each on a thread of its own, until a signal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use audit_export::service::{Export, Notice, Service, ServiceError};
use manager::audit_settings::AuditSettings;
use manager::failure::{Failure, chain};
use manager::layout::Layout;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::commands::NO;

/// How an export ended.
enum End {
    /// It was told to.
    Stopped,
    /// It was told to, and logs were left behind because they are not whole.
    WithHaltedLogs,
}

pub(super) fn follow(layout: &Layout) -> Result<u8, Failure> {
    let settings = AuditSettings::load(layout)?;
    if settings.exports.0.is_empty() {
        let file = layout.config.join("audit.yaml");
        return Err(Failure::new(
            format_args!("{} has no exports", file.display()),
            "write at least one; docs/audit/export.md shows how",
        ));
    }
    let exports = settings.exports.0.iter();
    let exports: Vec<Export> =
        exports.map(|(name, export)| super::configured(name, export, layout)).collect::<Result<_, _>>()?;
    let reopen = Arc::new(AtomicU64::new(0));
    let (stop, stopped) = watch::channel(());
    // An export that fails ends the service: whoever restarts it sees why.
    let (failed, failure) = watch::channel(());
    let threads: Vec<_> = exports
        .into_iter()
        .map(|export| {
            let (reopen, mut stopped, failed) = (Arc::clone(&reopen), stopped.clone(), failed.clone());
            thread::spawn(move || {
                let end = serve(export, reopen, &mut stopped);
                if end.is_err() {
                    failed.send_replace(());
                }
                end
            })
        })
        .collect();
    super::runtime()?.block_on(until_signal(&reopen, failure))?;
    drop(stop);
    let mut code = 0;
    for ended in threads {
        match ended.join().expect("a panic ends the whole process")? {
            End::Stopped => {}
            End::WithHaltedLogs => code = NO,
        }
    }
    Ok(code)
}

fn serve(export: Export, reopen: Arc<AtomicU64>, stopped: &mut watch::Receiver<()>) -> Result<End, Failure> {
    let name = export.name.clone();
    let failure = |error: ServiceError| {
        let remedy = match &error {
            ServiceError::Busy(_) => "stop the other 'openshell audit export --follow' first",
            ServiceError::Cursor(_) => {
                "make the state directory writable, or move a damaged cursor away: its export begins again from the start of the log"
            }
            _ => "make the state directory readable and writable for you",
        };
        Failure::new(format_args!("the export '{name}': {}", chain(&error)), remedy)
    };
    let report = |notice: Notice| eprintln!("openshell: export '{name}': {}", told(&notice));
    let mut service = Service::new(export, reopen, report).map_err(failure)?;
    let end = super::runtime()?.block_on(async {
        tokio::select! {
            // The sender is dropped, and never sends.
            _stop = stopped.changed() => None,
            end = service.run() => Some(end),
        }
    });
    if let Some(Err(error)) = end {
        return Err(failure(error));
    }
    Ok(if service.halted().next().is_some() { End::WithHaltedLogs } else { End::Stopped })
}

/// SIGTERM and SIGINT end the service, SIGHUP opens its files again.
async fn until_signal(reopen: &AtomicU64, mut failure: watch::Receiver<()>) -> Result<(), Failure> {
    let listen = |kind| {
        signal(kind).map_err(|error| {
            Failure::new(format_args!("cannot watch for signals: {error}"), "check the limit on open files")
        })
    };
    let (mut terminate, mut interrupt, mut hangup) =
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, listen(SignalKind::hangup())?);
    loop {
        tokio::select! {
            _ended = terminate.recv() => return Ok(()),
            _ended = interrupt.recv() => return Ok(()),
            _failed = failure.changed() => return Ok(()),
            _again = hangup.recv() => drop(reopen.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// One line for the operator's journal. What a receiver said is printable by then; a sandbox's name always is.
fn told(notice: &Notice) -> String {
    let line = match notice {
        Notice::NotNow { cause, attempt, wait } => {
            format!("not taken (attempt {attempt}, next in {} s): {cause}", wait.as_secs())
        }
        Notice::Again => "taken again".to_owned(),
        Notice::Unreadable { sandbox, cause, attempt, wait } => {
            let next = wait.as_secs();
            format!("the log of {sandbox} cannot be read (attempt {attempt}, next in {next} s): {cause}")
        }
        Notice::Readable { sandbox } => format!("the log of {sandbox} can be read again"),
        Notice::Halted { sandbox, cause } => {
            format!("NOTHING MORE OF {sandbox} IS EXPORTED: {cause}; run openshell audit verify {sandbox}")
        }
        Notice::Rejected { sandbox, records, reason } => {
            format!("{records} records of {sandbox} refused and kept in rejected.jsonl: {reason}")
        }
        Notice::Lost { sandbox, records } => {
            format!("{records} records of {sandbox} were removed for their age before they were delivered")
        }
    };
    audit_export::format::printable(&line).into_owned()
}
