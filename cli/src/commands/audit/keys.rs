//! Which keys are trusted, and `openshell audit key`.

use std::fs;

use audit::checkpoint::{self, Algorithm, VerifyingKey};
use manager::audit_log::{known_keys, public_key};
use manager::audit_settings::AuditSettings;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use crate::arguments::{Keys, Witnesses};

/// Whose signatures count.
pub(super) struct Trusted {
    /// Keys of logs: one of them must have signed.
    pub(super) keys: Vec<VerifyingKey>,
    /// Keys of witnesses: all of them must have cosigned.
    pub(super) witnesses: Vec<VerifyingKey>,
}

/// The keys that were named, or those that have signed here, and the witnesses.
pub(super) fn trusted(keys: &Keys, witnesses: &Witnesses, layout: &Layout) -> Result<Trusted, Failure> {
    Ok(Trusted { keys: named(keys, layout)?, witnesses: self::witnesses(witnesses)? })
}

/// The witnesses that were named.
pub(super) fn witnesses(named: &Witnesses) -> Result<Vec<VerifyingKey>, Failure> {
    let witnesses = parse(&named.witnesses)?;
    if let Some(other) = witnesses.iter().find(|key| key.algorithm() != Algorithm::Cosignature) {
        return Err(Failure::new(
            format_args!("'{}' is the key of a log, not of a witness", other.name()),
            "name it with --key",
        ));
    }
    Ok(witnesses)
}

/// The keys that were named, or those that have signed here.
pub(super) fn named(keys: &Keys, layout: &Layout) -> Result<Vec<VerifyingKey>, Failure> {
    if keys.keys.is_empty() {
        return known_keys(layout);
    }
    let keys = parse(&keys.keys)?;
    match keys.iter().find(|key| key.algorithm() != Algorithm::Note) {
        Some(other) => Err(Failure::new(
            format_args!("'{}' is the key of a witness, which signs no log", other.name()),
            "name it with --witness",
        )),
        None => Ok(keys),
    }
}

fn parse(texts: &[String]) -> Result<Vec<VerifyingKey>, Failure> {
    let mut keys = Vec::new();
    for text in texts {
        match text.parse() {
            Ok(key) => keys.push(key),
            Err(error) => keys.extend(of_file(text, &error)?),
        }
    }
    Ok(keys)
}

fn of_file(path: &str, not_a_key: &checkpoint::KeyError) -> Result<Vec<VerifyingKey>, Failure> {
    let text = fs::read_to_string(path).map_err(|error| {
        Failure::new(
            format_args!("'{path}' is neither a key ({not_a_key}) nor a file that can be read ({error})"),
            "name a key as `openshell audit key` prints it, or a file with one a line",
        )
    })?;
    let keys: Result<_, checkpoint::KeyError> = text.lines().map(str::parse).collect();
    keys.map_err(|error| Failure::new(format_args!("{path}: {}", chain(&error)), "write one key a line"))
}

/// Prints the keys that have signed here, and the one that will sign next.
pub(super) fn print(layout: &Layout) -> Result<u8, Failure> {
    let mut keys = known_keys(layout)?;
    let next = public_key(layout, &AuditSettings::load(layout)?)?;
    keys.extend(next.filter(|next| !keys.contains(next)).into_iter().collect::<Vec<_>>());
    if keys.is_empty() {
        return Err(Failure::new("nothing was signed here yet", "run an agent first: the key is made then"));
    }
    keys.iter().for_each(|key| println!("{key}"));
    Ok(0)
}
