//! What happens to a server, and when. One task for each server changes its state, and nobody else does.
//!
//! ```text
//!   ┌─▶ Asleep ──asked──┐                       (only with `idle_s`)
//!   │                   ▼
//!   │      ┌──────▶ Starting ──a completion──▶ Ready ⇄ Failing ──no answer again──┐
//!   │      │            │ ended, or too late     │ ended                          │
//!   │   a pause ◀────── Down ◀───────────────────┴────────────────────────────────┘
//!   └── nobody asked ◀── Ready          the end is announced ▶ Stopping, from everywhere
//! ```

mod running;

use std::sync::Arc;
use std::time::Duration;

use rustix::process::Pid;
use tokio::sync::watch;
use tokio::time::Instant;
use wire::serving::State;

use crate::descendants;
use crate::devices::{Devices, Reservation, Trouble};
use crate::dial::Target;
use crate::launch::{self, Launch};
use crate::log_file;
use crate::probe::{Silence, probe};
use crate::server::{Server, Waits};
pub use running::Keepers;
use running::Running;

/// What all servers share.
#[derive(Debug)]
pub struct Shared {
    /// What there is for models.
    pub devices: Devices,
    /// The keepers that live.
    pub keepers: Keepers,
}

/// How one start of a server ended.
#[derive(Debug)]
enum Outcome {
    /// As announced.
    Stopped,
    /// Nobody needed it.
    Unneeded,
    /// For this reason.
    Failed(String),
}

/// The pause between two questions to a server that has not answered yet.
const EAGER: Duration = Duration::from_millis(250);

/// Runs a server until `stop` changes, or its sender is gone.
pub async fn run(server: Arc<Server>, shared: Arc<Shared>, mut stop: watch::Receiver<()>) {
    let sleeps = server.config.idle_s.is_some();
    let longest = Duration::from_millis(server.config.longest_pause_ms.into());
    let first = Duration::from_millis(server.config.pause_ms.into());
    let mut pause = first;
    let mut waits = Waits::No;
    let mut has_failed = false;
    loop {
        // One that could not start is not said to be there for who asks: it is started again until it answers.
        if sleeps && waits == Waits::No && !has_failed {
            server.sleeps();
            tokio::select! {
                () = server.is_asked() => waits = Waits::ForStart,
                _ended = stop.changed() => break,
            }
        }
        server.starts(waits);
        let began = Instant::now();
        match once(&server, &shared, &mut stop).await {
            Outcome::Stopped => break,
            Outcome::Unneeded => (pause, waits, has_failed) = (first, Waits::No, false),
            Outcome::Failed(cause) => {
                // One that ran for long is not one that cannot run.
                pause = if began.elapsed() > longest { first } else { pause };
                server.closes(State::Down, Some(cause));
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ended = stop.changed() => break,
                }
                pause = pause.saturating_mul(2).min(longest);
                (waits, has_failed) = (Waits::No, true);
            }
        }
    }
    server.closes(State::Stopping, None);
}

/// From a start to an end.
async fn once(server: &Arc<Server>, shared: &Arc<Shared>, stop: &mut watch::Receiver<()>) -> Outcome {
    let (name, config, for_task) = (server.name.clone(), server.config.clone(), Arc::clone(shared));
    // It asks the driver, which takes its time.
    let prepared =
        tokio::task::spawn_blocking(move || launch::prepare(&name, &config, &for_task.devices)).await;
    let launch = match prepared {
        Ok(Ok(launch)) => launch,
        Ok(Err(error)) => return Outcome::Failed(chain(&error)),
        Err(_panicked) => return Outcome::Failed("it could not be prepared".to_owned()),
    };
    let Launch { address, command, reservation } = launch;
    let mut running = match Running::start(command, server, shared) {
        Ok(running) => running,
        Err(error) => return Outcome::Failed(format!("it cannot be started: {error}")),
    };
    server.planned(reservation.as_ref().map(|reservation| reservation.plan.why.clone()));
    let keeper = running.keeper();
    let target = keeper.map_or(Target::Other(address), |keeper| Target::Own { port: address.port(), keeper });
    let outcome = tokio::select! {
        status = running.ended() => Outcome::Failed(post_mortem(server, &status)),
        outcome = attend(server, shared, (target, keeper), reservation) => outcome,
        _announced = stop.changed() => Outcome::Stopped,
    };
    if matches!(outcome, Outcome::Stopped) {
        drain(server, State::Stopping, None).await;
    } else if let Outcome::Failed(cause) = &outcome {
        // Nobody gets a turn at what is being ended.
        server.closes(State::Failing, Some(cause.clone()));
    }
    running.stop().await;
    outcome
}

