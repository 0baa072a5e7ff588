//! `openshell audit verify`.

use std::path::Path;

use audit::log;
use manager::failure::{Failure, chain};

use super::{NO, bad_log};

pub(super) fn verify(path: &Path) -> Result<u8, Failure> {
    match log::verify(path) {
        Ok(summary) => {
            println!(
                "{}: {} records, unbroken; last hash {}",
                path.display(),
                summary.records,
                summary.last_hash
            );
            Ok(0)
        }
        Err(error @ log::LogError::Bad { .. }) => {
            println!("{}: NOT intact: {}", path.display(), chain(&error));
            Ok(NO)
        }
        Err(error) => Err(bad_log(&error)),
    }
}
