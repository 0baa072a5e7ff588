//! What a run could leave behind on the host, counted before and after.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything of ours that exists now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Residue {
    processes: BTreeSet<String>,
    mounts: BTreeSet<String>,
    cgroups: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Residue {
    /// Counts. Files are the session's own business: it has its own directories for them.
    #[must_use]
    pub fn now() -> Self {
        Self {
            processes: processes(),
            mounts: lines("/proc/self/mounts"),
            cgroups: entries(Path::new("/sys/fs/cgroup")),
            namespaces: entries(Path::new("/run/netns")),
        }
    }
}

/// Command lines of running programs of the product. Kernel threads have none.
fn processes() -> BTreeSet<String> {
    let numbers =
        entries(Path::new("/proc")).into_iter().filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    let programs = numbers.filter_map(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        let name = String::from_utf8_lossy(line.split(|b| *b == 0).next()?).into_owned();
        (name.contains("openshell") && !name.contains("scenarios")).then(|| format!("{pid} {name}"))
    });
    programs.collect()
}

fn lines(path: &str) -> BTreeSet<String> {
    fs::read_to_string(path).unwrap_or_default().lines().map(str::to_owned).collect()
}

fn entries(path: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(path).into_iter().flatten().filter_map(Result::ok);
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}
