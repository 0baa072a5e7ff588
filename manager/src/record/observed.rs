//! What the guest saw its agent do: programs executed and files used, allowed and refused. Each is a claim of the guest's.

use audit::{Action, Appended, Decision, Event, Object, Owner, Subject};
use wire::control::{
    Access, AccessRefusal, Execution, FileUse, MAX_ACCESSES, MAX_EXECUTIONS, RefusalReason, RefusedCall,
    Unlisted,
};
use wire::subject::{Digest, Program};

use super::Recorder;
use crate::failure::Failure;

/// The level on which the guest's kernel decided.
const EXECUTABLE: &str = "executable";
const FILESYSTEM: &str = "filesystem";
const SECCOMP: &str = "seccomp";

/// Milliseconds after which a record says when what it tells of began.
const LATE_MS: u32 = 1000;

impl Recorder {
    /// What the agent executed, and what it was not let execute.
    pub(crate) fn executed(&mut self, executions: &[Execution], unlisted: Unlisted) -> Result<(), Failure> {
        let _all = self.executing(executions)?;
        self.beyond(
            unlisted,
            "programs",
            &Event { level: Some(EXECUTABLE.to_owned()), ..Event::new(Action::Execution) },
        )
    }

    /// What the agent is about to execute; whether all of it is in the log, and not only let go by the operator's word.
    pub(crate) fn executing(&mut self, executions: &[Execution]) -> Result<bool, Failure> {
        let mut all = executions.len() <= MAX_EXECUTIONS;
        for execution in executions.iter().take(MAX_EXECUTIONS) {
            let sha256 = execution.sha256.map(Digest::to_hex);
            let appended = self.try_record(&Event {
                subject: Some(subject(&execution.caller)),
                object: Some(Object { sha256, ..Object::program(&execution.program, execution.times) }),
                decision: Some(decided(execution.refused.is_some())),
                reason: execution.refused.map(|refused| not_executed(refused).to_owned()),
                level: Some(EXECUTABLE.to_owned()),
                ..Event::new(Action::Execution)
            })?;
            all &= appended != Appended::Unrecorded;
        }
        Ok(all)
    }

    /// What it did with files, and what it was refused.
    pub(crate) fn accessed(&mut self, accesses: &[Access], unlisted: Unlisted) -> Result<(), Failure> {
        for access in accesses.iter().take(MAX_ACCESSES) {
            let (action, level) = match access.what {
                FileUse::Execute => (Action::Execution, FILESYSTEM),
                _ => (Action::FileAccess, FILESYSTEM),
            };
            self.record(&Event {
                subject: Some(subject(&access.by)),
                object: Some(Object::file(&access.path, verb(access.what), access.times)),
                decision: Some(decided(access.refused.is_some())),
                reason: accessed_why(access),
                level: Some(level.to_owned()),
                ..Event::new(action)
            })?;
        }
        self.beyond(
            unlisted,
            "files",
            &Event { level: Some(FILESYSTEM.to_owned()), ..Event::new(Action::FileAccess) },
        )
    }

    /// Which system calls it made that it may not make.
    pub(crate) fn called(&mut self, calls: &[RefusedCall], unlisted: u64) -> Result<(), Failure> {
        let refused = Event { level: Some(SECCOMP.to_owned()), ..Event::new(Action::SystemCall) };
        for call in calls.iter().take(MAX_EXECUTIONS) {
            let reason = if call.killed {
                "a call of another processor's table ends the process"
            } else {
                "process.seccomp does not allow it"
            };
            self.record(&Event {
                subject: Some(subject(&call.by)),
                object: Some(Object::call(&name(call.number), call.times)),
                decision: Some(Decision::Deny),
                reason: Some(reason.to_owned()),
                ..refused.clone()
            })?;
        }
        self.beyond(Unlisted { allowed: 0, refused: unlisted }, "system calls", &refused)
    }

    /// Those that there was no room to tell apart.
    fn beyond(&mut self, unlisted: Unlisted, what: &str, event: &Event) -> Result<(), Failure> {
        for (times, refused) in [(unlisted.allowed, false), (unlisted.refused, true)] {
            let (times, reason) = match times {
                0 => continue,
                u64::MAX => (None, format!("other {what}, more than the guest's kernel could count")),
                times => (Some(times), format!("other {what}, too many to list")),
            };
            self.record(&Event {
                object: Some(Object { times, ..Object::default() }),
                decision: Some(decided(refused)),
                reason: Some(reason),
                ..event.clone()
            })?;
        }
        Ok(())
    }
}

/// The process that did or tried, if somebody looked before it was gone.
fn subject(by: &Program) -> Subject {
    if by.path.is_empty() {
        return Subject::Unknown(format!("process {} was gone before it was looked at", by.pid));
    }
    Subject::Owners(vec![Owner::from(by)])
}

fn decided(refused: bool) -> Decision {
    if refused { Decision::Deny } else { Decision::Allow }
}

/// What a system call is called; a number without a name stays one.
fn name(number: u32) -> String {
    let known = usize::try_from(number).ok().and_then(syscalls::Sysno::new);
    known.map_or_else(|| number.to_string(), |call| call.name().to_owned())
}

/// What was wrong, as the policy's author would say it.
fn not_executed(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::NotAllowed => "process.executables does not allow it",
        RefusalReason::Denied => "process.executables denies it",
        RefusalReason::Loader => "it is the dynamic loader, which would execute any other file",
        RefusalReason::Unreadable => "the guest could not look at it",
    }
}

/// Why it was refused, and when it began if that was not just now: a record is of the time when it was written.
fn accessed_why(access: &Access) -> Option<String> {
    let begun = (access.first_ms_ago > LATE_MS).then(|| {
        format!(
            "the first of them {}.{} s before this record",
            access.first_ms_ago / 1000,
            access.first_ms_ago % 1000 / 100
        )
    });
    let refused = access.refused.map(not_accessed);
    match (refused, begun) {
        (Some(refused), Some(begun)) => Some(format!("{refused}; {begun}")),
        (refused, begun) => refused.map(str::to_owned).or(begun),
    }
}

fn not_accessed(refused: AccessRefusal) -> &'static str {
    match refused {
        AccessRefusal::Denied => "neither filesystem nor the file's permissions allow it",
        AccessRefusal::NotPermitted => "only the file's owner or the system may",
        AccessRefusal::ReadOnly => "nothing can be written there",
    }
}

/// As the record has it.
fn verb(what: FileUse) -> &'static str {
    match what {
        FileUse::Read => "read",
        FileUse::Write => "write",
        FileUse::Create => "create",
        FileUse::Remove => "remove",
        FileUse::Rename => "rename",
        FileUse::Attributes => "attributes",
        FileUse::Inspect => "inspect",
        FileUse::Execute => "execute",
    }
}
