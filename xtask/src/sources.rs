//! What the compiler does not check in the sources: sizes, names, words that do not belong there, and where
//! `unsafe` may stand.

mod cycles;

use std::path::Path;

use anyhow::{Result, ensure};

use crate::workspace::Workspace;

/// Lines of a file without its tests.
const LONGEST_FILE: usize = 600;
/// A module named after nothing that it owns.
const EMPTY_NAMES: [&str; 6] = ["mod", "common", "utils", "util", "helpers", "misc"];
/// Words of unfinished work. (In pieces here, or this file would find itself.)
const UNFINISHED: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
/// Registries belong to the configuration of the machine, never into the project.
const REGISTRIES: [&str; 6] = [
    concat!("deb.debian", ".org"),
    concat!("security.debian", ".org"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("pythonhosted", ".org"),
    concat!("registry.npmjs", ".org"),
];
/// Folders and files whose code may be unsafe.
const MAY_BE_UNSAFE: [&str; 8] = [
    "vmm/src/",
    "vmm/arch/src/",
    "vmm/virtio/src/queue",
    "vmm/virtio/src/memory",
    "jail/src/",
    "jail/tests/",
    "guest-init/src/sys",
    "router/src/nvml",
];

/// Checks every file of the workspace; returns the summary.
pub(crate) fn check(workspace: &Workspace) -> Result<String> {
    let mut wrong = Vec::new();
    let mut modules = Vec::new();
    let files = workspace.files()?;
    for file in &files {
        let Some(text) = workspace.text(file)? else { continue };
        wrong.extend(registries(file, &text));
        if file.extension().is_some_and(|extension| extension == "rs") {
            wrong.extend(source(file, &text));
            modules.push((file.clone(), text));
        }
    }
    wrong.extend(cycles::find(&modules));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(format!("{} files, {} of them Rust", files.len(), modules.len()))
}

/// A registry's host name, in whatever file. Cargo's lock file names its own source.
fn registries(file: &Path, text: &str) -> Vec<String> {
    if file.file_name().is_some_and(|name| name == "Cargo.lock") {
        return Vec::new();
    }
    lines_with(
        file,
        text,
        |line| REGISTRIES.iter().any(|host| line.contains(host)),
        "names a package registry",
    )
}

/// The rules for Rust sources.
fn source(file: &Path, text: &str) -> Vec<String> {
    let shown = file.display();
    let mut wrong = Vec::new();
    let length = length(file, text);
    if length > LONGEST_FILE {
        wrong.push(format!(
            "{shown}: {length} lines without tests, {LONGEST_FILE} are the limit: a type is missing"
        ));
    }
    if file.file_stem().is_some_and(|stem| EMPTY_NAMES.iter().any(|name| stem == *name)) {
        wrong.push(format!("{shown}: a module is named for what it owns"));
    }
    if !text.starts_with("//!") && !is_test(file) {
        wrong.push(format!("{shown}:1: a module opens with //! and says what it owns"));
    }
    let allow = concat!("[", "allow(");
    wrong.extend(lines_with(
        file,
        text,
        |line| line.contains(allow),
        "use expect with a reason instead of allow",
    ));
    wrong.extend(lines_with(file, text, unfinished, "unfinished work: finish it or open an issue"));
    if !MAY_BE_UNSAFE.iter().any(|prefix| shown.to_string().starts_with(prefix)) {
        wrong.extend(lines_with(file, text, is_unsafe, "unsafe code has no place in this module"));
    }
    wrong
}

/// The lines that count: all of them up to the unit tests at the end.
fn length(file: &Path, text: &str) -> usize {
    if is_test(file) {
        return 0;
    }
    let lines: Vec<&str> = text.lines().collect();
    let tests = lines.windows(2).position(|pair| pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod "));
    tests.unwrap_or(lines.len())
}

/// `foo/tests.rs`, `foo/tests/…` and the integration tests of a package.
fn is_test(file: &Path) -> bool {
    let in_tests = |folder: &Path| folder.file_name().is_some_and(|name| name == "tests");
    file.file_name().is_some_and(|name| name == "tests.rs")
        || file.parent().is_some_and(|folder| folder.components().count() > 1 && in_tests(folder))
}

fn unfinished(line: &str) -> bool {
    line.split(|letter: char| !letter.is_ascii_alphanumeric()).any(|word| UNFINISHED.contains(&word))
}

fn is_unsafe(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let words: Vec<&str> = code.split_whitespace().collect();
    words
        .windows(2)
        .any(|pair| pair[0] == "unsafe" && ["{", "fn", "impl", "extern", "trait"].contains(&pair[1]))
}

fn lines_with(file: &Path, text: &str, is_wrong: impl Fn(&str) -> bool, why: &str) -> Vec<String> {
    let numbered = text.lines().zip(1..).filter(|(line, _)| is_wrong(line));
    numbered.map(|(_, number)| format!("{}:{number}: {why}", file.display())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(file: &str, text: &str) -> Vec<String> {
        source(Path::new(file), text)
    }

    #[test]
    fn a_clean_file_passes() {
        assert_eq!(
            wrong("jail/src/a.rs", "//! Owns a.\nfn main() { unsafe { go() } }\n"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn tests_do_not_count_as_lines() {
        let long = "x\n".repeat(601);
        assert_eq!(wrong("wire/src/a.rs", &format!("//! A.\n{long}")).len(), 1);
        assert!(
            wrong("wire/src/a.rs", &format!("//! A.\n#[cfg(test)]\nmod tests {{\n{long}}}\n")).is_empty()
        );
        assert!(wrong("wire/src/a/tests.rs", &long).is_empty());
        assert!(wrong("tests/scenarios/tests/a.rs", &long).is_empty());
        assert_eq!(wrong("tests/scenarios/src/a.rs", &format!("//! A.\n{long}")).len(), 1);
    }

    #[test]
    fn each_rule_finds_its_case() {
        assert_eq!(wrong("wire/src/helpers.rs", "//! Helps.\n").len(), 1);
        assert_eq!(wrong("wire/src/a/mod.rs", "//! A.\n").len(), 1);
        assert_eq!(wrong("wire/src/a.rs", "fn main() {}\n").len(), 1);
        assert_eq!(wrong("wire/src/a.rs", concat!("//! A.\n#[", "allow(dead_code)]\n")).len(), 1);
        assert_eq!(
            wrong("wire/src/a.rs", concat!("//! A.\n// TO", "DO: more\n")),
            ["wire/src/a.rs:2: unfinished work: finish it or open an issue"]
        );
        assert_eq!(wrong("wire/src/a.rs", "//! A.\nfn f() { unsafe { g() } }\n").len(), 1);
        assert_eq!(wrong("vmm/virtio/src/block.rs", "//! A.\nunsafe impl Send for A {}\n").len(), 1);
        assert!(
            wrong("wire/src/a.rs", "//! A.\n// an unsafe { block }\n#![forbid(unsafe_code)]\n").is_empty()
        );
    }

    #[test]
    fn registries_are_found_in_any_file() {
        let text = concat!("see https://crates", ".io/x");
        assert_eq!(registries(Path::new("README.md"), text).len(), 1);
        assert!(registries(Path::new("Cargo.lock"), text).is_empty());
    }
}
