//! Tables of requests and the verdicts that their policy must give: `NAME.yaml` is the policy, `NAME.table`
//! the requests (see [`policies::table`]), in `verdicts/` and beside the policies that come with the product.
//! Those in `verdicts/openshell/` are policies of that engine, imported.

#![expect(clippy::unwrap_used, reason = "a broken table is a failed test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use policies::table::{Row, Table};
use policies::{
    Asked, Decision, DestinationDecision, Document, FileText, Files, Level, NameDecision, Policy, Timestamp,
};

/// Files beside the policy, and the variables of its table.
struct Beside {
    folder: PathBuf,
    variables: BTreeMap<String, Vec<String>>,
}

#[test]
fn every_table_holds() {
    let mut rows = 0;
    let mut wrong = Vec::new();
    for path in tables() {
        let (policy, table) = load(&path);
        for row in &table.rows {
            rows += 1;
            let got = row.verdict(&policy);
            if got != row.expected {
                wrong.push(format!("{}:{}: {got}, not {}", path.display(), row.line, row.expected));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows >= 900, "only {rows} rows");
}

/// The questions about flows and names must never refuse what a request would be allowed, and must
/// refuse what fails at its first two levels.
#[test]
fn flow_and_name_questions_agree_with_every_row() {
    for path in tables() {
        let (policy, table) = load(&path);
        table.rows.iter().for_each(|row| agrees(&policy, row, &format!("{}:{}", path.display(), row.line)));
    }
}

fn agrees(policy: &Policy, row: &Row, context: &str) {
    if row.refused().is_some() {
        return;
    }
    let request = row.request();
    let (destination, now) = (request.destination, request.now);
    let flow = policy.decide_destination(Asked { subject: request.subject, destination, now });
    match policy.decide(&request) {
        Decision::Allow(permit) => {
            assert!(matches!(flow, DestinationDecision::Possible), "{context}");
            assert!(matches!(policy.decide_name(destination.host, now), NameDecision::Possible), "{context}");
            let permitted = (permit.host(), permit.port(), permit.method(), permit.path());
            assert_eq!(
                permitted,
                (destination.host, destination.port, request.method, request.path),
                "{context}"
            );
        }
        Decision::Deny(denial) => {
            assert!(!denial.reason().is_empty() && !denial.hint().is_empty(), "{context}");
            let early = denial.level() <= Level::Destination;
            let refused = matches!(flow, DestinationDecision::Deny(_));
            assert_eq!(refused, early, "{context}: {flow:?}");
        }
    }
}

/// A policy that comes with the product and has no table would be a claim without a test.
#[test]
fn every_embedded_policy_has_a_table() {
    for name in policies::embedded::names() {
        let file = file_of(name);
        let table = std::fs::read_to_string(file.with_extension("table")).unwrap();
        let [allows, denies] = [" allow ", " deny "].map(|verdict| table.matches(verdict).count());
        assert!(allows >= 5 && denies >= 10, "{name}: {allows} allowed, {denies} denied");
    }
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where tables lie: the crate's own tests first, then what comes with the product.
fn folders() -> impl Iterator<Item = PathBuf> {
    ["tests/verdicts", "../presets", "tiers", "profiles", "."].into_iter().map(|folder| here().join(folder))
}

fn file_of(name: &str) -> PathBuf {
    let (kind, file) = name.split_once('/').unwrap();
    let folder = match kind {
        "preset" => "../presets",
        "tier" => "tiers",
        "profile" => "profiles",
        _ => ".",
    };
    here().join(folder).join(file).with_extension("yaml")
}

fn files_in(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == kind)).collect()
}

fn tables() -> Vec<PathBuf> {
    let folders = folders().chain([here().join("tests/verdicts/openshell")]);
    let mut tables: Vec<PathBuf> = folders.flat_map(|folder| files_in(&folder, "table")).collect();
    tables.sort();
    tables
}

fn load(table: &Path) -> (Policy, Table) {
    let context = |error: &dyn std::fmt::Display| format!("{}: {error}", table.display());
    let rows = Table::parse(&std::fs::read_to_string(table).unwrap(), Timestamp::default());
    let rows = rows.unwrap_or_else(|error| panic!("{}", context(&error)));
    let file = table.with_extension("yaml");
    let document = document(&std::fs::read_to_string(&file).unwrap(), &file);
    let beside = Beside { folder: table.parent().unwrap().to_owned(), variables: rows.variables.clone() };
    let document = policies::compose(document, &beside).unwrap_or_else(|errors| panic!("{errors}"));
    let policy = Policy::compile(&document).unwrap_or_else(|errors| panic!("{errors}"));
    // What the proxy gets is the network part written out again: it must mean the same.
    let again = Document::parse(&document.dynamic_text().unwrap(), "written again").unwrap();
    let again = Policy::compile(&again).unwrap();
    assert_eq!(again.rule_count(), policy.rule_count());
    for row in &rows.rows {
        assert_eq!(
            row.verdict(&again),
            row.verdict(&policy),
            "{}:{}: written again",
            table.display(),
            row.line
        );
    }
    (policy, rows)
}

/// Files in `openshell/` are policies of that engine: imported, written out and read again.
fn document(text: &str, file: &Path) -> Document {
    let name = file.display().to_string();
    let read = if file.parent().is_some_and(|folder| folder.ends_with("openshell")) {
        policies::import::openshell::import(text, &name)
            .and_then(|imported| Document::parse(&imported.to_yaml().unwrap(), "imported"))
    } else {
        Document::parse(text, &name)
    };
    read.unwrap_or_else(|errors| panic!("{errors}"))
}

impl Files for Beside {
    fn read(&self, _base: &str, path: &str) -> Result<FileText, String> {
        let path = self.folder.join(path);
        let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
        Ok(FileText { name: path.display().to_string(), text })
    }

    fn variable(&self, name: &str) -> Option<Vec<String>> {
        self.variables.get(name).cloned()
    }
}
