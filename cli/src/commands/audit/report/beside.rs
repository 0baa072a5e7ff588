//! The file beside a report that holds what the report has no room for: every request with classified data, as rows of CSV.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use audit_report::{Beside, Period, is_processing};
use manager::failure::Failure;

use super::super::query::csv;
use super::records;
use crate::commands::cannot_write;

/// Writes it. Of a log that is not whole, what comes before the first bad record, as in the report.
pub(super) fn write(report: &Path, logs: &[PathBuf], period: &Period) -> Result<Beside, Failure> {
    let path = report.with_extension("processing.csv");
    let fails = |error: io::Error| cannot_write(&path, &error);
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(&path);
    let mut file = io::BufWriter::new(file.map_err(fails)?);
    writeln!(file, "{}", csv::HEAD).map_err(fails)?;
    let mut rows = 0;
    for log in logs {
        let (records, _is_cut) = records(log)?;
        for record in records.map_while(Result::ok).filter(|record| is_processing(record, period)) {
            writeln!(file, "{}", csv::row(&record)).map_err(fails)?;
            rows += 1;
        }
    }
    file.flush().map_err(fails)?;
    let written = images::Digest::of_file(&path);
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Beside { file: name, sha256: written.map_err(fails)?.to_string(), rows })
}
