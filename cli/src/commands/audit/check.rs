//! `openshell audit check`: what audit.yaml says, and whether all that it names is there. Nothing is made, and no receiver is called.

use std::path::Path;

use audit::Response;
use audit_watch::Kind;
use manager::audit_log::public_key;
use manager::audit_settings::{
    AuditSettings, Export, FullSetting, KeySource, LogSettings, Receiver, SigningSettings, SyncSetting,
};
use manager::doctor::Finding;
use manager::failure::Failure;
use manager::layout::Layout;
use rustix::fs::{Access, access};

use super::{export, timestamp};
use crate::arguments::Output;
use crate::commands::print_findings;

pub(super) fn check(output: Output, layout: &Layout) -> Result<u8, Failure> {
    let settings = AuditSettings::load(layout)?;
    let mut findings = vec![file(layout), well("log", log(&settings.log))];
    findings.extend(signing(&settings, layout));
    findings.push(well("detections", detections(&settings.detections)));
    for (name, export) in &settings.exports.0 {
        findings.extend(exported(name, export, layout));
    }
    print_findings(&findings, output)
}

fn file(layout: &Layout) -> Finding {
    let path = layout.config.join("audit.yaml");
    let state = if path.exists() { "read" } else { "not there: the defaults hold" };
    well(&path.display().to_string(), state)
}

fn log(log: &LogSettings) -> String {
    let sync = match log.sync {
        SyncSetting::Interval => "brought to the disk from 50 ms after its receipt at the latest",
        SyncSetting::Always => "on the disk before its receipt",
    };
    let full = match log.on_full {
        FullSetting::Deny => "nothing goes on without a record",
        FullSetting::Degrade => "actions go on without a record while there is no room",
    };
    let days = log.keep_days.map_or("for ever".to_owned(), |days| format!("{days} days"));
    let all = log.keep.map(|keep| format!(", {} MiB of all logs", keep.0)).unwrap_or_default();
    let reserve = log.reserve.map(|reserve| format!(", {} MiB of the disk stay free", reserve.0));
    let digests = if log.digests { "with" } else { "without" };
    let (segment, most, reserve) = (log.segment.0, log.most.0, reserve.unwrap_or_default());
    format!(
        "{sync}; {full}; segments of {segment} MiB, {most} MiB at most{reserve}; kept {days}{all}; {digests} digests of bodies"
    )
}

fn signing(settings: &AuditSettings, layout: &Layout) -> Vec<Finding> {
    let SigningSettings { enabled, key, interval, copies, timestamp, .. } = &settings.signing;
    if !enabled {
        return vec![well("signing", "off: nothing that is recorded can be proven")];
    }
    let every = format!("every {} s while a log grows", interval.0);
    let key = match (public_key(layout, settings), key) {
        (Err(failure), _) => ill("signing", failure),
        (Ok(Some(key)), _) => well("signing", format!("{every}, by {key}")),
        (Ok(None), Some(KeySource::Pkcs11(token))) => match access(&token.module, Access::READ_OK) {
            Ok(()) => well("signing", format!("{every}, by key {} of token {}", token.key, token.token)),
            Err(error) => {
                let cause = format!("cannot read {}: {error}", token.module.display());
                ill("signing", Failure::new(cause, "name the token's library in signing.key.pkcs11.module"))
            }
        },
        (Ok(None), _) => well("signing", format!("{every}, by a key that is made at its first use")),
    };
    let copies = copies.iter().map(|copy| directory(&format!("copy {}", copy.display()), copy));
    let stamped = timestamp.as_ref().map(|stamped| match timestamp::of_settings(stamped) {
        Ok(()) => well("time stamps", format!("from {}, every {} s", stamped.http.url, stamped.interval.0)),
        Err(failure) => ill("time stamps", failure),
    });
    std::iter::once(key).chain(copies).chain(stamped).collect()
}

fn detections(detections: &audit_watch::Settings) -> String {
    let that = |response: Option<Response>| {
        let kinds = Kind::ALL.into_iter().filter(|kind| detections.response(*kind) == response);
        kinds.map(Kind::as_str).collect::<Vec<_>>().join(", ")
    };
    [
        ("record", Some(Response::Record)),
        ("pause", Some(Response::Pause)),
        ("quarantine", Some(Response::Quarantine)),
        ("stop", Some(Response::Stop)),
        ("off", None),
    ]
    .into_iter()
    .map(|(name, response)| (name, that(response)))
    .filter(|(_name, kinds)| !kinds.is_empty())
    .map(|(name, kinds)| format!("{name}: {kinds}"))
    .collect::<Vec<_>>()
    .join("; ")
}

/// Its form and its files fit together, and its secrets can be read now.
fn exported(name: &str, export: &Export, layout: &Layout) -> Vec<Finding> {
    let subject = format!("export {name}");
    if let Receiver::File(path) = &export.to {
        let parent = path.parent().unwrap_or(Path::new("/"));
        return vec![directory(&format!("{subject} to {}", path.display()), parent)];
    }
    let opened = export::configured(name, export, layout);
    let read = || export.to.secrets().into_iter().try_for_each(|secret| secret.read().map(drop));
    let made = opened.and_then(|_made| read());
    vec![match made {
        Ok(()) => well(&subject, format!("to {}; not called", receiver(&export.to))),
        Err(failure) => ill(&subject, failure),
    }]
}

fn receiver(receiver: &Receiver) -> String {
    match receiver {
        Receiver::File(path) => path.display().to_string(),
        Receiver::Syslog(syslog) => format!("syslog at {}", syslog.host),
        behind_http => behind_http.http().map(|http| http.url.clone()).unwrap_or_default(),
    }
}

fn directory(subject: &str, path: &Path) -> Finding {
    if !path.is_dir() {
        return ill(
            subject,
            Failure::new(format_args!("there is no directory {}", path.display()), "make it, or mount it"),
        );
    }
    match access(path, Access::WRITE_OK) {
        Ok(()) => well(subject, "can be written"),
        Err(error) => ill(
            subject,
            Failure::new(
                format_args!("cannot write {}: {error}", path.display()),
                "make it writable for you",
            ),
        ),
    }
}

fn well(subject: &str, state: impl Into<String>) -> Finding {
    Finding { subject: subject.to_owned(), state: state.into(), remedy: None }
}

fn ill(subject: &str, failure: Failure) -> Finding {
    Finding { subject: subject.to_owned(), state: failure.cause, remedy: Some(failure.remedy) }
}
