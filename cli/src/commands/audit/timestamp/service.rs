//! All logs, again and again; nobody who writes one waits for it.

use std::path::Path;
use std::time::Duration;

use audit_export::Pace;
use audit_export::authority::Authority;
use audit_export::format::printable;
use audit_stamp::{Authorities, Store};
use manager::audit_settings::TimestampSettings;
use manager::failure::Failure;
use manager::layout::Layout;
use tokio::signal::unix::{SignalKind, signal};

use super::super::{NO, export, logs};
use super::{Trouble, authority, newest, stamped, unusable};

/// Has every log stamped whose newest checkpoint is not, each interval, until it is told to end.
pub(super) fn follow(
    settings: &TimestampSettings,
    authorities: Authorities,
    layout: &Layout,
) -> Result<u8, Failure> {
    let mut service = Service {
        authority: authority(settings)?,
        authorities,
        url: settings.http.url.clone(),
        interval: Duration::from_secs(settings.interval.0.into()),
        attempt: 0,
    };
    export::runtime()?.block_on(async {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::new(
                    format_args!("cannot watch for signals: {error}"),
                    "check the limit on open files",
                )
            })
        };
        let (mut terminate, mut interrupt) =
            (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
        tokio::select! {
            _ended = terminate.recv() => Ok(0),
            _ended = interrupt.recv() => Ok(0),
            never = service.run(layout) => match never {},
        }
    })
}

struct Service {
    authority: Authority,
    authorities: Authorities,
    url: String,
    interval: Duration,
    /// How often in a row it was not answered.
    attempt: u32,
}

impl Service {
    async fn run(&mut self, layout: &Layout) -> std::convert::Infallible {
        loop {
            let mut wait = self.interval;
            for log in logs(&layout.audit()).iter().filter(|log| log.is_dir()) {
                // One that does not answer about this log answers about no other.
                if let Some(later) = self.look_after(log).await {
                    wait = later.min(self.interval);
                    break;
                }
            }
            tokio::time::sleep(wait).await;
        }
    }

    /// Has a log stamped, if it grew; how long to wait, if the authority does not answer.
    async fn look_after(&mut self, log: &Path) -> Option<Duration> {
        match is_due(log) {
            Ok(true) => {}
            Ok(false) => return None,
            Err(failure) => return told(log, &failure),
        }
        match stamped(log, &mut self.authority, &self.authorities).await {
            Ok((size, stamp)) => {
                self.attempt = 0;
                say(&format!("{}: {size} records stamped at {}", log.display(), stamp.time));
                None
            }
            Err(Trouble::Unanswered(error)) => {
                self.attempt += 1;
                let wait = Pace::default().wait(self.attempt, error.after);
                let seconds = wait.min(self.interval).as_secs();
                say(&format!(
                    "{} does not answer (attempt {}, next in {seconds} s): {error}",
                    self.url, self.attempt
                ));
                Some(wait)
            }
            Err(Trouble::Failed(failure)) => told(log, &failure),
        }
    }
}

/// A log that cannot be stamped keeps no other waiting.
fn told(log: &Path, failure: &Failure) -> Option<Duration> {
    say(&format!("{}: NOT STAMPED: {}; {}", log.display(), failure.cause, failure.remedy));
    None
}

/// For the operator's journal.
fn say(line: &str) {
    eprintln!("openshell: {}", printable(line));
}

fn is_due(log: &Path) -> Result<bool, Failure> {
    let stamped = Store::of(log).stamped().map_err(|error| unusable(&error))?;
    Ok(newest(log)?.is_some_and(|(_note, size)| !stamped.contains(&size)))
}

/// How far each log is stamped; the answer is no where the newest checkpoint was asked about and there is no answer.
pub(super) fn status(layout: &Layout) -> Result<u8, Failure> {
    let mut answer = 0;
    for log in logs(&layout.audit()).iter().filter(|log| log.is_dir()) {
        let store = Store::of(log);
        let stamped = store.stamped().map_err(|error| unusable(&error))?;
        let signed = newest(log)?.map_or(0, |(_note, size)| size);
        let last = stamped.last().copied().unwrap_or(0);
        let waits = store.asked().map_err(|error| unusable(&error))?.pop_last();
        let waits = waits.map_or(String::new(), |size| {
            answer = NO;
            format!("; NO ANSWER about {size}")
        });
        println!(
            "{}: {} stamps, up to record {last} of {signed} that are signed{waits}",
            log.display(),
            stamped.len()
        );
    }
    Ok(answer)
}
