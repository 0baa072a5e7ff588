//! Where decisions fall: all that a record's `level` can be.

/// Every level: those of the policy in their order, then the checks of whoever decides beside it.
pub const LEVELS: [&str; 21] = [
    // The policy's, and what the proxy checks on the way out.
    "binary",
    "destination",
    "method",
    "path",
    "condition",
    "message",
    "download",
    "limit",
    "credential",
    "request",
    "upstream",
    "proxy",
    // The proxy's on the way in.
    "source",
    "token",
    "quarantine",
    "sandbox",
    // The router's.
    "inference",
    "region",
    // The guest's kernel's.
    "executable",
    "filesystem",
    "seccomp",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Crates that hand in records with a level.
    const WRITERS: [&str; 4] = ["policies/src", "host-proxy/src", "router/src", "manager/src"];

    /// What those crates' text can put into a record is the list, to the last. A way of writing one down that is not known here
    /// fails, so that it is added.
    #[test]
    fn the_list_is_what_the_code_writes() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut written = BTreeSet::new();
        for file in WRITERS.iter().flat_map(|writer| files(&root.join(writer))) {
            let text = fs::read_to_string(&file).unwrap();
            written.extend(levels(&text).unwrap_or_else(|line| panic!("{}: {line}", file.display())));
        }
        assert_eq!(written, LEVELS.map(str::to_owned).into());
    }

    #[test]
    fn no_way_of_writing_one_down_is_missed() {
        let of = |text: &str| levels(text).map(|found| found.into_iter().collect::<Vec<_>>().join(" "));
        assert_eq!(of("const AN: &str = \"a\";\nEvent { level: Some(AN.to_owned()) }").unwrap(), "a");
        assert_eq!(of("Self { level: \"limit\", status }").unwrap(), "limit");
        assert_eq!(of("impl Level {\n Self::Path => \"path\",\n}\n}").unwrap(), "path");
        for unknown in
            ["level: Some(of_it())", "event.level = Some(\"x\".into());", "level: Some(BE.to_owned())"]
        {
            assert!(of(unknown).is_err(), "{unknown}");
        }
    }

    fn files(directory: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        let (directories, mut all): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
        all.retain(|path| !path.ends_with("tests.rs") && path.extension().is_some_and(|end| end == "rs"));
        let below = directories.iter().filter(|path| !path.ends_with("tests"));
        all.extend(below.flat_map(|directory| files(directory)));
        all
    }

    /// The levels that a file's text has; the first line that gives one in a way that is not known.
    fn levels(text: &str) -> Result<BTreeSet<String>, String> {
        let code = text.split("#[cfg(test)]").next().unwrap_or_default();
        let mut found = BTreeSet::new();
        for part in
            ["impl Stopped {", "impl Level {"].iter().filter_map(|start| Some(code.split_once(start)?.1))
        {
            let arms = part.lines().take_while(|line| *line != "}");
            let arms = arms.filter_map(|line| line.trim().strip_prefix("Self::")?.split('"').nth(1));
            found.extend(arms.map(str::to_owned));
        }
        for line in code.lines().map(str::trim).filter(|line| !line.starts_with("//")) {
            let Some((_, given)) = line.split_once("level: ").or(line.split_once(".level = ")) else {
                continue;
            };
            if let Some(literal) = given.strip_prefix('"') {
                found.extend(literal.split('"').next().map(str::to_owned));
            } else if given.starts_with("Some(") || given.contains(".map(") {
                found.extend(named(code, given).ok_or(line)?);
            }
        }
        Ok(found)
    }

    /// The values of the constants by which one is given; none, where it is one that was made elsewhere.
    fn named(code: &str, given: &str) -> Option<Vec<String>> {
        let from_elsewhere = [".as_str().to_owned()", "refused.level.to_owned()", "Some(level.to_owned())"];
        if from_elsewhere.iter().any(|form| given.contains(form)) {
            return Some(Vec::new());
        }
        let names = given.split(|c: char| !c.is_ascii_uppercase()).filter(|name| name.len() > 1);
        let values = names.map(|name| {
            let (_, value) = code.split_once(&format!("const {name}: &str = \""))?;
            value.split('"').next().map(str::to_owned)
        });
        values.collect::<Option<Vec<_>>>().filter(|values| !values.is_empty())
    }
}
