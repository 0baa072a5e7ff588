//! Processes that came of this one. A process that has said that it takes orphans gets the children of its children when
//! those end, and can so end all that a program has started.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use rustix::process::{Pid, Signal, WaitOptions};

/// From now on orphans among the descendants become children of this process.
///
/// # Errors
/// The kernel refuses.
pub fn adopt() -> std::io::Result<()> {
    // Any process id but none says yes.
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// The children of a process at this moment.
#[must_use]
pub fn of(parent: Pid) -> Vec<Pid> {
    all()
        .filter(|pid| parent_of(*pid) == Some(parent.as_raw_nonzero().get()))
        .filter_map(Pid::from_raw)
        .collect()
}

/// The child of a process that was there first, by its number.
#[must_use]
pub fn first_of(parent: Pid) -> Option<Pid> {
    of(parent).into_iter().min_by_key(|child| child.as_raw_nonzero())
}

/// The inodes of the sockets that a process or one below it has open. Of a process that ends meanwhile, none.
#[must_use]
pub fn sockets_below(root: Pid) -> BTreeSet<u64> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in all() {
        if let Some(parent) = parent_of(pid) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut sockets = BTreeSet::new();
    let mut next = vec![root.as_raw_nonzero().get()];
    // Each has one parent: nobody is met twice.
    while let Some(pid) = next.pop() {
        next.extend(children.remove(&pid).unwrap_or_default());
        sockets.extend(sockets_of(pid));
    }
    sockets
}

fn sockets_of(pid: i32) -> impl Iterator<Item = u64> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| {
        let shown = fs::read_link(entry.path()).ok()?;
        shown.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

fn all() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
}

/// Kills all children but `spared`, and theirs as they become ours, until none is left. They are reaped.
pub fn end(spared: &[Pid]) {
    loop {
        let mut children = of(rustix::process::getpid());
        children.retain(|child| !spared.contains(child));
        if children.is_empty() {
            return;
        }
        for child in children {
            // One that has ended already is reaped all the same.
            let _gone = rustix::process::kill_process(child, Signal::KILL);
            let _reaped = rustix::process::waitpid(Some(child), WaitOptions::empty());
        }
    }
}

/// The parent's id stands behind the name, which may hold anything, brackets and spaces too.
fn parent_of(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&stat);
    let (_, rest) = text.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}
