//! Every policy that lies in the repository for users comes with the product, under the name that its place gives it.

#![expect(clippy::unwrap_used, reason = "a broken file is a failed test")]

use std::path::{Path, PathBuf};

use policies::embedded;

/// Folder, and how `extends` calls what is in it.
const FOLDERS: [(&str, &str); 3] = [("../presets", "preset"), ("tiers", "tier"), ("profiles", "profile")];
/// A single file of the same kind.
const BASELINE: (&str, &str) = ("openclaw-sandbox.yaml", "baseline/openclaw-sandbox");

#[test]
fn every_policy_file_is_embedded_under_its_name() {
    let files = files();
    for (name, path) in &files {
        assert_eq!(embedded::text(name), Some(std::fs::read_to_string(path).unwrap().as_str()), "{name}");
    }
    let mut names: Vec<&str> = files.iter().map(|(name, _path)| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(embedded::names().collect::<Vec<_>>(), names, "sorted, and nothing that has no file");
}

#[test]
fn an_unknown_name_has_no_text() {
    for name in ["", "slack", "preset/", "preset/Slack", "preset/slack.yaml", "preset/../tier/open", "zzz"] {
        assert_eq!(embedded::text(name), None, "{name}");
    }
}

fn files() -> Vec<(String, PathBuf)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for (folder, kind) in FOLDERS {
        let Ok(entries) = std::fs::read_dir(here.join(folder)) else { continue };
        let paths = entries.map(|entry| entry.unwrap().path());
        let policies = paths.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
        files.extend(policies.map(|path| (format!("{kind}/{}", path.file_stem().unwrap().display()), path)));
    }
    let baseline = here.join(BASELINE.0);
    if baseline.exists() {
        files.push((BASELINE.1.to_owned(), baseline));
    }
    files
}
