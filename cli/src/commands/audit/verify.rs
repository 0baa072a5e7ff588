//! `openshell audit verify`.

use std::fs;
use std::path::{Path, PathBuf};

use audit::checkpoint::{Note, VerifyingKey};
use audit::log::LogError;
use audit::verify::{self, LastNote, Verified, VerifyError};
use manager::failure::{Failure, chain};

use super::{NO, bad_log};

pub(super) fn verify(path: &Path, keys: &[VerifyingKey], others: &[PathBuf]) -> Result<u8, Failure> {
    let mut kept = Vec::new();
    for file in others {
        kept.extend(read_notes(file)?);
    }
    if keys.is_empty() && (!kept.is_empty() || verify::notes(path).is_ok_and(|(notes, _)| !notes.is_empty()))
    {
        return Err(Failure::new("no key is known here", "name the key of whoever signed with --key"));
    }
    match verify::verify(path, keys, &kept) {
        Ok(verified) => {
            tell(path, &verified);
            Ok(0)
        }
        Err(VerifyError::Log(error @ (LogError::Open(_) | LogError::Read { .. }))) => Err(bad_log(&error)),
        Err(error @ VerifyError::Read(..)) => Err(bad_log(&error)),
        Err(error) => {
            println!("{}: NOT intact: {}", path.display(), chain(&error));
            Ok(NO)
        }
    }
}

fn tell(path: &Path, verified: &Verified) {
    let summary = &verified.summary;
    let path = path.display();
    if summary.first > 1 {
        println!(
            "{path}: records {} to {}, unbroken; those before were removed",
            summary.first, summary.records
        );
    } else {
        println!("{path}: {} records, unbroken; last hash {}", summary.records, summary.last_hash);
    }
    let Some(newest) = &verified.newest else {
        println!("not signed: whoever can write the log can make it anew, and cut off its end unseen");
        return;
    };
    println!(
        "signed: {} checkpoints; the newest covers {} of {} records, root {}",
        verified.checkpoints, newest.size, summary.records, newest.root
    );
    if verified.last == LastNote::Unfinished {
        println!(
            "the last checkpoint is unfinished: the signer was stopped while it wrote, or its end was edited"
        );
    }
}

fn read_notes(file: &Path) -> Result<Vec<Note>, Failure> {
    let text = fs::read_to_string(file).map_err(|error| {
        Failure::new(format_args!("cannot read {}: {error}", file.display()), "name a file of checkpoints")
    })?;
    // One note as `openshell audit checkpoint` prints it, or many as a log keeps them.
    let many = if text.ends_with("\n\n") { text } else { text + "\n" };
    Note::parse_all(&many).map(|(notes, _rest)| notes).map_err(|(number, error)| {
        Failure::new(
            format_args!("{}: checkpoint {number}: {}", file.display(), chain(&error)),
            "name a file of checkpoints, as `openshell audit checkpoint` prints them",
        )
    })
}
