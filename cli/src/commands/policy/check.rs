//! `openshell policy check`.

use manager::failure::Failure;
use manager::policy::PolicyError;
use policies::lint::{Lint, Severity, lint};
use policies::{LoadError, LoadErrors};
use serde_json::{Value, json};

use super::{load, now, operators, show_mistakes};
use crate::arguments::Check;
use crate::commands::{NO, print_json};

pub(super) fn run(what: &Check) -> Result<u8, Failure> {
    let (document, policy) = match operators().and_then(|files| load(&what.file, &files)) {
        Ok(loaded) => loaded,
        Err(PolicyError::File(failure)) => return Err(failure),
        Err(PolicyError::Mistakes(mistakes)) if what.output.json => {
            print_json(&json!({"rules": Value::Null, "mistakes": listed(&mistakes), "lints": []}))?;
            return Ok(NO);
        }
        Err(PolicyError::Mistakes(mistakes)) => {
            show_mistakes(&mistakes);
            return Ok(NO);
        }
    };
    let lints = lint(&document, &policy, now());
    let count = |severity| lints.iter().filter(|lint| lint.severity == severity).count();
    let (warnings, notes) = (count(Severity::Warning), count(Severity::Note));
    if what.output.json {
        print_json(&json!({"rules": policy.rule_count(), "mistakes": [], "lints": lints}))?;
    } else {
        lints.iter().for_each(show);
        let rules = counted(policy.rule_count(), "network rule");
        let found = format!("{}, {}", counted(warnings, "warning"), counted(notes, "note"));
        println!("{}: {rules}, no mistakes, {found}", what.file.display());
    }
    Ok(if what.strict && warnings > 0 { NO } else { 0 })
}

fn show(lint: &Lint) {
    println!("{lint}\n  remedy: {}", lint.remedy);
}

fn listed(mistakes: &LoadErrors) -> Vec<Value> {
    let one = |mistake: &LoadError| {
        let place = mistake.place();
        json!({
            "file": mistake.file(), "line": place.line, "column": place.column, "key": mistake.key(),
            "cause": mistake.reason(), "remedy": mistake.remedy(),
        })
    };
    mistakes.iter().map(one).collect()
}

pub(super) fn counted(number: usize, what: &str) -> String {
    let many = if number == 1 { "" } else { "s" };
    format!("{number} {what}{many}")
}