/// While it runs: whether it answers, and whether it is needed.
async fn attend(
    server: &Server,
    shared: &Arc<Shared>,
    (target, keeper): (Target, Option<Pid>),
    reservation: Option<Reservation>,
) -> Outcome {
    let config = &server.config;
    let latest = Instant::now() + Duration::from_secs(config.start_s.into());
    let limit = Duration::from_secs(config.answer_s.into());
    while let Err(silence) = probe(target, server.model(), limit.min(latest - Instant::now())).await {
        server.runs_as(keeper.and_then(descendants::first_of));
        if Instant::now() + EAGER >= latest {
            return Outcome::Failed(format!(
                "it gave no answer within {} s of its start: {}",
                config.start_s,
                chain(&silence)
            ));
        }
        tokio::time::sleep(EAGER).await;
    }
    server.runs_as(keeper.and_then(descendants::first_of));
    // What it takes can be measured now.
    let devices = reservation.map(|reservation| reservation.plan.devices.clone()).unwrap_or_default();
    server.answers(target);
    let check = Duration::from_secs(config.check_s.into());
    let idle = config.idle_s.map(|seconds| Duration::from_secs(seconds.into()));
    let mut doubtful = None;
    loop {
        tokio::select! {
            () = tokio::time::sleep(check) => {
                let mut ill = check_twice(server, target, limit).await.err();
                if ill.is_none() {
                    let found = trouble(shared, &devices).await;
                    (ill, doubtful) = judged(found, doubtful);
                }
                if let Some(cause) = ill {
                    // Calls may have their answers yet.
                    drain(server, State::Failing, Some(cause.clone())).await;
                    return Outcome::Failed(cause);
                }
            }
            () = is_unneeded(server, idle) => {
                if server.falls_asleep() {
                    return Outcome::Unneeded;
                }
            }
        }
    }
}

/// Gives no turns any more, and lets calls go on for a while.
async fn drain(server: &Server, state: State, cause: Option<String>) {
    server.closes(state, cause);
    let grace = Duration::from_secs(server.config.stop_s.into());
    if tokio::time::timeout(grace, server.is_empty()).await.is_err() {
        tracing::warn!(server = %server.name, "calls are cut off");
    }
}

/// Why its devices are not to be used any more.
async fn trouble(shared: &Arc<Shared>, devices: &[String]) -> Option<Trouble> {
    let (shared, devices) = (Arc::clone(shared), devices.to_vec());
    // It asks the driver, which takes its time.
    tokio::task::spawn_blocking(move || shared.devices.trouble(&devices)).await.ok()?
}

/// What ends a server for certain, and what does if it is found again: one reading may be wrong.
fn judged(found: Option<Trouble>, before: Option<String>) -> (Option<String>, Option<String>) {
    match found {
        Some(Trouble::Certain(cause)) => (Some(cause), None),
        Some(Trouble::Doubtful(cause)) if before.is_some() => (Some(cause), None),
        Some(Trouble::Doubtful(cause)) => {
            tracing::warn!(cause, "a device is looked at once more");
            (None, Some(cause))
        }
        None => (None, None),
    }
}

/// One question may fail: no turns are given until the next one is answered. That there is no answer in time says nothing while
/// the server has all the calls that it takes.
async fn check_twice(server: &Server, target: Target, limit: Duration) -> Result<(), String> {
    let said = |silence: Silence| format!("it does not answer: {}", chain(&silence));
    let was_full = server.is_full();
    if let Err(silence) = probe(target, server.model(), limit).await {
        if matches!(silence, Silence::TooSlow(_)) && (was_full || server.is_full()) {
            tracing::info!(server = %server.name, "it is full, and asked again later");
            return Ok(());
        }
        server.closes(State::Failing, Some(said(silence)));
        probe(target, server.model(), limit).await.map_err(said)?;
    }
    server.answers(target);
    Ok(())
}

/// Waits until nobody has wanted anything for so long; without a limit, for ever.
async fn is_unneeded(server: &Server, idle: Option<Duration>) {
    let Some(idle) = idle else { return std::future::pending().await };
    loop {
        let until = match server.idle_since() {
            Some(since) if since.elapsed() >= idle => return,
            Some(since) => since + idle,
            None => Instant::now() + idle,
        };
        tokio::time::sleep_until(until).await;
    }
}

fn post_mortem(server: &Server, status: &str) -> String {
    let tail = server.log.as_deref().map(log_file::tail).unwrap_or_default();
    if tail.is_empty() { format!("it ended ({status})") } else { format!("it ended ({status}): {tail}") }
}

/// An error with its causes, on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_odd_reading_of_a_device_ends_nothing_and_two_in_a_row_do() {
        let odd = || Some(Trouble::Doubtful("odd".to_owned()));
        let (ends, doubtful) = judged(odd(), None);
        assert_eq!((&ends, doubtful.as_deref()), (&None, Some("odd")));
        assert_eq!(judged(None, doubtful.clone()), (None, None));
        assert_eq!(judged(odd(), doubtful).0.as_deref(), Some("odd"));
        assert_eq!(judged(Some(Trouble::Certain("lost".to_owned())), None).0.as_deref(), Some("lost"));
    }
}
