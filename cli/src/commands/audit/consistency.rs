//! `openshell audit prove-consistency` and `check-consistency`.

use std::fs;
use std::path::Path;

use audit::checkpoint::{Checkpoint, VerifyingKey};
use audit::verify::{self, Consistency, ProofError};
use manager::failure::{Failure, chain};

use super::{NO, read_note};

pub(super) fn prove(log: &Path, old: &str, keys: &[VerifyingKey]) -> Result<Consistency, Failure> {
    let old = match old.parse() {
        Ok(size) => size,
        Err(_not_a_number) => read(Path::new(old), keys)?.size,
    };
    verify::prove_consistency(log, old, keys).map_err(|error| {
        let remedy = match &error {
            ProofError::Unsigned(_) => {
                "the log was never signed at so many records: is the checkpoint its own?"
            }
            ProofError::Removed(_) => {
                "prove it before those records are removed (log.keep_days in audit.yaml)"
            }
            _ => "openshell audit verify names the first thing that is wrong",
        };
        Failure::new(chain(&error), remedy)
    })
}

pub(super) fn check(file: &Path, old: &Path, keys: &[VerifyingKey]) -> Result<u8, Failure> {
    if keys.is_empty() {
        return Err(Failure::new("no key is known here", "name the key of whoever signed with --key"));
    }
    let old = read(old, keys)?;
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format_args!("cannot read {}: {error}", file.display()), "name the file of a proof")
    })?;
    match text.parse::<Consistency>().and_then(|proof| proof.check(&old, keys)) {
        Ok(new) => {
            println!(
                "{}: {} records, which go on from those {} that were signed",
                new.origin, new.size, old.size
            );
            Ok(0)
        }
        Err(error) => {
            println!("{}: proves NOTHING: {}", file.display(), chain(&error));
            Ok(NO)
        }
    }
}

/// The last checkpoint in a file, which one of the keys has signed.
fn read(file: &Path, keys: &[VerifyingKey]) -> Result<Checkpoint, Failure> {
    let note = read_note(file)?;
    verify::signed(&note, keys).map_err(|error| {
        Failure::new(
            format_args!("{}: {}", file.display(), chain(&error)),
            "name a checkpoint of the log, and with --key the key that signed it",
        )
    })
}
