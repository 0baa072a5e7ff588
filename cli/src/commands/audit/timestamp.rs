//! `openshell audit timestamp`, and what `verify` says of time stamps.

mod service;

use std::fs;
use std::path::{Path, PathBuf};

use audit::checkpoint::{Checkpoint, Note};
use audit::verify::newest_note;
use audit_export::authority::Authority;
use audit_stamp::{Authorities, Request, Stamp, Store, StoreError, check};
use manager::audit_settings::{AuditSettings, TimestampSettings};
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use super::{NO, bad_log, path};
use crate::arguments::Timestamp;

/// Longest answer that is read.
const MOST: u64 = 1024 * 1024;

pub(super) fn run(typed: &Timestamp, layout: &Layout) -> Result<u8, Failure> {
    if typed.status {
        return service::status(layout);
    }
    if typed.follow {
        let settings = configured(layout)?;
        return service::follow(&settings, authorities(typed.ca.as_deref(), layout)?, layout);
    }
    let log = path(&typed.log, layout)?;
    let stamp = match (&typed.query, &typed.answer) {
        (Some(file), _) => {
            let (request, size) = asked(&log)?;
            super::super::write(file, der(&request)?)?;
            println!("asked about the checkpoint over {size} records; take the answer with --answer FILE");
            return Ok(0);
        }
        (None, Some(file)) => answered(&log, &read(file)?, &authorities(typed.ca.as_deref(), layout)?)?,
        (None, None) => {
            let settings = configured(layout)?;
            let authorities = authorities(typed.ca.as_deref(), layout)?;
            let mut authority = authority(&settings)?;
            super::export::runtime()?.block_on(stamped(&log, &mut authority, &authorities)).map_err(
                |trouble| match trouble {
                    Trouble::Unanswered(error) => Failure::new(
                        format_args!("{} does not answer: {error}", settings.http.url),
                        "try again, or take another authority: signing.timestamp in audit.yaml",
                    ),
                    Trouble::Failed(failure) => failure,
                },
            )?
        }
    };
    println!("stamped: {} records at {} by {}", stamp.0, stamp.1.time, stamp.1.authority);
    Ok(0)
}

