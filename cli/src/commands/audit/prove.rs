//! `openshell audit prove`, `check-proof` and `checkpoint`.

use std::fs;
use std::path::Path;

use audit::checkpoint::{Note, VerifyingKey};
use audit::verify::{self, Proof, ProofError, VerifyError};
use manager::failure::{Failure, chain};

use super::keys::Trusted;
use super::line::row;
use super::{NO, bad_log, read_note};

pub(super) fn prove(
    log: &Path,
    record: u64,
    keys: &[VerifyingKey],
    checkpoint: Option<&Path>,
) -> Result<Proof, Failure> {
    let by = checkpoint.map(read_note).transpose()?;
    verify::prove(log, record, keys, by.as_ref()).map_err(|error| {
        let remedy = match &error {
            ProofError::Unsigned(_) if by.is_some() => "name a newer checkpoint with --checkpoint",
            ProofError::Unsigned(_) => {
                "wait for the next checkpoint: a second after the record, or the sandbox's end"
            }
            ProofError::NoRecord(_) => "openshell audit tail shows the numbers of records with --json",
            ProofError::Removed(_) => "prove records before they are removed (log.keep_days in audit.yaml)",
            _ => "openshell audit verify names the first thing that is wrong",
        };
        Failure::new(chain(&error), remedy)
    })
}

pub(super) fn check(file: &Path, trusted: &Trusted) -> Result<u8, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format_args!("cannot read {}: {error}", file.display()), "name the file of a proof")
    })?;
    if trusted.keys.is_empty() {
        return Err(Failure::new("no key is known here", "name the key of whoever signed with --key"));
    }
    let checked = text.parse::<Proof>().and_then(|proof| {
        let missing = missing(proof.note(), &trusted.witnesses)?;
        proof.check(&trusted.keys).map(|checked| (checked, missing))
    });
    match checked {
        Ok((_checked, Some(witness))) => {
            println!("{}: proves NOTHING: {witness} has not cosigned the checkpoint", file.display());
            Ok(NO)
        }
        Ok(((record, checkpoint), None)) => {
            println!("{}", row(&record, str::to_owned));
            println!(
                "record {} of {}, one of {} that were signed",
                record.sequence, record.sandbox, checkpoint.size
            );
            Ok(0)
        }
        Err(error) => {
            println!("{}: proves NOTHING: {}", file.display(), chain(&error));
            Ok(NO)
        }
    }
}

/// The first witness that has not cosigned it.
fn missing<'a>(note: &Note, witnesses: &'a [VerifyingKey]) -> Result<Option<&'a str>, VerifyError> {
    for witness in witnesses {
        if verify::cosigned([Ok(note.clone())], witness)?.is_none() {
            return Ok(Some(witness.name()));
        }
    }
    Ok(None)
}

pub(super) fn checkpoint(log: &Path) -> Result<u8, Failure> {
    let newest = verify::newest_note(log).map_err(|error| bad_log(&error))?;
    let newest = newest.ok_or_else(|| {
        Failure::new(
            format_args!("{} has no checkpoint", log.display()),
            "one is made a second after the first record, unless audit.yaml switches signing off",
        )
    })?;
    print!("{newest}");
    Ok(0)
}
