//! Every policy that lies in the repository for users comes with the product, under the name that its place gives it.

#![expect(clippy::unwrap_used, reason = "a broken file is a failed test")]

use std::path::{Path, PathBuf};

use policies::document::{Effect, Lists};
use policies::place::At;
use policies::{Document, embedded};

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

/// What the image `base` has. A program that it lacks would never match there: the comment has to say so.
const IN_BASE: [&str; 4] = ["curl", "git", "node", "python3"];

#[test]
fn every_program_is_in_the_image_base_or_named_in_the_comment() {
    for name in embedded::names() {
        let document = parsed(name);
        let entries = document.network.iter().filter_map(|rule| rule.value.binary.as_ref());
        for program in entries.flat_map(|binary| &binary.value.allow) {
            let file = program.value.rsplit('/').next().unwrap();
            assert!(
                IN_BASE.contains(&program.value.as_str()) || comment(name).contains(file),
                "{name}: '{}' is not in the image 'base'; say so in the comment",
                program.value
            );
        }
    }
}

#[test]
fn every_policy_says_first_what_is_left_out() {
    for name in embedded::names() {
        assert!(comment(name).to_lowercase().contains("left out"), "{name}");
    }
}

#[test]
fn nothing_is_allowed_by_a_wildcard_method_or_host() {
    for name in embedded::names() {
        // What only denies allows nothing, and is the better the wider it is.
        for rule in parsed(name).network.iter().filter(|rule| rule.value.effect == Effect::Grant) {
            let allowed = |level: &Option<At<Lists>>| {
                let lists = level.as_ref().unwrap();
                lists.value.allow.iter().map(|entry| entry.value.clone()).collect::<Vec<_>>()
            };
            assert!(!allowed(&rule.value.method).contains(&"*".to_owned()), "{name}");
            for host in allowed(&rule.value.destination) {
                assert!(!host.contains('*'), "{name}: {host}");
            }
        }
    }
}

/// Registries are variables: the same preset serves the public one and a mirror.
#[test]
fn presets_of_package_registries_name_no_host() {
    for name in ["npm", "pypi", "apt", "crates", "go", "brew"] {
        for rule in &parsed(&format!("preset/{name}")).network {
            for host in &rule.value.destination.as_ref().unwrap().value.allow {
                assert!(host.value.starts_with("${registry."), "{name}: {}", host.value);
            }
        }
    }
}

#[test]
fn a_variable_that_nothing_defines_is_named_with_its_remedy() {
    let text = "version: 1\nextends: tier/open\nvariables: {registry.npm: a.example, registry.pypi: b.example, \
                registry.pypi.files: c.example, jira.tenant: acme}\n";
    let document = Document::parse(text, "policy.yaml").unwrap();
    let errors = policies::compose(document, &policies::NoFiles).unwrap_err();
    assert!(errors.iter().all(|error| error.to_string().contains("${telegram.bot}")), "{errors}");
    assert!(errors.iter().all(|error| error.remedy().contains("variables: {telegram.bot: …}")));
    assert!(errors.first().file().contains("preset/telegram"), "{errors}");
    // An id of digits needs no quotes.
    let whole = text.replace("jira.tenant: acme", "jira.tenant: acme, telegram.bot: 123456");
    let document = Document::parse(&whole, "policy.yaml").unwrap();
    let resolved = policies::compose(document, &policies::NoFiles).unwrap();
    assert!(policies::Policy::compile(&resolved).unwrap().rule_count() > 20);
}

fn parsed(name: &str) -> Document {
    Document::parse(embedded::text(name).unwrap(), name).unwrap()
}

/// The lines of the file before the first that is no comment.
fn comment(name: &str) -> String {
    let lines = embedded::text(name).unwrap().lines().take_while(|line| line.starts_with('#'));
    lines.collect::<Vec<_>>().join("\n")
}
