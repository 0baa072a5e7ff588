//! What each process executed last, for those that are gone when somebody asks.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;

/// Processes that are remembered.
const REMEMBERED: usize = 4096;

/// Written before each execution.
#[derive(Debug, Default)]
pub(crate) struct Programs(Mutex<Executed>);

#[derive(Debug, Default)]
struct Executed {
    programs: HashMap<Pid, Vec<u8>>,
    /// Oldest first.
    order: VecDeque<Pid>,
}

impl Programs {
    /// The process is about to become `program`.
    pub(crate) fn executes(&self, process: Pid, program: Vec<u8>) {
        let mut executed = self.executed();
        if executed.programs.insert(process, program).is_none() {
            executed.order.push_back(process);
        }
        if executed.order.len() > REMEMBERED
            && let Some(oldest) = executed.order.pop_front()
        {
            executed.programs.remove(&oldest);
        }
    }

    /// The executable of a process; empty if it is gone and did not execute anything itself.
    pub(crate) fn of(&self, process: Pid) -> Vec<u8> {
        let link = fs::read_link(format!("/proc/{}/exe", process.as_raw_nonzero()));
        // Of a process that has ended and was not waited for yet the link is there and leads nowhere.
        let live = link.map(|path| path.into_os_string().into_vec()).unwrap_or_default();
        if live.is_empty() {
            self.executed().programs.get(&process).cloned().unwrap_or_default()
        } else {
            live
        }
    }

    fn executed(&self) -> MutexGuard<'_, Executed> {
        // A panic ends the process, so no thread ever finds the lock poisoned.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod unit_tests {
    use super::*;

    #[test]
    fn the_last_program_of_a_process_is_known_and_others_are_forgotten() {
        let programs = Programs::default();
        let process = |number| Pid::from_raw(number).unwrap();
        // No process has these numbers.
        let first = 1 << 28;
        programs.executes(process(first), b"/a".to_vec());
        programs.executes(process(first), b"/b".to_vec());
        assert_eq!(programs.of(process(first)), b"/b");
        assert_eq!(programs.of(process(first + 1)), b"");
        (1..=i32::try_from(REMEMBERED).unwrap())
            .for_each(|n| programs.executes(process(first + n), b"/c".to_vec()));
        assert_eq!(
            (programs.of(process(first)), programs.of(process(first + 1))),
            (Vec::new(), b"/c".to_vec())
        );
        let own = std::env::current_exe().unwrap().into_os_string().into_vec();
        assert_eq!(programs.of(rustix::process::getpid()), own);
    }
}
