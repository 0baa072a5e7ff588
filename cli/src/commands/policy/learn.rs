//! `openshell policy learn`: an audit log becomes a policy to review.

use audit::{Action, Decision, Record, Subject, log};
use manager::failure::{Failure, chain};
use policies::learn::{Learned, Seen, learn};

use super::check::counted;
use super::write;
use crate::arguments::Learn;

pub(super) fn run(what: &Learn) -> Result<u8, Failure> {
    let path = &what.log;
    let damaged = |error: &log::LogError| {
        let cause = format!("{} is not an intact log: {}", path.display(), chain(error));
        Failure::new(cause, "learn from a log that 'openshell audit verify' finds unbroken")
    };
    let mut all = Vec::new();
    for record in log::read(path).map_err(|error| damaged(&error))? {
        all.extend(seen(record.map_err(|error| damaged(&error))?));
    }
    let wanted = all.into_iter().filter(|seen| seen.allowed || !what.allowed_only);
    let learned = learn(wanted, &path.display().to_string());
    match &what.output {
        Some(file) => write(file, &learned.text)?,
        None => print!("{}", learned.text),
    }
    report(&learned);
    Ok(0)
}

/// A decided request; nothing, for every other record.
fn seen(record: Record) -> Option<Seen> {
    let event = record.event;
    if event.action != Action::NetworkRequest {
        return None;
    }
    let object = event.object?;
    let binaries = match event.subject {
        Some(Subject::Owners(owners)) => owners.into_iter().map(|owner| owner.binary).collect(),
        Some(Subject::Unknown(_)) | None => Vec::new(),
    };
    Some(Seen {
        binaries,
        host: object.host?,
        port: object.port?,
        method: object.method?,
        path: object.path?,
        query_keys: object.query_keys,
        time: record.time,
        allowed: event.decision == Some(Decision::Allow),
    })
}

fn report(learned: &Learned) {
    let left_out = counted(learned.left_out.len(), "kind");
    eprintln!("openshell: {} to review; {left_out} of request not covered", counted(learned.rules, "rule"));
}
