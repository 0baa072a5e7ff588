//! `openshell policy import`: a policy of another engine becomes one of ours.

use std::fs;
use std::path::Path;

use manager::failure::Failure;
use policies::import::{Finding, Imported, openshell};
use serde_json::json;

use crate::arguments::{Import, ReportForm};
use crate::commands::NO;

pub(super) fn run(import: &Import) -> Result<u8, Failure> {
    let text = fs::read_to_string(&import.file).map_err(|error| {
        Failure::new(
            format_args!("cannot read {}: {error}", import.file.display()),
            "name a file that exists and is readable",
        )
    })?;
    match openshell::import(&text, &import.file.display().to_string()) {
        Ok(imported) => {
            write(&imported, import.output.as_deref())?;
            report(&imported, import.report)?;
            Ok(0)
        }
        Err(mistakes) => {
            super::show_mistakes(&mistakes);
            Ok(NO)
        }
    }
}

fn write(imported: &Imported, output: Option<&Path>) -> Result<(), Failure> {
    let text = imported
        .to_yaml()
        .map_err(|error| Failure::new(error, "this is a fault of openshell: please report it"))?;
    let Some(output) = output else {
        print!("{text}");
        return Ok(());
    };
    fs::write(output, text).map_err(|error| {
        Failure::new(
            format_args!("cannot write {}: {error}", output.display()),
            "name a file in a directory that exists and is writable",
        )
    })
}

/// The policy goes to standard output, so the report goes to standard error.
fn report(imported: &Imported, form: ReportForm) -> Result<(), Failure> {
    let Imported { document, report } = imported;
    match form {
        ReportForm::Text => {
            for finding in report {
                eprintln!("{}:{finding}\n  remedy: {}", document.file(), finding.remedy);
            }
            eprintln!("{} network rules, {} findings", document.network.len(), report.len());
        }
        ReportForm::Json => {
            let findings: Vec<_> = report.iter().map(as_json).collect();
            let report =
                json!({"file": document.file(), "rules": document.network.len(), "findings": findings});
            let text = serde_json::to_string_pretty(&report);
            eprintln!(
                "{}",
                text.map_err(|error| Failure::new(error, "this is a fault of openshell: please report it"))?
            );
        }
    }
    Ok(())
}

fn as_json(finding: &Finding) -> serde_json::Value {
    let Finding { lint, place, subject, message, remedy } = finding;
    json!({
        "lint": lint.name(), "line": place.line, "column": place.column,
        "subject": subject, "message": message, "remedy": remedy,
    })
}
