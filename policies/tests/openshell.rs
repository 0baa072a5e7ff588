//! Policies of OpenShell: what their import reports, and what it refuses. What the imported policies decide
//! stands in `verdicts/openshell/*.table`; beside each is what its import must report: `NAME.lints`.

use std::path::Path;

use policies::import::openshell::import;

/// The findings of each policy, one to a line: `LINE LINT SUBJECT`.
#[test]
fn every_policy_reports_its_lints() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts/openshell");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let policies: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml")).collect();
    assert!(policies.len() >= 4);
    for file in policies {
        let text = std::fs::read_to_string(&file).unwrap();
        let imported = import(&text, "x.yaml").unwrap();
        let lines = imported.report.iter().map(|finding| {
            assert!(!finding.message.is_empty() && !finding.remedy.is_empty(), "{finding}");
            format!("{} {} {}\n", finding.place.line, finding.lint, finding.subject)
        });
        let found: String = lines.collect();
        let expected = std::fs::read_to_string(file.with_extension("lints")).unwrap_or_default();
        assert_eq!(found, expected, "{}", file.display());
    }
}
