use crate::document::Document;
use crate::{Policy, compose, embedded};

const BASE: &str = "version: 1\nfilesystem:\n  read: [/opt/base]\nnetwork:\n  - name: r\n    binary: {allow: [curl]}\n    \
                    destination: {allow: [a.example.com]}\n    method: {allow: [GET]}\n    path: {allow: [\"/**\"], deny: [/x]}\n";
const OWN: &str = "version: 1\nextends: ./base.yaml\nfilesystem:\n  read: [/opt/own]\nnetwork:\n  - name: s\n    \
                   binary: {allow: [node]}\n    destination: {allow: [b.example.com]}\n    method: {allow: [GET]}\n    \
                   path: {allow: [\"/b: c\"]}\n";

fn resolved() -> Document {
    compose(Document::parse(&OWN.replace("/b: c", "/b"), "own.yaml").unwrap(), &Base).unwrap()
}

#[test]
fn every_entry_says_where_it_was_written() {
    let text = resolved().with_origins().unwrap();
    for line in [
        "- /opt/base # ./base.yaml:3",
        "- /opt/own # own.yaml:4",
        "name: r # ./base.yaml:5",
        "- curl # ./base.yaml:6",
        "- a.example.com # ./base.yaml:7",
        "- /x # ./base.yaml:9",
        "name: s # own.yaml:6",
        "- /b # own.yaml:10",
    ] {
        assert!(
            text.lines().any(|shown| shown.trim_start_matches([' ', '-']) == line.trim_start_matches("- ")),
            "{line}\n{text}"
        );
    }
    assert!(!resolved().dynamic_text().unwrap().contains('#'), "origins are not written elsewhere");
}

#[test]
fn what_is_shown_loads_again_as_the_same_policy() {
    for name in embedded::names() {
        let text = format!("version: 1\nextends: {name}\n");
        let Ok(document) = compose(Document::parse(&text, "own.yaml").unwrap(), &Everything) else {
            continue;
        };
        let shown = document.with_origins().unwrap();
        let again = Document::parse(&shown, "shown.yaml")
            .unwrap_or_else(|errors| panic!("{name}: {errors}\n{shown}"));
        Policy::compile(&again).unwrap_or_else(|errors| panic!("{name}: {errors}"));
        assert_eq!(again.dynamic_text().unwrap(), document.dynamic_text().unwrap(), "{name}");
    }
    let again = Document::parse(&resolved().with_origins().unwrap(), "shown.yaml").unwrap();
    assert_eq!(again.filesystem.unwrap().read.len(), 2);
}

#[test]
fn rules_are_listed_with_their_origin() {
    let origins = resolved().rule_origins();
    let lines: Vec<String> = origins.iter().map(|rule| format!("{} {}", rule.rule, rule.origin)).collect();
    assert_eq!(lines, ["r ./base.yaml:5", "s own.yaml:6"]);
}

/// The one file that [`OWN`] extends.
struct Base;

impl crate::Files for Base {
    fn read(&self, _base: &str, path: &str) -> Result<crate::FileText, String> {
        Ok(crate::FileText { name: path.to_owned(), text: BASE.to_owned() })
    }

    fn variable(&self, _name: &str) -> Option<Vec<String>> {
        None
    }
}

/// Defines every variable.
struct Everything;

impl crate::Files for Everything {
    fn read(&self, _base: &str, _path: &str) -> Result<crate::FileText, String> {
        Err("no file".to_owned())
    }

    fn variable(&self, _name: &str) -> Option<Vec<String>> {
        Some(vec!["acme".to_owned()])
    }
}
