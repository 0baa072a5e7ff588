//! Being told by the kernel's audit of calls that were refused. guest-init is its daemon: it says which calls, gets every event, and
//! learns how many were lost.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use wire::control::FileUse;

use super::assembly::{Assembly, Refused};
use crate::capture::netlink::{ACK, BUFFER, REQUEST, Request};
use crate::capture::{Netlink, NetlinkError};

/// Bytes of messages that wait here.
const BACKLOG: usize = 16 << 20;

/// For how long an answer of the kernel may take.
const ANSWER: Duration = Duration::from_secs(10);

/// Messages that wait in the kernel. Beyond them whoever makes more waits, at most [`PATIENCE`].
const KERNEL_BACKLOG: u32 = 4096;

/// In clock ticks of the kernel (at most 1000 a second): after that a message is lost, and counted.
const PATIENCE: u32 = 1000;

/// Between two questions how many were lost.
const COUNT_EVERY: Duration = Duration::from_secs(1);

/// What is told: refused by rule or permission, by ownership, and because nobody writes there.
const ERRORS: [Errno; 3] = [Errno::ACCESS, Errno::PERM, Errno::ROFS];

/// Requests, and the fields of what they carry.
mod audit {
    pub(super) const GET: u16 = 1000;
    pub(super) const SET: u16 = 1001;
    pub(super) const ADD_RULE: u16 = 1011;
    /// Not wanted: command lines, which may hold secrets, and crashes.
    pub(super) const PROCTITLE: u32 = 1327;
    pub(super) const CRASH: u32 = 1701;

    /// Bits of the status that a request sets, and the places of the values.
    pub(super) const ENABLED: (u32, usize) = (1, 1);
    pub(super) const FAILURE: (u32, usize) = (2, 2);
    pub(super) const PID: (u32, usize) = (4, 3);
    pub(super) const BACKLOG_LIMIT: (u32, usize) = (0x10, 5);
    pub(super) const BACKLOG_WAIT: (u32, usize) = (0x20, 9);
    pub(super) const LOST: usize = 6;
    pub(super) const BACKLOG: usize = 7;
    pub(super) const STATUS: usize = 11;

    pub(super) const AT_EXIT: u32 = 4;
    pub(super) const EXCLUDE: u32 = 5;
    pub(super) const FILE_SYSTEM: u32 = 6;
    pub(super) const NEVER: u32 = 0;
    pub(super) const ALWAYS: u32 = 2;
    pub(super) const UID: u32 = 1;
    pub(super) const MESSAGE: u32 = 12;
    pub(super) const FSTYPE: u32 = 26;
    pub(super) const EXIT: u32 = 103;
    pub(super) const EQUAL: u32 = 0x4000_0000;
    pub(super) const NOT_EQUAL: u32 = 0x3000_0000;
    /// Words of a set of calls.
    pub(super) const MASK: usize = 64;
    /// Most fields of a rule.
    pub(super) const FIELDS: usize = 64;
}

/// A call that names files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    number: libc::c_long,
    pub(super) what: FileUse,
    /// The argument that is a directory's descriptor.
    pub(super) directory: Option<usize>,
    /// Where an opening's flags are.
    pub(super) opening: Option<Flags>,
}

/// Of an opening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flags {
    /// In this argument.
    At(usize),
    /// They come in a message of their own.
    Apart,
    /// The call has no other.
    Always(i32),
}

const fn call(number: libc::c_long, what: FileUse) -> Call {
    Call { number, what, directory: None, opening: None }
}

const fn at(number: libc::c_long, what: FileUse) -> Call {
    Call { number, what, directory: Some(0), opening: None }
}

