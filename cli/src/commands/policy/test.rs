//! `openshell policy test`: tables of requests and verdicts, held against a policy.

mod junit;

use std::path::{Path, PathBuf};

use manager::failure::Failure;
use manager::policy::PolicyFiles;
use policies::table::Table;

use super::check::counted;
use super::{load, operators, write};
use crate::arguments::Test;
use crate::commands::NO;

/// A table, held against the policy.
struct Suite {
    table: String,
    cases: Vec<Case>,
}

/// One row of it.
struct Case {
    line: usize,
    request: String,
    expected: String,
    got: String,
}

pub(super) fn run(what: &Test) -> Result<u8, Failure> {
    let beside = [what.file.with_extension("table")];
    let tables: &[PathBuf] = if what.tables.is_empty() { &beside } else { &what.tables };
    let suites: Vec<Suite> = tables.iter().map(|table| suite(&what.file, table)).collect::<Result<_, _>>()?;
    if let Some(path) = &what.junit {
        write(path, junit::report(&suites).map_err(|error| super::fault(&error))?)?;
    }
    Ok(show(&suites))
}

fn suite(policy: &Path, path: &Path) -> Result<Suite, Failure> {
    let text = manager::policy::read(path).map_err(|failure| {
        Failure::new(
            failure.cause,
            "name a table that exists, or put one beside the policy: NAME.table for NAME.yaml",
        )
    })?;
    let table = Table::parse(&text, super::now())
        .map_err(|error| Failure::new(format_args!("{}: {error}", path.display()), &error.remedy))?;
    // A table that says what variables stand for has the same verdicts everywhere.
    let files = match table.variables.is_empty() {
        true => operators()?,
        false => PolicyFiles::from(table.variables.clone()),
    };
    let (_document, policy) = load(policy, &files)?;
    let case = |row: &policies::table::Row| {
        let request = row.text.strip_suffix(&row.expected).unwrap_or(&row.text).trim_end().to_owned();
        Case { line: row.line, request, expected: row.expected.clone(), got: row.verdict(&policy) }
    };
    Ok(Suite { table: path.display().to_string(), cases: table.rows.iter().map(case).collect() })
}

impl Case {
    fn holds(&self) -> bool {
        self.got == self.expected
    }
}

fn show(suites: &[Suite]) -> u8 {
    let all: Vec<(&str, &Case)> =
        suites.iter().flat_map(|suite| suite.cases.iter().map(|case| (suite.table.as_str(), case))).collect();
    let wrong: Vec<[String; 4]> = all
        .iter()
        .filter(|(_table, case)| !case.holds())
        .map(|(table, case)| {
            [format!("{table}:{}", case.line), case.expected.clone(), case.got.clone(), case.request.clone()]
        })
        .collect();
    if !wrong.is_empty() {
        print_table(&wrong);
    }
    let asked = counted(all.len(), "request");
    match (all.len(), wrong.len()) {
        (0, _) => {
            println!("no request in the table: nothing was tested");
            NO
        }
        (_, 0) => {
            println!("{asked}, every verdict as expected");
            0
        }
        (_, number) => {
            println!("{asked}, {} not as expected", counted(number, "verdict"));
            NO
        }
    }
}

fn print_table(rows: &[[String; 4]]) {
    let head = ["where", "expected", "got", "request"].map(str::to_owned);
    let width = |column: usize| {
        rows.iter().chain([&head]).map(|row| row[column].chars().count()).max().unwrap_or_default()
    };
    let widths = [width(0), width(1), width(2)];
    for [place, expected, got, request] in [&head].into_iter().chain(rows) {
        let [first, second, third] = widths;
        println!("{place:first$}  {expected:second$}  {got:third$}  {request}");
    }
}