/// Why a log is not stamped.
enum Trouble {
    /// Later it may be.
    Unanswered(audit_export::authority::Unanswered),
    Failed(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Has the newest checkpoint of a log stamped.
async fn stamped(
    log: &Path,
    authority: &mut Authority,
    authorities: &Authorities,
) -> Result<(u64, Stamp), Trouble> {
    let (request, _size) = asked(log)?;
    let answer = authority.ask(der(&request)?).await.map_err(Trouble::Unanswered)?;
    Ok(answered(log, &answer, authorities)?)
}

/// The request about a log's newest checkpoint, which is kept: the one that waits already, if there is one.
fn asked(log: &Path) -> Result<(Request, u64), Failure> {
    let (note, size) = newest(log)?.ok_or_else(|| {
        Failure::new(
            format_args!("{} has no checkpoint", log.display()),
            "one is made a second after the first record, unless audit.yaml switches signing off",
        )
    })?;
    let store = Store::of(log);
    for older in store.asked().map_err(|error| unusable(&error))? {
        let waiting = store.request(older).map_err(|error| unusable(&error))?;
        if older == size && waiting.is_about(note.to_string().as_bytes()) {
            return Ok((waiting, size));
        }
        store.forget_request(older).map_err(|error| unusable(&error))?;
    }
    let request = Request::new(note.to_string().as_bytes())
        .map_err(|error| Failure::new(chain(&error), "this machine gives no randomness"))?;
    store.keep_request(size, &request).map_err(|error| unusable(&error))?;
    Ok((request, size))
}

/// Checks an answer to what was asked about a log, and keeps it.
fn answered(log: &Path, answer: &[u8], authorities: &Authorities) -> Result<(u64, Stamp), Failure> {
    let store = Store::of(log);
    let waiting = store.asked().map_err(|error| unusable(&error))?.pop_last();
    let size = waiting.ok_or_else(|| {
        Failure::new(
            format_args!("nothing was asked about {}", log.display()),
            "ask first: openshell audit timestamp --query FILE",
        )
    })?;
    let request = store.request(size).map_err(|error| unusable(&error))?;
    let stamp = check(answer, &request, authorities).map_err(|error| {
        Failure::new(
            format_args!("the answer is no time stamp over {size} records: {}", chain(&error)),
            "look at the authority that audit.yaml names, and at its certificates (signing.timestamp)",
        )
    })?;
    store.keep_answer(size, answer).map_err(|error| unusable(&error))?;
    Ok((size, stamp))
}

/// The newest checkpoint of a log, and the number of records under it.
fn newest(log: &Path) -> Result<Option<(Note, u64)>, Failure> {
    let Some(note) = newest_note(log).map_err(|error| bad_log(&error))? else { return Ok(None) };
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| bad_log(&error))?;
    Ok(Some((note, checkpoint.size)))
}

/// What a log's stamps say, after the log was verified.
pub(super) fn told(log: &Path, ca: Option<&Path>, layout: &Layout) -> Result<(u8, Vec<String>), Failure> {
    let store = Store::of(log);
    let mut lines = Vec::new();
    let stamps = store.stamped().map_err(|error| unusable(&error))?.len();
    if let Some(size) = store.asked().map_err(|error| unusable(&error))?.last() {
        lines.push(format!("no answer yet to what was asked about the time of {size} records"));
    }
    if stamps == 0 {
        return Ok((0, lines));
    }
    if ca.is_none() && AuditSettings::load(layout)?.signing.timestamp.is_none() {
        lines.push(format!("{stamps} time stamps, NOT checked: name their authority with --timestamp-ca"));
        return Ok((0, lines));
    }
    match audit_stamp::verify(log, &authorities(ca, layout)?) {
        Ok(checked) => {
            if let Some((size, stamp)) = checked.newest {
                lines.push(format!(
                    "{stamps} time stamps; the newest: {size} records at {} by {}",
                    stamp.time, stamp.authority
                ));
            }
            Ok((0, lines))
        }
        Err(error @ StoreError::Io { .. }) => Err(unusable(&error)),
        Err(error) => {
            lines.push(format!("time stamps: NOT right: {}", chain(&error)));
            Ok((NO, lines))
        }
    }
}

fn configured(layout: &Layout) -> Result<TimestampSettings, Failure> {
    AuditSettings::load(layout)?.signing.timestamp.ok_or_else(|| {
        Failure::new(
            "audit.yaml names no time stamping authority",
            "write signing.timestamp there (docs/audit/proof.md), or use --query and --answer",
        )
    })
}

fn authority(settings: &TimestampSettings) -> Result<Authority, Failure> {
    Authority::new(super::export::http_target(&settings.http))
        .map_err(|error| Failure::new(chain(&error), "correct signing.timestamp.http in audit.yaml"))
}

fn authorities(ca: Option<&Path>, layout: &Layout) -> Result<Authorities, Failure> {
    let file =
        ca.map_or_else(|| configured(layout).map(|settings| settings.ca), |ca| Ok(PathBuf::from(ca)))?;
    authorities_in(&file)
}

/// Whether the authority of audit.yaml could be asked, and its answers be checked.
pub(super) fn of_settings(settings: &TimestampSettings) -> Result<(), Failure> {
    authority(settings)?;
    settings.http.headers.values().try_for_each(|secret| secret.read().map(drop))?;
    authorities_in(&settings.ca).map(drop)
}

fn authorities_in(file: &Path) -> Result<Authorities, Failure> {
    let remedy = "name a file with the certificates of the authority, in PEM";
    let pem = fs::read(file)
        .map_err(|error| Failure::new(format_args!("cannot read {}: {error}", file.display()), remedy))?;
    Authorities::from_pem(&pem)
        .map_err(|error| Failure::new(format_args!("{}: {}", file.display(), chain(&error)), remedy))
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = fs::File::open(file)
        .and_then(|file| std::io::Read::read_to_end(&mut std::io::Read::take(file, MOST), &mut bytes));
    read.map(|_length| bytes).map_err(|error| {
        Failure::new(format_args!("cannot read {}: {error}", file.display()), "name the authority's answer")
    })
}

fn der(request: &Request) -> Result<Vec<u8>, Failure> {
    request
        .to_der()
        .map_err(|error| Failure::new(chain(&error), "this is a fault of openshell: please report it"))
}

fn unusable(error: &StoreError) -> Failure {
    Failure::new(chain(error), "make `timestamps` in the log's directory readable and writable for you")
}