/// `access` and its like ask a question: the answer "no" is no refusal.
const CALLS: [Call; 56] = [
    Call { number: libc::SYS_open, what: FileUse::Read, directory: None, opening: Some(Flags::At(1)) },
    Call { number: libc::SYS_openat, what: FileUse::Read, directory: Some(0), opening: Some(Flags::At(2)) },
    Call { number: libc::SYS_openat2, what: FileUse::Read, directory: Some(0), opening: Some(Flags::Apart) },
    Call {
        number: libc::SYS_creat,
        what: FileUse::Create,
        directory: None,
        opening: Some(Flags::Always(libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC)),
    },
    call(libc::SYS_chdir, FileUse::Read),
    call(libc::SYS_fchdir, FileUse::Read),
    call(libc::SYS_truncate, FileUse::Write),
    call(libc::SYS_ftruncate, FileUse::Write),
    call(libc::SYS_mkdir, FileUse::Create),
    at(libc::SYS_mkdirat, FileUse::Create),
    call(libc::SYS_mknod, FileUse::Create),
    at(libc::SYS_mknodat, FileUse::Create),
    call(libc::SYS_symlink, FileUse::Create),
    Call { number: libc::SYS_symlinkat, what: FileUse::Create, directory: Some(1), opening: None },
    call(libc::SYS_link, FileUse::Create),
    at(libc::SYS_linkat, FileUse::Create),
    call(libc::SYS_unlink, FileUse::Remove),
    at(libc::SYS_unlinkat, FileUse::Remove),
    call(libc::SYS_rmdir, FileUse::Remove),
    call(libc::SYS_rename, FileUse::Rename),
    at(libc::SYS_renameat, FileUse::Rename),
    at(libc::SYS_renameat2, FileUse::Rename),
    call(libc::SYS_chmod, FileUse::Attributes),
    call(libc::SYS_fchmod, FileUse::Attributes),
    at(libc::SYS_fchmodat, FileUse::Attributes),
    at(libc::SYS_fchmodat2, FileUse::Attributes),
    call(libc::SYS_chown, FileUse::Attributes),
    call(libc::SYS_lchown, FileUse::Attributes),
    call(libc::SYS_fchown, FileUse::Attributes),
    at(libc::SYS_fchownat, FileUse::Attributes),
    call(libc::SYS_utime, FileUse::Attributes),
    call(libc::SYS_utimes, FileUse::Attributes),
    at(libc::SYS_futimesat, FileUse::Attributes),
    at(libc::SYS_utimensat, FileUse::Attributes),
    call(libc::SYS_setxattr, FileUse::Attributes),
    call(libc::SYS_lsetxattr, FileUse::Attributes),
    call(libc::SYS_fsetxattr, FileUse::Attributes),
    call(libc::SYS_removexattr, FileUse::Attributes),
    call(libc::SYS_lremovexattr, FileUse::Attributes),
    call(libc::SYS_fremovexattr, FileUse::Attributes),
    call(libc::SYS_stat, FileUse::Inspect),
    call(libc::SYS_lstat, FileUse::Inspect),
    at(libc::SYS_newfstatat, FileUse::Inspect),
    at(libc::SYS_statx, FileUse::Inspect),
    call(libc::SYS_readlink, FileUse::Inspect),
    at(libc::SYS_readlinkat, FileUse::Inspect),
    call(libc::SYS_statfs, FileUse::Inspect),
    call(libc::SYS_getxattr, FileUse::Inspect),
    call(libc::SYS_lgetxattr, FileUse::Inspect),
    call(libc::SYS_fgetxattr, FileUse::Inspect),
    call(libc::SYS_listxattr, FileUse::Inspect),
    call(libc::SYS_llistxattr, FileUse::Inspect),
    call(libc::SYS_flistxattr, FileUse::Inspect),
    Call { number: libc::SYS_inotify_add_watch, what: FileUse::Inspect, directory: None, opening: None },
    call(libc::SYS_execve, FileUse::Execute),
    at(libc::SYS_execveat, FileUse::Execute),
];

impl Call {
    pub(super) fn numbered(number: libc::c_long) -> Option<Self> {
        CALLS.into_iter().find(|call| call.number == number)
    }
}

#[derive(Debug)]
pub(super) struct Refusals {
    /// Where the messages come.
    messages: Netlink,
    /// Where questions are asked and answered.
    control: Netlink,
    assembly: Assembly,
    lost: u32,
    counted: Option<Instant>,
    /// For one message.
    buffer: Vec<u8>,
}

impl Refusals {
    /// Those of the user `agent`'s processes that start from here on.
    pub(super) fn of(agent: u32) -> Result<Self, NetlinkError> {
        let open = || Netlink::open(Some(rustix::net::netlink::AUDIT));
        let (messages, control) = (open()?, open()?);
        messages.allow_backlog(BACKLOG)?;
        control.limit_patience(ANSWER)?;
        let own = std::process::id();
        messages.tell(status(&[(audit::PID, own)], REQUEST))?;
        // Whoever is the daemon, it is not asked for twice.
        let refusals = Self {
            messages,
            control,
            assembly: Assembly::default(),
            lost: 0,
            counted: None,
            buffer: vec![0; BUFFER],
        };
        if refusals.status()?.get(audit::PID.1) != Some(&own) {
            return Err(NetlinkError::Refused(Errno::EXIST));
        }
        let confirmed = REQUEST | ACK;
        for message in [audit::PROCTITLE, audit::CRASH] {
            let kind = [(audit::MESSAGE, audit::EQUAL, message)];
            let exclude = rule((audit::EXCLUDE, audit::ALWAYS), &kind, [0; audit::MASK]);
            refusals.control.call(Request::new(audit::ADD_RULE, confirmed, &exclude))?;
        }
        // A rule that looks at what calls return makes the kernel look up, for each file that any call names, what it is and what
        // capabilities it has, and name only the directory of one that is made. Of no file system (none has the number 0) is that
        // wanted: the names as they were given say more and cost less.
        let of_files = [(audit::FSTYPE, audit::NOT_EQUAL, 0)];
        let unseen = rule((audit::FILE_SYSTEM, audit::NEVER), &of_files, [u32::MAX; audit::MASK]);
        refusals.control.call(Request::new(audit::ADD_RULE, confirmed, &unseen))?;
        for error in ERRORS {
            let code = error.raw_os_error().wrapping_neg().cast_unsigned();
            // What most calls are not comes first: the kernel looks no further.
            let refused = [(audit::EXIT, audit::EQUAL, code), (audit::UID, audit::EQUAL, agent)];
            let rule = rule((audit::AT_EXIT, audit::ALWAYS), &refused, mask());
            refusals.control.call(Request::new(audit::ADD_RULE, confirmed, &rule))?;
        }
        let settings = [
            (audit::FAILURE, 0),
            (audit::BACKLOG_LIMIT, KERNEL_BACKLOG),
            (audit::BACKLOG_WAIT, PATIENCE),
            (audit::ENABLED, 1),
        ];
        refusals.control.call(status(&settings, confirmed))?;
        Ok(refusals)
    }

