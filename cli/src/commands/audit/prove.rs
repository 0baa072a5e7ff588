//! `openshell audit prove`, `check-proof` and `checkpoint`.

use std::fs;
use std::path::Path;

use audit::checkpoint::VerifyingKey;
use audit::verify::{self, Proof, ProofError};
use manager::failure::{Failure, chain};

use super::line::line;
use super::{NO, write as write_file};

pub(super) fn prove(log: &Path, record: u64, keys: &[VerifyingKey]) -> Result<Proof, Failure> {
    verify::prove(log, record, keys).map_err(|error| {
        let remedy = match &error {
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

pub(super) fn write(proof: &Proof, output: Option<&Path>) -> Result<u8, Failure> {
    match output {
        Some(file) => write_file(file, &proof.to_string())?,
        None => print!("{proof}"),
    }
    Ok(0)
}

pub(super) fn check(file: &Path, keys: &[VerifyingKey]) -> Result<u8, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format_args!("cannot read {}: {error}", file.display()), "name the file of a proof")
    })?;
    if keys.is_empty() {
        return Err(Failure::new("no key is known here", "name the key of whoever signed with --key"));
    }
    match text.parse::<Proof>().and_then(|proof| proof.check(keys)) {
        Ok((record, checkpoint)) => {
            println!("{}", line(&record));
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

pub(super) fn checkpoint(log: &Path) -> Result<u8, Failure> {
    let remedy = "openshell audit verify names the first thing that is wrong";
    let (notes, _last) = verify::notes(log).map_err(|error| Failure::new(chain(&error), remedy))?;
    let newest = notes.last().ok_or_else(|| {
        Failure::new(
            format_args!("{} has no checkpoint", log.display()),
            "one is made a second after the first record, unless audit.yaml switches signing off",
        )
    })?;
    print!("{newest}");
    Ok(0)
}
