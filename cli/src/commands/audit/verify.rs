//! `openshell audit verify`.

use std::path::{Path, PathBuf};

use audit::checkpoint::{Note, VerifyingKey};
use audit::log::{Fault, LogError};
use audit::verify::{self, LastNote, Notes, Verified, VerifyError};
use manager::failure::{Failure, chain};

use super::keys::Trusted;
use super::{NO, bad_log, read_notes};

pub(super) fn verify(path: &Path, trusted: &Trusted, others: &[PathBuf]) -> Result<u8, Failure> {
    let keys = &trusted.keys;
    let mut kept = Vec::new();
    for file in others {
        kept.extend(read_notes(file)?);
    }
    if keys.is_empty() && (!kept.is_empty() || verify::newest_note(path).is_ok_and(|note| note.is_some())) {
        return Err(Failure::new("no key is known here", "name the key of whoever signed with --key"));
    }
    match verify::verify(path, keys, &kept) {
        Ok(verified) => {
            tell(path, &verified);
            witnessed(path, &kept, &trusted.witnesses)
        }
        Err(VerifyError::Log(error @ (LogError::Open(_) | LogError::Read { .. }))) => Err(bad_log(&error)),
        Err(error @ VerifyError::Read(..)) => Err(bad_log(&error)),
        Err(error) => {
            println!("{}: NOT intact: {}", path.display(), chain(&error));
            if matches!(error, VerifyError::Log(LogError::Bad { fault: Fault::Unfinished, .. })) {
                println!("`openshell audit recover` closes a log whose writer or machine was stopped");
            }
            Ok(NO)
        }
    }
}

/// Whether every witness has cosigned a checkpoint of the log, here or kept elsewhere.
fn witnessed(path: &Path, kept: &[Note], witnesses: &[VerifyingKey]) -> Result<u8, Failure> {
    let mut answer = 0;
    for witness in witnesses {
        let own = Notes::of(path).map_err(|error| bad_log(&error))?;
        match verify::cosigned(kept.iter().cloned().map(Ok).chain(own), witness) {
            Ok(Some(checkpoint)) => println!("cosigned by {}: {} records", witness.name(), checkpoint.size),
            Ok(None) => {
                println!("NOT cosigned by {}", witness.name());
                answer = NO;
            }
            Err(error) => {
                println!("NOT cosigned by {}: {}", witness.name(), chain(&error));
                answer = NO;
            }
        }
    }
    Ok(answer)
}

fn tell(path: &Path, verified: &Verified) {
    let summary = &verified.summary;
    let path = path.display();
    if summary.first > 1 {
        println!(
            "{path}: records {} to {}, unbroken; last hash {}",
            summary.first, summary.records, summary.last_hash
        );
        let under = verified.removed_under.map_or_else(
            || "no checkpoint covers them".to_owned(),
            |size| format!("the checkpoint over {size} records shows what they were"),
        );
        println!(
            "records 1 to {} were removed for their age, which the log records; {under}",
            summary.first - 1
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