    /// Hands on at most `most` messages that wait. Whether there may be more, and how many were lost.
    pub(super) fn read(
        &mut self,
        most: usize,
        mut each: impl FnMut(Refused),
    ) -> Result<(bool, u64), NetlinkError> {
        let (mut lost, mut read) = (0_u64, 0);
        while read < most {
            match self.messages.waiting(&mut self.buffer) {
                Ok(None) => break,
                Ok(Some(message)) => {
                    read += 1;
                    let (refused, given_up) = self.assembly.add(message.kind, &message.body, directory);
                    refused.into_iter().for_each(&mut each);
                    lost = lost.saturating_add(given_up);
                }
                // There was no room for others, and nobody knows for how many.
                Err(NetlinkError::Socket(Errno::NOBUFS)) => lost = u64::MAX,
                Err(error) => return Err(error),
            }
        }
        if read > 0 && self.counted.is_none_or(|counted| counted.elapsed() >= COUNT_EVERY) {
            lost = lost.saturating_add(self.lost()?.0);
        }
        Ok((read == most, lost))
    }

    /// How many messages the kernel lost since it was asked last, and how many wait there.
    pub(super) fn lost(&mut self) -> Result<(u64, u32), NetlinkError> {
        self.counted = Some(Instant::now());
        let status = self.status()?;
        let at = |place: usize| status.get(place).copied().unwrap_or_default();
        let total = at(audit::LOST);
        let lost = u64::from(total.wrapping_sub(std::mem::replace(&mut self.lost, total)));
        Ok((lost, at(audit::BACKLOG)))
    }

    fn status(&self) -> Result<Vec<u32>, NetlinkError> {
        let answers = self.control.query(Request::new(audit::GET, REQUEST, &[]), false)?;
        let body =
            answers.into_iter().find(|answer| answer.kind == audit::GET).ok_or(NetlinkError::Malformed)?.body;
        let (words, _) = body.as_chunks::<4>();
        Ok(words.iter().map(|word| u32::from_ne_bytes(*word)).collect())
    }
}

impl AsFd for Refusals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.messages.as_fd()
    }
}

/// Where a descriptor of a process leads, if that is still there.
fn directory(process: u32, descriptor: i32) -> Option<Vec<u8>> {
    let link = std::fs::read_link(format!("/proc/{process}/fd/{descriptor}")).ok()?;
    Some(link.into_os_string().into_vec())
}

/// A request to set parts of the status.
fn status(values: &[((u32, usize), u32)], flags: u16) -> Request {
    let mut words = [0_u32; audit::STATUS];
    for ((bit, place), value) in values {
        words[0] |= bit;
        words[*place] = *value;
    }
    Request::new(audit::SET, flags, &words.map(u32::to_ne_bytes).concat())
}

/// All calls that are told of, as bits.
fn mask() -> [u32; audit::MASK] {
    let mut mask = [0_u32; audit::MASK];
    for call in CALLS {
        let number = usize::try_from(call.number).expect("numbers of calls are small and positive");
        mask[number / 32] |= 1 << (number % 32);
    }
    mask
}

/// `struct audit_rule_data`, without texts, of fields, operators and values.
fn rule((list, action): (u32, u32), fields: &[(u32, u32, u32)], mask: [u32; audit::MASK]) -> Vec<u8> {
    let mut table = [[0_u32; audit::FIELDS]; 3];
    for (at, (field, operator, value)) in fields.iter().enumerate() {
        table[0][at] = *field;
        table[1][at] = *value;
        table[2][at] = *operator;
    }
    let count = u32::try_from(fields.len()).expect("a rule has few fields");
    let head = [list, action, count];
    let no_text = [0_u32];
    let words = head.iter().chain(&mask).chain(table.iter().flatten()).chain(&no_text);
    words.flat_map(|word| word.to_ne_bytes()).collect()
}
