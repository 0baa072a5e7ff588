//! What the kernel says about a file that somebody is about to execute, and about who that is.

use std::cell::OnceCell;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags, StatVfsMountFlags, StatxFlags};
use rustix::process::Pid;
use wire::subject::Digest;

use super::rules::{Content, Facts, Hold, Role};
use crate::boot::root::{TREE, Tree};
use crate::identity::{Digests, Programs, Version};
use crate::sys::fanotify::Question;
use crate::tally;

/// Longest file that is read for its digest where a list names digests.
const MAX_CONTENT: u64 = 1 << 30;

/// Longest file that is read only to be told.
const MAX_TOLD: u64 = 64 << 20;

/// Write permission of the group and of others. An access list that lets somebody else write shows as the
/// group's.
const OTHERS_WRITE: u32 = 0o022;

/// The function of the kernel that starts a program of the usual format; it opens the program's loader. (That
/// the program itself may be executed was asked before, from elsewhere in the kernel.)
const STARTS_PROGRAM: &str = "load_elf_binary+";

/// In names of the kernel's functions in which a thread waits for an answer.
const ASKS: &str = "fanotify_";

/// A file that somebody waits to execute.
#[derive(Debug)]
pub(super) struct Opened<'a> {
    question: &'a Question,
    digests: &'a Digests,
    agent: u32,
    /// Looked up once: whoever judges, tells and answers speaks of one path.
    path: OnceCell<Option<Vec<u8>>>,
}

impl<'a> Opened<'a> {
    pub(super) fn new(question: &'a Question, digests: &'a Digests, agent: u32) -> Self {
        Self { question, digests, agent, path: OnceCell::new() }
    }

    /// Which state of which file it is.
    pub(super) fn version(&self) -> Option<Version> {
        // Of a live mount the host is asked: what the guest's kernel believes of it may be an hour old.
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_FORCE_SYNC;
        let state = rustix::fs::statx(&self.question.file, "", flags, StatxFlags::BASIC_STATS).ok()?;
        Some(Version::of_open(&state))
    }

    /// The content's digest, for whoever reads the log.
    pub(super) fn digest(&self) -> Option<Digest> {
        let size = rustix::fs::fstat(&self.question.file).ok()?.st_size;
        if u64::try_from(size).ok()? > MAX_TOLD {
            return None;
        }
        self.content().map(|content| content.digest)
    }

    /// A file with somebody else's name on it, that only they may write, or on a file system that nobody writes.
    fn hold(&self, file: &File) -> Option<Hold> {
        let metadata = file.metadata().ok()?;
        let theirs = metadata.uid() != self.agent && metadata.mode() & OTHERS_WRITE == 0;
        let read_only = rustix::fs::fstatvfs(file).ok()?.f_flag.contains(StatVfsMountFlags::RDONLY);
        Some(if theirs || read_only { Hold::Lasting } else { Hold::Fleeting })
    }
}

impl Facts for Opened<'_> {
    fn path(&self) -> Option<&[u8]> {
        let look = || {
            let link = format!("/proc/self/fd/{}", self.question.file.as_raw_fd());
            fs::read_link(link).ok().map(|path| path.into_os_string().into_vec())
        };
        self.path.get_or_init(look).as_deref()
    }

    fn content(&self) -> Option<Content> {
        let mut file = File::from(self.question.file.try_clone().ok()?);
        let hold = self.hold(&file)?;
        if file.metadata().ok()?.size() > MAX_CONTENT {
            return None;
        }
        let digest = match hold {
            Hold::Lasting => self.digests.of(&mut file).ok()??,
            // Times do not tell two writes of one moment apart: what the agent may write is read every time.
            Hold::Fleeting => Digests::afresh(&mut file).ok()?,
        };
        Some(Content { digest, hold })
    }

    /// The thread waits in the kernel, and its stack there cannot be forged from outside of it.
    fn role(&self) -> Role {
        let stack = format!("/proc/{}/stack", self.question.thread.as_raw_nonzero());
        let frames = fs::read_to_string(stack).unwrap_or_default();
        if frames.lines().any(|frame| frame.contains(STARTS_PROGRAM)) { Role::Loader } else { Role::Program }
    }
}

/// Who waits in the kernel: for as long as it does, it is this thread of this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Waiter {
    /// When it was started, in ticks since the kernel was. One that takes over its process and its number has that, too.
    started: u64,
    /// Device and inode of its executable, if that can be looked at. (Its path may be changed by others.)
    executable: Option<(u64, u64)>,
}

impl Waiter {
    /// Who has this number; `None` if nobody has.
    pub(super) fn of(thread: Pid) -> Option<Self> {
        let about = format!("/proc/{}", thread.as_raw_nonzero());
        let stat = fs::read_to_string(format!("{about}/stat")).ok()?;
        // Behind the name, which may hold anything: the twentieth field.
        let started = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
        let executable = fs::metadata(format!("{about}/exe")).ok();
        Some(Self { started, executable: executable.map(|executable| (executable.dev(), executable.ino())) })
    }
}

/// Whether the thread waits for an answer: another one of its process, which executes the same program, can have taken its place. Where
/// the kernel does not show stacks, nobody is refused for that: only who executed what would be told wrongly.
pub(super) fn is_asking(thread: Pid) -> bool {
    let frames = fs::read_to_string(format!("/proc/{}/stack", thread.as_raw_nonzero())).unwrap_or_default();
    frames.is_empty() || frames.contains(ASKS)
}

/// The process that tries: its executable, as it is told, which state of which file that is, and the script that it runs.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) path: String,
    pub(super) version: Option<Version>,
    pub(super) script: Option<String>,
}

impl Caller {
    /// Of a thread that waits in the kernel: it cannot become another program meanwhile.
    pub(super) fn waiting(thread: Pid) -> Self {
        let link = format!("/proc/{}/exe", thread.as_raw_nonzero());
        let version = fs::metadata(&link).ok().map(|metadata| Version::of(&metadata));
        let path = fs::read_link(link).map(|path| path.into_os_string().into_vec()).unwrap_or_default();
        let path = tally::text(&path);
        let script = Programs::script(thread, &path);
        Self { path, version, script }
    }
}

/// Where `path` of the agent's tree leads to.
pub(super) fn resolved(tree: &Tree, path: &str) -> Option<Vec<u8>> {
    let file = tree.at(Path::new(path), OFlags::PATH, Mode::empty()).ok()?;
    let inside = fs::read_link(Tree::name(&file)).ok()?;
    let inside = Path::new("/").join(inside.strip_prefix(TREE).ok()?);
    Some(inside.into_os_string().into_vec())
}
