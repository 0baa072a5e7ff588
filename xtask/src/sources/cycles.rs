//! Cycles between the modules of a crate. Only the crate's own top-level modules count: a module and its children
//! are one thing. An import is a `crate::name` anywhere in the module's code, its tests excepted.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Module → the modules that it imports.
type Imports = BTreeMap<String, BTreeSet<String>>;

/// Says for every crate which of its modules import each other in a ring.
pub(super) fn find(files: &[(PathBuf, String)]) -> Vec<String> {
    let mut crates: BTreeMap<PathBuf, Imports> = BTreeMap::new();
    for (file, text) in files {
        if let Some((source, module)) = place(file) {
            crates.entry(source).or_default().entry(module).or_default().extend(imports(text));
        }
    }
    crates.iter().flat_map(|(source, imports)| rings(source, imports)).collect()
}

/// The crate's `src` folder and the top-level module that a file belongs to.
fn place(file: &Path) -> Option<(PathBuf, String)> {
    let parts: Vec<&str> = file.iter().filter_map(|part| part.to_str()).collect();
    let source = parts.iter().rposition(|part| *part == "src")?;
    let module = parts.get(source + 1)?.trim_end_matches(".rs");
    // The roots name their modules, and binaries import the library by its name.
    let is_root = ["lib", "main", "bin"].contains(&module);
    (!is_root && parts.last() != Some(&"tests.rs"))
        .then(|| (parts[..=source].iter().collect(), module.to_owned()))
}

/// The first names behind `crate::` in the code before the unit tests.
fn imports(text: &str) -> BTreeSet<String> {
    let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.flat_map(|line| line.split("crate::").skip(1)).flat_map(first_names).collect()
}

/// `a::b` → a; `{a::b, c}` → a, c.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start()
            .chars()
            .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
            .collect()
    };
    match path.strip_prefix('{') {
        Some(list) => list.split(',').map(name).collect(),
        None => vec![name(path)],
    }
}

/// Names one ring per group of modules that reach each other.
fn rings(source: &Path, imports: &Imports) -> Vec<String> {
    let mut told: BTreeSet<&String> = BTreeSet::new();
    let mut found = Vec::new();
    for module in imports.keys() {
        let ring: Vec<&String> = reachable(imports, module)
            .into_iter()
            .filter(|other| *other == module || reachable(imports, other).contains(module))
            .collect();
        if ring.len() > 1 && told.insert(ring[0]) {
            let names: Vec<&str> = ring.iter().map(|name| name.as_str()).collect();
            found.push(format!(
                "{}: these modules import each other in a ring: {}",
                source.display(),
                names.join(", ")
            ));
        }
    }
    found
}

/// Everything that `from` imports, directly or not.
fn reachable<'a>(imports: &'a Imports, from: &str) -> BTreeSet<&'a String> {
    let mut seen: BTreeSet<&String> = BTreeSet::new();
    let mut open = vec![from];
    while let Some(module) = open.pop() {
        for next in imports.get(module).into_iter().flatten() {
            if imports.contains_key(next) && next != module && seen.insert(next) {
                open.push(next);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings_of(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> =
            files.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned())).collect();
        find(&files)
    }

    #[test]
    fn a_ring_is_named_once() {
        let found = rings_of(&[
            ("x/src/a.rs", "use crate::b::B;\n"),
            ("x/src/b.rs", "use crate::{c::C, Thing};\n"),
            ("x/src/c/deep.rs", "fn f() { crate::a::go() }\n"),
            ("x/src/d.rs", "use crate::a::A;\n"),
        ]);
        assert_eq!(found, ["x/src: these modules import each other in a ring: a, b, c"]);
    }

    #[test]
    fn a_tree_is_none() {
        let found = rings_of(&[
            ("x/src/a.rs", "use crate::b::B;\n// crate::a\n#[cfg(test)]\nmod tests { use crate::c::C; }\n"),
            ("x/src/b.rs", "use crate::c;\n"),
            ("x/src/c.rs", "//! crate::a\nuse crate::Root;\n"),
            ("x/src/b/tests.rs", "use crate::a;\n"),
            ("x/src/lib.rs", "mod a; mod b; use crate::a::A;\n"),
            ("y/src/b.rs", "use crate::a;\n"),
        ]);
        assert_eq!(found, Vec::<String>::new());
    }
}
