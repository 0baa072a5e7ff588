//! Builds and installs seccomp filters: which system calls, under which conditions on their arguments,
//! and what happens to every other call. Which calls those are is the business of the lists.

use std::collections::BTreeMap;

use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch,
};

/// A system call's number.
pub type Call = libc::c_long;

/// Where a seccomp program finds the call's number (`struct seccomp_data`).
const NUMBER_OFFSET: u32 = 0;

/// The bit that marks a number of the x32 ABI.
const X32_BIT: u32 = 0x4000_0000;

/// Why a filter could not be built or installed.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A list does not make a filter: a bug in the list.
    #[error("malformed seccomp list")]
    Malformed(#[source] seccompiler::BackendError),
    /// The kernel refused the filter.
    #[error("the kernel refused the filter")]
    Install(#[source] seccompiler::Error),
    /// The kernel refused a filter whose refusals it is to tell of.
    #[error("the kernel refused the filter")]
    Logged(#[source] Errno),
}

/// What a call meets that is not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Otherwise {
    /// The process ends, and the kernel logs it: for our own processes, where it is a bug or an attack.
    KillProcess,
    /// The call fails: for the agent's programs, which try things and fall back.
    Refuse(Errno),
}

/// What of a filter's verdicts the kernel tells its audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Logged {
    /// What ends a process, as with every filter.
    Kills,
    /// What it refuses as well.
    Refusals,
}

/// A condition on one argument.
#[derive(Clone, Copy, Debug)]
pub struct Argument {
    index: u8,
    test: Test,
}

/// The kernel reads arguments such as commands and families as 32-bit numbers. Comparing only what it reads
/// is what keeps a caller from slipping past with garbage in the upper half.
#[derive(Clone, Copy, Debug)]
enum Test {
    Is(u32),
    IsNot(u32),
    Masked { mask: u64, value: u64 },
}

/// Calls that are allowed, each always or under any one of several sets of conditions.
#[derive(Debug, Default)]
pub struct AllowList {
    rules: BTreeMap<Call, Vec<SeccompRule>>,
}

impl Argument {
    /// The 32-bit argument `index` equals `value`.
    #[must_use]
    pub fn is(index: u8, value: u32) -> Self {
        Self { index, test: Test::Is(value) }
    }

    /// The 32-bit argument `index` differs from `value`.
    #[must_use]
    pub fn is_not(index: u8, value: u32) -> Self {
        Self { index, test: Test::IsNot(value) }
    }

    /// Of the bits `mask`, the 64-bit argument `index` has exactly `value`.
    #[must_use]
    pub fn masked(index: u8, mask: u64, value: u64) -> Self {
        Self { index, test: Test::Masked { mask, value } }
    }

    fn condition(self) -> Result<SeccompCondition, FilterError> {
        let (width, operator, value) = match self.test {
            Test::Is(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value.into()),
            Test::IsNot(value) => (SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value.into()),
            Test::Masked { mask, value } => (SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(mask), value),
        };
        SeccompCondition::new(self.index, width, operator, value).map_err(FilterError::Malformed)
    }
}

impl AllowList {
    /// Allows `calls` with any arguments.
    #[must_use]
    pub fn always(mut self, calls: &[Call]) -> Self {
        for call in calls {
            self.rules.insert(*call, Vec::new());
        }
        self
    }

    /// Allows `call` when all of `arguments` hold. Said several times of one call, any one suffices.
    ///
    /// # Errors
    /// The conditions do not make a rule: a bug in the list.
    pub fn when(mut self, call: Call, arguments: &[Argument]) -> Result<Self, FilterError> {
        let conditions =
            arguments.iter().map(|argument| argument.condition()).collect::<Result<Vec<_>, _>>()?;
        let rule = SeccompRule::new(conditions).map_err(FilterError::Malformed)?;
        match self.rules.get_mut(&call) {
            // An empty list means always: a condition must not narrow what was granted before.
            Some(rules) if rules.is_empty() => {}
            Some(rules) => rules.push(rule),
            None => drop(self.rules.insert(call, vec![rule])),
        }
        Ok(self)
    }

    /// Takes calls off the list.
    #[must_use]
    pub fn without(mut self, calls: &[Call]) -> Self {
        self.rules.retain(|call, _| !calls.contains(call));
        self
    }

    /// The calls that are allowed, always or under conditions.
    #[cfg(test)]
    pub(crate) fn calls(&self) -> impl Iterator<Item = Call> {
        self.rules.keys().copied()
    }

    /// Binds the calling thread, and the threads and processes that it starts later, to this list. A call
    /// of another architecture's ABI always ends the process.
    ///
    /// # Errors
    /// The list does not make a filter, or the kernel refused it.
    pub fn install(self, otherwise: Otherwise) -> Result<(), FilterError> {
        let (mismatch, logged) = match otherwise {
            Otherwise::KillProcess => (SeccompAction::KillProcess, Logged::Kills),
            Otherwise::Refuse(error) => (refuse(error), Logged::Refusals),
        };
        install(self.rules, (mismatch, SeccompAction::Allow), logged)
    }
}

/// Makes `calls` fail with `error` although a list allows them: for calls that libraries try and can do
/// without. The kernel takes the strictest verdict of all installed filters.
///
/// # Errors
/// The kernel refused the filter.
pub fn refuse_quietly(calls: &[Call], error: Errno) -> Result<(), FilterError> {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    install(rules, (SeccompAction::Allow, refuse(error)), Logged::Kills)
}

/// Ends a process that calls through the x32 ABI: its numbers would otherwise be judged as unknown calls only.
///
/// # Errors
/// The kernel refused the filter.
pub fn kill_x32() -> Result<(), FilterError> {
    let program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER_OFFSET),
        seccompiler::sock_filter {
            code: code(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K),
            jt: 0,
            jf: 1,
            k: X32_BIT,
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_KILL_PROCESS),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    seccompiler::apply_filter(&program).map_err(FilterError::Install)
}

fn statement(operation: u32, operand: u32) -> seccompiler::sock_filter {
    seccompiler::sock_filter { code: code(operation), jt: 0, jf: 0, k: operand }
}

fn code(operation: u32) -> u16 {
    u16::try_from(operation).expect("classic BPF operations are 16 bits wide")
}

fn refuse(error: Errno) -> SeccompAction {
    SeccompAction::Errno(error.raw_os_error().unsigned_abs())
}

fn install(
    rules: BTreeMap<Call, Vec<SeccompRule>>,
    (mismatch, matched): (SeccompAction, SeccompAction),
    logged: Logged,
) -> Result<(), FilterError> {
    let filter =
        SeccompFilter::new(rules, mismatch, matched, TargetArch::x86_64).map_err(FilterError::Malformed)?;
    let program = BpfProgram::try_from(filter).map_err(FilterError::Malformed)?;
    match logged {
        Logged::Kills => seccompiler::apply_filter(&program).map_err(FilterError::Install),
        Logged::Refusals => crate::namespaces::filter_logged(&program).map_err(FilterError::Logged),
    }
}
