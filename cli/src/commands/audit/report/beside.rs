//! The file beside a report that holds what the report has no room for: every request with classified data, as rows of CSV.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use audit_report::{Beside, Period, is_processing};
use manager::failure::Failure;

use super::super::query::csv;
use super::records;
use crate::commands::cannot_write;

/// Writes it, under the report's whole name and an ending of its own. Of a log that is not whole, what comes before the first bad record,
/// as in the report. What is there under that name is replaced, as the report is, and at no time half written or somebody else's to read.
pub(super) fn write(report: &Path, logs: &[PathBuf], period: &Period) -> Result<Beside, Failure> {
    let named = |ending: &str| {
        let mut name = report.as_os_str().to_owned();
        name.push(ending);
        PathBuf::from(name)
    };
    let (path, new) = (named(".processing.csv"), named(&format!(".processing.{}", std::process::id())));
    let fails = |error: io::Error| cannot_write(&path, &error);
    let written = rows(&new, logs, period).and_then(|rows| {
        let sha256 = images::Digest::of_file(&new).map_err(fails)?;
        fs::rename(&new, &path).map_err(fails)?;
        Ok((rows, sha256))
    });
    let (rows, sha256) = written.inspect_err(|_failed| drop(fs::remove_file(&new)))?;
    let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Beside { file, sha256: sha256.to_string(), rows })
}

fn rows(path: &Path, logs: &[PathBuf], period: &Period) -> Result<u64, Failure> {
    let fails = |error: io::Error| cannot_write(path, &error);
    let file = File::options().write(true).create_new(true).mode(0o600).open(path);
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
    Ok(rows)
}
