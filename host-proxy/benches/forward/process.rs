//! Processes on a processor of their own, and what the kernel counted of them.

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_setaffinity};

/// The processor of whoever is measured, and that of everybody else.
const MEASURED: usize = 0;
const OTHERS: usize = 1;

/// A started process and its descendants; it ends when this is dropped.
pub(crate) struct Process(Child);

/// Moves this thread, and the threads that it starts later, to the processor of those that are not measured.
pub(crate) fn step_aside() {
    stay_on(OTHERS);
}

/// Does what starts processes, on the processor of those that are measured: they inherit it.
pub(crate) fn measured<T>(start: impl FnOnce() -> T) -> T {
    stay_on(MEASURED);
    let started = start();
    stay_on(OTHERS);
    started
}

fn stay_on(processor: usize) {
    let mut set = CpuSet::new();
    set.set(processor);
    sched_setaffinity(None, &set).expect("two processors are needed");
}

impl Process {
    /// Starts it where it is measured, silent.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null());
        Self(measured(|| command.spawn()).unwrap())
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    /// The descendants too: a master that is killed leaves its workers behind.
    fn drop(&mut self) {
        if let Ok(Some(_ended)) = self.0.try_wait() {
            // Its number may be another's by now.
            return;
        }
        for id in family(self.0.id()) {
            let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
            let _gone = id.map(|id| rustix::process::kill_process(id, rustix::process::Signal::KILL));
        }
        let _gone = self.0.wait();
    }
}

/// Time that a process and its descendants ran, in all threads that they have now.
pub(crate) fn processor_time(id: u32) -> Duration {
    let ran = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(path.join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    };
    let threads = family(id).into_iter().filter_map(|id| std::fs::read_dir(format!("/proc/{id}/task")).ok());
    let times = threads.flatten().flatten().filter_map(|thread| ran(thread.path()));
    Duration::from_nanos(times.sum())
}

/// Resident memory of a process and its descendants, in bytes.
pub(crate) fn resident(id: u32) -> u64 {
    let kib = |id: u32| {
        let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix(" kB")?.parse::<u64>().ok()
    };
    family(id).into_iter().filter_map(kib).sum::<u64>() * 1024
}

/// A process and its descendants.
fn family(id: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    for id in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
        if let Some(parent) = parent(id) {
            children.entry(parent).or_default().push(id);
        }
    }
    let (mut all, mut next) = (vec![id], 0);
    while let Some(&id) = all.get(next) {
        all.extend(children.remove(&id).unwrap_or_default());
        next += 1;
    }
    all
}

fn parent(id: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}
