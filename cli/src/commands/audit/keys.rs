//! Which keys are trusted, and `openshell audit key`.

use std::fs;

use audit::checkpoint::{self, VerifyingKey};
use manager::audit_log::{known_keys, public_key};
use manager::audit_settings::AuditSettings;
use manager::failure::{Failure, chain};
use manager::layout::Layout;

use crate::arguments::Keys;

/// The keys that were named, or those that have signed here.
pub(super) fn named(keys: &Keys, layout: &Layout) -> Result<Vec<VerifyingKey>, Failure> {
    if keys.keys.is_empty() {
        return known_keys(layout);
    }
    let mut named = Vec::new();
    for text in &keys.keys {
        match text.parse() {
            Ok(key) => named.push(key),
            Err(error) => named.extend(of_file(text, &error)?),
        }
    }
    Ok(named)
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
