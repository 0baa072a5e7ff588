//! `openshell inference status`: how the servers stand.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use audit_export::format::printable;
use manager::failure::Failure;
use manager::layout::Layout;
use wire::serving::{Report, State};

use crate::arguments::Output;
use crate::commands::{NO, print_json, unanswered};

/// The answer as JSON.
#[derive(serde::Serialize)]
struct Answer<'a> {
    serving: bool,
    servers: &'a [Report],
}

pub(super) fn run(output: Output, layout: &Layout) -> Result<u8, Failure> {
    let told = manager::serving::status(layout).map_err(unanswered)?;
    let servers = told.as_deref().unwrap_or_default();
    if output.json {
        print_json(&Answer { serving: told.is_some(), servers })?;
    } else if told.is_none() {
        println!("no process serves");
        println!("  remedy: start one with `openshell inference serve`");
    } else {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs();
        servers.iter().for_each(|server| list(server, now));
    }
    // One that has never answered may not be able to.
    let is_well = |server: &Report| match server.state {
        State::Ready => true,
        State::Asleep => server.answered.is_some(),
        _ => false,
    };
    Ok(if told.is_some() && servers.iter().all(is_well) { 0 } else { NO })
}

fn list(server: &Report, now: u64) {
    let Report { name, state, model, turns, active, waiting, refused, restarts, .. } = server;
    let pid = server.pid.map_or_else(String::new, |pid| format!(", pid {pid}"));
    let answered = server.answered.map_or_else(
        || "it has not answered yet".to_owned(),
        |answered| format!("last answer {} ago", span(now.saturating_sub(answered))),
    );
    let since = span(now.saturating_sub(server.since));
    println!("{}", printable(&format!("{name}  {} for {since}{pid}, {answered}", state.as_str())));
    println!(
        "{}",
        printable(&format!(
            "   model {model}; calls: {active} served, {waiting} waiting, {turns} in all, {refused} refused; {restarts} restarts"
        ))
    );
    let more = [("cause", &server.cause), ("plan", &server.plan)];
    for (what, text) in more.into_iter().filter_map(|(what, text)| Some((what, text.as_ref()?))) {
        println!("   {what}: {}", printable(text));
    }
    if let Some(log) = server.log.as_ref().filter(|_log| *state != State::Ready) {
        println!("   log: {}", printable(&log.display().to_string()));
    }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}
